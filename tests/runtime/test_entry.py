"""The native entry: what it accepts, what it hands to Python, and that it leaks nothing."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handwritten import (
    addition,
    argument,
    failing,
    many_sums,
    sleeping,
    symbolic_sums,
    update,
    vectors,
    with_constants,
)

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, DeviceError, DTypeError, GuardError
from symfuse.runtime.executable import Executable
from symfuse.runtime.host.arguments import Counters, take
from symfuse.runtime.host.layout import ENTRY, why_not_native


@pytest.fixture
def add() -> Executable:
    return Executable(addition(4))


def test_this_python_and_numpy_are_laid_out_as_expected() -> None:
    assert why_not_native() is None


def test_a_record_is_packed_only_when_complete() -> None:
    with pytest.raises(TypeError, match="main"):
        ENTRY.pack(prepare=0)


def test_matching_arrays_never_reach_python(add: Executable) -> None:
    x, y = vectors(2)
    assert add.is_native
    assert add.entry(x, y).tolist() == [3.0] * 4
    assert add(x, y).tolist() == [3.0] * 4
    assert add.counters.slow_calls == 0


def test_many_arguments_are_taken_in_order() -> None:
    assert Executable(many_sums(10)).entry(*vectors(10)).tolist() == [55.0] * 4


def test_hidden_inputs_and_constants_are_bound_to_the_entry() -> None:
    executable = Executable(with_constants())
    (x,) = vectors(1)
    for call in (executable.entry, lambda a: executable(a.tolist())):
        p, q = call(x)
        assert (p.tolist(), q.tolist()) == ([11.0] * 4, [21.0] * 4)


@pytest.mark.parametrize("size", [0, 1, 5, 100_000])
def test_symbolic_sizes_are_solved_at_each_call(size: int) -> None:
    executable = Executable(symbolic_sums())
    x, y = vectors(2, size)
    twice, total = executable.entry(x, y)
    np.testing.assert_array_equal(twice, 2 * x)
    np.testing.assert_array_equal(total, x + y)
    assert executable.counters.slow_calls == 0


def test_a_result_that_is_still_in_use_is_not_handed_out_again(add: Executable) -> None:
    x, y = vectors(2)
    results = [add.entry(x, np.float32(i) * y) for i in range(20)]
    assert [result[0] for result in results] == [1.0 + 2 * i for i in range(20)]


def test_a_view_or_weak_reference_keeps_a_result_from_being_handed_out_again(
    add: Executable,
) -> None:
    x, y = vectors(2)
    view = add.entry(x, x)[1:]
    watched = weakref.ref(add.entry(x, x))
    for _ in range(5):
        add.entry(y, y)
    assert view.tolist() == [2.0] * 3
    assert watched() is None or watched().tolist() == [2.0] * 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        lambda array: setattr(array, "shape", (2, 2)),
        lambda array: setattr(array, "dtype", np.int32),
        lambda array: array.setflags(write=False),
    ],
)
def test_a_result_that_was_changed_in_form_is_not_handed_out_again(
    add: Executable, change: Any
) -> None:
    x, y = vectors(2)
    for _ in range(4):
        change(add.entry(x, y))
    result = add.entry(x, y)
    assert (result.shape, result.dtype, result.flags.writeable) == ((4,), np.float32, True)


def test_a_donated_array_comes_back_as_the_result() -> None:
    executable = Executable(update())
    state, step = vectors(2)
    assert executable.entry(state, step) is state
    assert executable(state, step) is state
    assert state.tolist() == [5.0] * 4
    assert executable.counters.slow_calls == 0


def test_donating_an_array_that_is_also_read_copies_it_first() -> None:
    executable = Executable(update())
    both = np.arange(8, dtype=np.float32)
    result = executable.entry(both[1:5], both[0:4])
    assert result.tolist() == [1.0, 3.0, 5.0, 7.0]
    assert both.tolist() == list(range(8))
    assert executable.counters.copies == 1


def test_donating_a_read_only_array_leaves_it_alone() -> None:
    state, step = vectors(2)
    state.flags.writeable = False
    assert Executable(update())(state, step).tolist() == [3.0] * 4
    assert state.tolist() == [1.0] * 4


def test_calls_keep_no_references_to_what_they_were_given() -> None:
    executable = Executable(symbolic_sums())
    x, y = vectors(2, 1000)
    small = Executable(addition(4))
    a, b = vectors(2)
    kept = (x, y, a, b, np.dtype(np.float32), np.ndarray, None)

    def counts() -> list[int]:
        gc.collect()
        return [sys.getrefcount(value) for value in kept]

    for _ in range(3):
        executable.entry(x, y), small.entry(a, b), small([1, 2, 3, 4], b)
    before = counts()
    for _ in range(10_000):
        executable.entry(x, y), small.entry(a, b)
    for _ in range(100):
        small([1, 2, 3, 4], b)
        with pytest.raises(GuardError):
            small.entry(x, y)
    assert all(abs(now - then) < 10 for now, then in zip(counts(), before, strict=True))


def test_an_executable_goes_away_with_its_entry() -> None:
    executable = Executable(addition(4))
    caller = executable._caller
    x, y = vectors(2)
    executable.entry(x, y)
    entry = executable.entry
    del executable
    assert entry(x, y).tolist() == [3.0] * 4
    before = sys.getrefcount(caller)
    del entry
    gc.collect()
    assert sys.getrefcount(caller) < before


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
def test_a_wrong_number_of_arguments_is_refused(add: Executable, values: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=rf"2 arguments \(x, y\) and got {len(values)}") as info:
        add.entry(*values)
    assert isinstance(info.value, TypeError)


def test_an_unknown_keyword_is_refused(add: Executable) -> None:
    x, y = vectors(2)
    with pytest.raises(TypeError, match="axis"):
        add.entry(x, y, axis=0)


def test_a_wrong_dtype_is_refused_and_names_the_argument(add: Executable) -> None:
    x, y = vectors(2)
    with pytest.raises(DTypeError, match=r"'y' is of float64, but the program takes f32\[4\]"):
        add.entry(x, y.astype(np.float64))


def test_a_numpy_scalar_has_a_dtype_that_must_match() -> None:
    add = Executable(addition())
    assert add(1.5, np.float32(2)) == 3.5
    with pytest.raises(DTypeError, match="float64"):
        add(1.5, np.float64(2))


@pytest.mark.parametrize("value", [[1.5, 2, True, -1], (1, 2, 3, 4)])
def test_python_numbers_take_the_dtype_of_the_program(add: Executable, value: Any) -> None:
    (x,) = vectors(1)
    np.testing.assert_array_equal(add.entry(x, value), x + np.array(value, np.float32))


@pytest.mark.parametrize("dtype", [DType.C64, DType.C128])
@pytest.mark.parametrize("value", [[1.5, 2j], (1, True), [1.5, -2]])
def test_python_numbers_take_a_complex_dtype_as_well(dtype: DType, value: Any) -> None:
    array = take(argument("x", 2, dtype=dtype), value, Counters())
    assert array.dtype == dtype.numpy
    assert array.tolist() == list(map(complex, value))
    number = take(argument("x", dtype=dtype), value[1], Counters())
    assert (number.dtype, number.item()) == (dtype.numpy, complex(value[1]))


@pytest.mark.parametrize("value", [None, "four", {"a": 1}, [1, 2, "x", 4], [1j] * 4, [[1], [2, 3]]])
def test_what_is_no_number_is_refused(add: Executable, value: Any) -> None:
    (x,) = vectors(1)
    with pytest.raises(DTypeError, match="argument 'y'"):
        add.entry(x, value)


@pytest.mark.parametrize("shape", [(3,), (4, 1), (), (0,)])
def test_a_wrong_shape_is_refused_with_both_shapes(add: Executable, shape: tuple[int, ...]) -> None:
    x = np.ones(4, np.float32)
    with pytest.raises(GuardError) as info:
        add.entry(x, np.ones(shape, np.float32))
    assert f"'y' has shape {shape}" in str(info.value)
    assert "f32[4]" in str(info.value)


def test_a_symbol_has_one_value_in_a_call() -> None:
    x = np.ones(4, np.float32)
    message = r"N is 4 in argument 'x' \(f32\[N\]\) but 5 in argument 'y'"
    with pytest.raises(GuardError, match=message):
        Executable(symbolic_sums()).entry(x, np.ones(5, np.float32))


def test_a_broken_guard_is_told_before_anything_runs() -> None:
    x = np.ones(5_000_001, np.float32)
    with pytest.raises(GuardError, match="valid for N <= 5000000; it got"):
        Executable(symbolic_sums()).entry(x, x)


@pytest.mark.parametrize(
    "unusual",
    [
        lambda x: np.repeat(x, 2)[::2],
        lambda x: x[::-1],
        lambda x: x.astype(">f4"),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32),
        lambda x: x.copy().view(type("Mine", (np.ndarray,), {})),
    ],
    ids=["strided", "reversed", "big-endian", "misaligned", "subclass"],
)
def test_layout_is_no_matter_of_meaning(add: Executable, unusual: Any) -> None:
    x = np.arange(4, dtype=np.float32)
    value = unusual(x)
    np.testing.assert_array_equal(add.entry(x, value), x + value.astype(np.float32))
    assert add.counters.slow_calls == 1


def test_unpickled_arrays_are_native_arrays(add: Executable) -> None:
    x = pickle.loads(pickle.dumps(np.ones(4, np.float32)))
    assert add.entry(x, x).tolist() == [2.0] * 4
    assert add.counters.slow_calls == 0


def test_python_numbers_take_the_python_path_once(add: Executable) -> None:
    scalars = Executable(addition())
    assert scalars.entry(1.5, 2) == 3.5
    assert scalars.counters.slow_calls == 1


def test_copies_are_counted(add: Executable) -> None:
    x = np.arange(8, dtype=np.float32)
    add.entry(x[::2], x[1::2])
    assert (add.counters.copies, add.counters.copied_bytes) == (2, 32)


def test_a_masked_array_is_refused(add: Executable) -> None:
    (x,) = vectors(1)
    with pytest.raises(DTypeError, match="masked"):
        add.entry(x, np.ma.masked_array(x, mask=[0, 1, 0, 0]))


def test_objects_that_offer_arrays_are_taken(add: Executable) -> None:
    class Offers:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.full(4, 7, np.float32)

    class Lends:
        array = np.full(4, 8, np.float32)

        def __dlpack__(self, **options: Any) -> Any:
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

    assert add.entry(Offers(), Lends()).tolist() == [15.0] * 4


def test_an_object_that_fails_to_offer_its_array_is_named(add: Executable) -> None:
    class Broken:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise RuntimeError("still on the device")

    with pytest.raises(DTypeError, match=r"argument 'x' is a Broken \(still on the device\)"):
        add.entry(Broken(), Broken())

    class Nowhere:
        def __dlpack_device__(self) -> Any:
            raise ValueError("it has no memory")

    with pytest.raises(DTypeError, match=r"argument 'x' is a Nowhere \(it has no memory\)"):
        add.entry(Nowhere(), Nowhere())


def test_a_program_that_reports_an_error_raises_and_leaks_nothing() -> None:
    executable = Executable(failing())
    (x,) = vectors(1)
    bound = executable.bind(x)
    for call in (lambda: executable.entry(x), bound, lambda: executable(x.tolist())):
        with pytest.raises(DeviceError, match="stopped before its end"):
            call()


def test_python_threads_may_call_one_executable_at_once() -> None:
    executable = Executable(symbolic_sums(), threads=1)

    def work(seed: int) -> bool:
        good = True
        for i in range(50):
            x = np.full(20_000 + 7 * seed, seed + i, np.float32)
            twice, total = executable.entry(x, x)
            good = good and bool((twice == 2 * x).all() and (total == 2 * x).all())
        return good

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_heavy_work_lets_other_threads_run() -> None:
    executable = Executable(sleeping())
    (x,) = vectors(1)
    moments = []
    thread = threading.Thread(target=lambda: executable.entry(x))
    thread.start()
    while thread.is_alive():
        moments.append(1)
        thread.join(0.002)
    assert len(moments) > 5


def test_results_may_outlive_everything_at_the_end_of_the_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from handwritten import *\n"
        "from symfuse.runtime.executable import Executable\n"
        "e = Executable(addition(200_000))\n"
        "x, y = vectors(2, 200_000)\n"
        "kept = sys.modules['kept'] = [e(x, y), e.bind(x, y), e.entry]\n"
        "kept.append(kept)\n"
    )
    folder = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
