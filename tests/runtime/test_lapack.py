"""The LAPACK that compiled code calls: where it comes from, and the error where there is none."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import symfuse as sf
from symfuse.runtime.host import lapack


def _scipys() -> tuple[ctypes.CDLL, ...]:
    spec = importlib.util.find_spec("scipy")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("SciPy is not installed")
    folder = Path(spec.submodule_search_locations[0], "linalg")
    return tuple(ctypes.CDLL(str(path)) for path in folder.glob("_flapack.*"))


def test_numpys_own_library_has_what_programs_call() -> None:
    for routine in ("potrf", "trsm", "trsv", "getrf", "geqrf", "orgqr", "syevd", "gesdd"):
        assert all(lapack.routine(f"{letter}{routine}") for letter in "sd")


def test_without_a_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lapack, "_libraries", tuple)
    with pytest.raises(sf.DeviceError, match="LAPACK routine dpotrf") as raised:
        sf.jit(lambda x: np.linalg.cholesky(x) - 3)(np.eye(2))
    assert "pip install scipy" in raised.value.fix


def test_a_library_with_integers_of_32_bits_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lapack, "_libraries", _scipys)
    x = np.random.default_rng(0).normal(size=(2, 5, 5))
    for n in (1, 2, 5):
        part = x[:, :n, :n]
        found = sf.jit(lambda x: (np.linalg.inv(x), np.linalg.svd(x), np.linalg.qr(x)))(part)
        np.testing.assert_allclose(found[0], np.linalg.inv(part), rtol=1e-9)
        u, s, vh = found[1]
        np.testing.assert_allclose(u * s[:, None] @ vh, part, atol=1e-13)
        np.testing.assert_allclose(found[2][0] @ found[2][1], part, atol=1e-13)
    symmetric = x + np.swapaxes(x, 1, 2)
    values = sf.jit(lambda x: np.linalg.eigvalsh(x))(symmetric)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(symmetric), atol=1e-12)
