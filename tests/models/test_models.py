"""Small models: compiled they give what NumPy gives, in the memory and kernels that were planned.

`counts.json` holds how many kernels of which kind each model takes, and the bytes of its arena;
`pytest tests/models --rewrite-counts` writes what was found, for review as a diff.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.small import MODELS, Model

import symfuse as sf
from symfuse.runtime.executable import Executable
from symfuse.tracing.tree import flatten, map_leaves

COUNTS = Path(__file__).with_name("counts.json")
BATCH = 12
EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
EVERY_DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])


def arguments(model: Model, dtype: str, batch: int = BATCH) -> tuple[Any, ...]:
    """The same arguments in every call, floats of the given type."""
    made = model.inputs(np.random.default_rng(3), batch)
    return map_leaves(lambda x: x.astype(dtype) if x.dtype.kind == "f" else x, made)


@cache
def compiled(model: Model, dtype: str, *, symbolic: bool = False) -> Any:
    specs = list(arguments(model, dtype))
    for at in model.batched if symbolic else ():
        specs[at] = sf.spec(("N", *specs[at].shape[1:]), specs[at].dtype)
    return sf.compile(model.function, *specs)


def same_bits(one: Any, other: Any) -> None:
    for x, y in zip(flatten(one)[0], flatten(other)[0], strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        assert x.tobytes() == y.tobytes()


def near(found: Any, wanted: Any, dtype: str) -> None:
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    assert flatten(found)[1] == flatten(wanted)[1]
    for x, y in zip(flatten(found)[0], flatten(wanted)[0], strict=True):
        assert (x.dtype, x.shape) == (np.asarray(y).dtype, np.shape(y))
        scale = max(1.0, float(np.max(np.abs(y))))
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale)


@EVERY_MODEL
@EVERY_DTYPE
def test_compiled_gives_what_numpy_gives(model: Model, dtype: str) -> None:
    args = arguments(model, dtype)
    near(compiled(model, dtype)(*args), model.function(*args), dtype)


@EVERY_MODEL
def test_gradients_equal_differences(model: Model) -> None:
    leaves, tree = flatten(arguments(model, "float64", batch=3))
    floats = [at for at, leaf in enumerate(leaves) if leaf.dtype.kind == "f"]

    def function(*given: Any) -> Any:
        filled = dict(zip(floats, given, strict=True))
        return model.function(*tree.unflatten(filled.get(at, x) for at, x in enumerate(leaves)))

    sf.check_grads(function, [leaves[at] for at in floats])


@EVERY_MODEL
@pytest.mark.parametrize("batch", [1, BATCH, 700])
def test_one_thread_and_two_give_the_same_bits(model: Model, batch: int) -> None:
    exe = compiled(model, "float32", symbolic=True)
    args = flatten(arguments(model, "float32", batch))[0]
    alone, shared = (Executable(exe.program, threads=count) for count in (1, 2))
    same_bits(alone(*args), shared(*args))


@EVERY_MODEL
@pytest.mark.parametrize("batch", [1, 5, BATCH])
def test_a_symbolic_batch_gives_what_a_number_gives(model: Model, batch: int) -> None:
    args = arguments(model, "float32", batch)
    found = compiled(model, "float32", symbolic=True)(*args)
    static = compiled(model, "float32") if batch == BATCH else model.function
    near(found, static(*args), "float32")


@EVERY_MODEL
@EVERY_DTYPE
def test_the_planned_peak_is_the_measured_one(model: Model, dtype: str) -> None:
    args = flatten(arguments(model, dtype))[0]
    for exe in (compiled(model, dtype), compiled(model, dtype, symbolic=True)):
        measured = Executable(exe.program, threads=1, verify=True)
        measured(*args)
        sizes = {"N": BATCH} if exe.program.symbols else {}
        assert measured.last_high_water == exe.memory.peak_bytes(**sizes)


@EVERY_MODEL
def test_donated_arguments_keep_the_results(model: Model) -> None:
    args = arguments(model, "float32")
    every = tuple(range(len(args)))
    wanted = compiled(model, "float32")(*args)
    donating = sf.compile(model.function, *args, donate_argnums=every)
    same_bits(donating(*map_leaves(np.copy, args)), wanted)


@EVERY_MODEL
def test_kernels_and_bytes_are_those_on_record(
    model: Model, request: pytest.FixtureRequest
) -> None:
    known = json.loads(COUNTS.read_text(encoding="utf-8")) if COUNTS.exists() else {}
    if request.config.getoption("--rewrite-counts"):
        known[model.name] = counts(model)
        text = json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False)
        COUNTS.write_text(f"{text}\n", encoding="utf-8")
    assert known.get(model.name) == counts(model)


def counts(model: Model) -> dict[str, Any]:
    """The kinds of the kernels in order, and the bytes of the arena."""
    exe, open_ = (compiled(model, "float32", symbolic=symbolic) for symbolic in (False, True))
    return {
        "kernels": [launch.kind for launch in exe.program.launches],
        "symbolic_kernels": len(open_.program.launches),
        "arena": exe.program.arena,
        "symbolic_arena": str(open_.program.arena),
        "lower_bound": exe.memory.as_dict()["lower_bound"],
        "eager_peak": exe.memory.as_dict()["eager_peak"],
    }
