"""What the array API standard asks of a namespace and of its arrays, on tracers."""

import json
from pathlib import Path

import numpy as np
import pytest

import symfuse as sf
import symfuse.numpy as snp

RECORDS = Path(__file__).parents[1] / "conformance"


def test_a_tracer_knows_its_namespace():
    seen = []

    def f(x):
        seen.append(
            (x.__array_namespace__(api_version="2024.12"), x.device, x.to_device("cpu") is x)
        )
        return x

    sf.trace(f, "f32[3]")
    assert seen == [(snp, None, True)]
    with pytest.raises(sf.ArgumentError, match="version 2099"):
        sf.trace(lambda x: x.__array_namespace__(api_version="2099.12"), "f32[3]")


def test_the_namespace_tells_of_itself():
    info = snp.__array_namespace_info__()
    assert info.default_device() in info.devices()
    assert info.default_dtypes()["indexing"] == np.int64
    assert set(info.dtypes(kind="integral")) == set(info.dtypes(kind=("signed integer",
        "unsigned integer")))  # fmt: skip
    assert set(info.dtypes(kind="complex floating")) == {"complex64", "complex128"}
    with pytest.raises(sf.ArgumentError, match="no device"):
        info.dtypes(device="tpu")
    with pytest.raises(sf.ArgumentError, match="no kind"):
        info.dtypes(kind="text")


def test_questions_about_types_are_answered_on_tracers():
    def f(x, y):
        assert snp.result_type(x, y) == np.float64
        assert snp.result_type(x, 1) == np.float32
        assert snp.result_type(x, "bfloat16") == np.float32
        assert snp.can_cast(x, np.float64) and not snp.can_cast(y, np.float32)
        assert snp.isdtype(x.dtype, "real floating")
        assert snp.finfo(x).bits == 32
        return x

    sf.trace(f, "f32[3]", "f64[3]")


def test_limits_are_pythons_numbers():
    limits = snp.finfo(np.float32)
    assert type(limits.eps) is type(limits.max) is float
    assert limits.dtype == np.float32
    assert snp.iinfo(np.ones(2, "int16")).max == 32767


def test_running_sums_may_begin_with_their_first_value():
    x = np.arange(6.0).reshape(2, 3)
    for function, twin in (
        (snp.cumulative_sum, np.cumulative_sum),
        (snp.cumulative_prod, np.cumulative_prod),
    ):
        found = sf.jit(lambda x, f=function: f(x, axis=1, include_initial=True))(x)
        np.testing.assert_array_equal(found, twin(x, axis=1, include_initial=True))


def test_differences_take_what_is_beside_the_array():
    x = np.arange(6.0).reshape(2, 3) ** 2
    found = sf.jit(lambda x: snp.diff(x, axis=0, prepend=7, append=x))(x)
    np.testing.assert_array_equal(found, np.diff(x, axis=0, prepend=7, append=x))


def test_a_step_of_arange_counts_on_arrays():
    assert snp.arange(0, 9, step=4, dtype="uint8").tolist() == [0, 4, 8]


@pytest.mark.parametrize("order", ["fro", 1, -1, np.inf, -np.inf])
def test_norms_of_matrices_are_numpys(order):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = sf.jit(lambda x: snp.linalg.matrix_norm(x, ord=order, keepdims=True))(x)
    expected = np.linalg.matrix_norm(x, ord=order, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_powers_of_matrices_are_numpys(n):
    x = np.random.default_rng(0).normal(size=(2, 3, 3))
    found = sf.jit(lambda x: snp.linalg.matrix_power(x, n))(x)
    np.testing.assert_allclose(found, np.linalg.matrix_power(x, n), rtol=1e-12)


@pytest.mark.parametrize("mode", ["eager", "interpret", "compiled"])
def test_the_record_of_the_suite_adds_up_and_gives_reasons(mode):
    record = json.loads((RECORDS / f"manifest-{mode}.json").read_text())
    counts = {kind: len(record[kind]) for kind in ("passed", "failed", "skipped")}
    assert record["counts"] == counts
    assert all(record["failed"].values())
    assert all(record["skipped"].values())
