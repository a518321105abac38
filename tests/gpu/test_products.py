"""Products by the real library, with all that it does to results at once, have the right values."""

from __future__ import annotations

import numpy as np
import pytest
from cuda.test_products import FAST, FORMS

import symfuse as sf
from symfuse.runtime.cuda.code import ProductLaunch

CASES = {name: (*form, "strict") for name, form in FORMS.items()}
CASES |= {f"{name}, fast": (*form, "fast") for name, form in FAST.items()}


def drawn(types):
    rng = np.random.default_rng(3)
    names = {"f32": np.float32, "f64": np.float64}
    shapes = [tuple(map(int, text[4:-1].split(","))) for text in types]
    return [
        rng.standard_normal(shape).astype(names[text[:3]])
        for text, shape in zip(types, shapes, strict=True)
    ]


def leaves(found):
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", CASES)
def test_a_form_has_the_values_of_numpy(name):
    function, types, (epilogue, *_), numerics = CASES[name]
    arrays = drawn(types)
    exe = sf.compile(function, *types, target="cuda", numerics=numerics)
    products = [x for x in exe.program.device.launches if isinstance(x, ProductLaunch)]
    assert [product.epilogue for product in products] == [epilogue]
    wanted = sf.trace(function, *types)(*arrays)
    for found, exact in zip(leaves(exe(*arrays)), leaves(wanted), strict=True):
        near = {"strict": 2e-5, "fast": 5e-3}[numerics] * float(np.max(np.abs(exact)))
        np.testing.assert_allclose(np.asarray(found), exact, rtol=0, atol=near)


def test_halves_are_summed_in_float32():
    rng = np.random.default_rng(4)
    x, w = (rng.standard_normal((256, 256)).astype(np.float16) for _ in range(2))
    exe = sf.compile(lambda x, w: x @ w, x, w, target="cuda")
    exact = x.astype(np.float64) @ w.astype(np.float64)
    found = np.asarray(exe(x, w)).astype(np.float64)
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-3 * float(np.max(np.abs(exact))))
