"""Arrays on a device: what they tell, how they are shared, and that nothing moves unasked."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from symfuse.runtime.cuda import dlpack
from symfuse.runtime.cuda.arrays import DeviceArray, from_foreign, is_on_device, to_device
from symfuse.runtime.cuda.operands import overlaps
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArgumentError, DeviceError, DTypeError
from symfuse.runtime.executable import load

X = np.arange(12, dtype=np.float32).reshape(3, 4)
EVERY_DTYPE = pytest.mark.parametrize("dtype", [d for d in DType if d is not DType.BF16])


class Lender:
    """An array of another library on the memory of a device array."""

    def __init__(self, array: DeviceArray, *, old: bool = False, **facts):
        self.array, self.facts, self.asked = array, facts, []
        if old:
            self.__class__ = OldLender

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, *, stream=None, max_version=None):
        self.asked.append((stream, max_version))
        return self.capsule(versioned=max_version is not None)

    def capsule(self, *, versioned):
        x = self.array
        tensor = dlpack.Tensor(x.address, x.element, x.shape, (2, 0), self, **self.facts)
        return dlpack.capsule_of(tensor, versioned=versioned)


class OldLender(Lender):
    """One that was written before DLPack 1.0."""

    def __dlpack__(self, stream=None):
        self.asked.append((stream, None))
        return self.capsule(versioned=False)


class Interface:
    """An array of a library that knows `__cuda_array_interface__` only."""

    def __init__(self, array: DeviceArray, **changes):
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__, **changes}


class TestFacts:
    def test_shape_and_dtype_are_numpys(self, place):
        x = to_device(X)
        assert (x.shape, x.dtype, x.ndim, x.size, x.nbytes) == ((3, 4), X.dtype, 2, 12, 48)
        assert len(x) == 3
        assert x.device is place

    @EVERY_DTYPE
    def test_every_dtype_goes_there_and_back(self, place, dtype):
        values = np.array([[0, 1, 1], [1, 0, 1]], dtype.numpy)
        found = np.asarray(to_device(values))
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)

    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 1)])
    def test_every_shape_goes_there_and_back(self, place, shape):
        values = np.ones(shape, np.float32)
        np.testing.assert_array_equal(np.asarray(to_device(values)), values)

    def test_large_arrays_pass_through_small_buffers(self, place):
        values = np.arange((20 << 20) // 8 + 3, dtype=np.float64)
        np.testing.assert_array_equal(to_device(values).numpy(), values)

    def test_arrays_that_are_not_contiguous_are_made_so(self, place):
        np.testing.assert_array_equal(to_device(X.T).numpy(), X.T)

    def test_arrays_of_the_other_byte_order_are_turned(self, place):
        turned = to_device(X.astype(">f4"))
        assert turned.dtype == np.float32
        np.testing.assert_array_equal(turned.numpy(), X)

    def test_one_element_is_a_number(self, place):
        x = to_device(np.float32(2.5))
        assert (float(x), int(x), x.item(), bool(x)) == (2.5, 2, 2.5, True)
        assert list(range(to_device(np.int64(3)))) == [0, 1, 2]
        assert to_device(X).tolist() == X.tolist()

    def test_it_shows_its_values_if_they_are_few(self, place):
        assert repr(to_device(X[0])) == (
            "device_array([0., 1., 2., 3.], dtype=float32, device='cuda:0')"
        )
        assert repr(to_device(np.zeros(2000))) == "<device array f64[2000] on cuda:0>"

    def test_it_moves_where_it_is_told_to(self, place):
        x = to_device(X)
        assert x.to_device("cuda:0") is x
        assert isinstance(x.to_device("cpu"), np.ndarray)
        assert to_device(x) is x
        with pytest.raises(DeviceError, match="no device 'tpu'"):
            x.to_device("tpu")

    def test_a_copy_is_apart(self, place):
        x = to_device(X)
        assert x.copy().address != x.address
        np.testing.assert_array_equal(x.copy().numpy(), X)


class TestNumPy:
    def test_a_copy_on_the_host_is_asked_for(self, place):
        x = to_device(X)
        assert np.asarray(x, np.float64).dtype == np.float64
        with pytest.raises(ValueError, match="without a copy"):
            np.array(x, copy=False)

    def test_functions_of_numpy_do_not_move_it_unasked(self, place):
        with pytest.raises(TypeError):
            np.tanh(to_device(X))
        with pytest.raises(TypeError):
            to_device(X) + X

    def test_it_is_not_iterated_over(self, place):
        with pytest.raises(TypeError, match=r"np.asarray\(x\) first"):
            list(to_device(X))

    def test_programs_of_the_processor_refuse_it(self, place):
        from handwritten import addition

        with pytest.raises(DeviceError, match="'x' is in the memory of a device") as info:
            load(addition(3, 4))(to_device(X), X)
        assert "np.asarray(x)" in info.value.fix


class TestLending:
    def test_it_is_taken_over_without_a_copy(self, place):
        x = to_device(X)
        other = Lender(x)
        taken = from_foreign(other)
        assert taken.address == x.address
        assert other.asked == [(1, (1, 0))]
        np.testing.assert_array_equal(taken.numpy(), X)

    def test_what_knows_only_old_dlpack_is_taken_too(self, place):
        other = Lender(to_device(X), old=True)
        assert from_foreign(other).shape == (3, 4)
        assert other.asked == [(1, None)]

    def test_the_lender_is_kept_until_the_last_reference_goes(self, place):
        lent = len(dlpack._lent)
        taken = from_foreign(Lender(to_device(X)))
        gc.collect()
        assert len(dlpack._lent) == lent + 1
        np.testing.assert_array_equal(taken.numpy(), X)
        del taken
        gc.collect()
        assert len(dlpack._lent) == lent

    def test_a_capsule_that_nobody_takes_is_given_back(self, place):
        lent, x = len(dlpack._lent), to_device(X)
        for version in (None, (1, 0)):
            x.__dlpack__(max_version=version)
        assert len(dlpack._lent) == lent

    def test_own_arrays_survive_the_protocol(self, place):
        x = to_device(X)
        tensor = dlpack.tensor_of(x.__dlpack__(stream=1, max_version=(1, 0)))
        assert (tensor.address, tensor.shape, tensor.device) == (x.address, (3, 4), (2, 0))
        assert x.__dlpack_device__() == (2, 0)

    def test_lent_memory_is_not_used_again_at_once(self, place):
        x = to_device(X)
        address = x.address
        x.__dlpack__()
        del x
        assert to_device(X).address != address

    def test_a_consumers_stream_waits(self, place):
        stream = place.driver.handle("cuStreamCreate", 1)
        try:
            to_device(X).__dlpack__(stream=stream)
        finally:
            place.driver.call("cuStreamDestroy_v2", stream)

    def test_numpy_gets_a_copy_where_it_asks_for_the_cpu(self, place):
        capsule = to_device(X).__dlpack__(dl_device=(1, 0), max_version=(1, 0))
        assert dlpack.tensor_of(capsule).device == (1, 0)
        with pytest.raises(BufferError, match="without a copy"):
            to_device(X).__dlpack__(dl_device=(1, 0), copy=False)

    def test_the_other_protocol_works_as_well(self, place):
        x = to_device(X)
        facts = x.__cuda_array_interface__
        assert facts["data"] == (x.address, False)
        assert (facts["shape"], facts["typestr"], facts["stream"]) == ((3, 4), "<f4", 1)
        taken = from_foreign(Interface(x))
        assert taken.address == x.address
        assert is_on_device(Interface(x))

    @pytest.mark.parametrize(
        "changes, message",
        [
            ({"strides": (4, 12)}, "not contiguous"),
            ({"mask": object()}, "has a mask"),
            ({"typestr": "<c32"}, "no element type"),
        ],
    )
    def test_what_cannot_be_taken_is_refused(self, place, changes, message):
        with pytest.raises(DTypeError, match=message):
            from_foreign(Interface(to_device(X), **changes))


class TestLayout:
    """The C structures of DLPack, read by NumPy and written by NumPy."""

    class Host:
        def __init__(self, **facts):
            self.facts = facts

        def __dlpack_device__(self):
            return 1, 0

        def __dlpack__(self, *, max_version=None, **_):
            tensor = dlpack.Tensor(X.ctypes.data, DType.F32, X.shape, (1, 0), X, **self.facts)
            return dlpack.capsule_of(tensor, versioned=max_version is not None)

    def test_numpy_reads_what_is_lent(self):
        found = np.from_dlpack(self.Host())
        np.testing.assert_array_equal(found, X)
        assert np.shares_memory(found, X)

    def test_numpy_sees_what_is_read_only(self):
        assert not np.from_dlpack(self.Host(is_read_only=True)).flags.writeable

    @pytest.mark.parametrize("version", [None, (1, 0)])
    def test_what_numpy_lends_is_read(self, version):
        tensor = dlpack.tensor_of(X.__dlpack__(max_version=version))
        assert (tensor.address, tensor.shape) == (X.ctypes.data, (3, 4))
        assert (tensor.dtype, tensor.device) == (DType.F32, (1, 0))
        assert tensor.is_contiguous

    def test_strides_are_looked_at(self):
        assert not dlpack.tensor_of(X.T.__dlpack__()).is_contiguous
        assert dlpack.tensor_of(X[:1].T.__dlpack__()).is_contiguous

    @EVERY_DTYPE
    def test_every_dtype_is_known(self, dtype):
        assert dlpack.tensor_of(np.zeros(2, dtype.numpy).__dlpack__()).dtype is dtype

    def test_other_dtypes_are_refused(self):
        with pytest.raises(TypeError, match="no element type of DLPack code 5"):
            dlpack._dtype(5, 32, 1)

    def test_a_capsule_is_used_once(self):
        capsule = X.__dlpack__()
        dlpack.tensor_of(capsule)
        with pytest.raises(TypeError, match="no unused DLPack capsule"):
            dlpack.tensor_of(capsule)


class TestArguments:
    def test_arrays_of_other_libraries_are_used_where_they_are(self, programs):
        x = to_device(X[0])
        run = load(programs.addition())
        np.testing.assert_array_equal(np.asarray(run(Lender(x), Interface(x))), 2 * X[0])
        assert run.counters.copies == 0

    def test_a_result_may_go_to_memory_of_another_library(self, programs):
        target = to_device(np.zeros(4, np.float32))
        found = load(programs.addition())(X[0], X[0], out=Lender(target))
        assert found.address == target.address
        np.testing.assert_array_equal(target.numpy(), 2 * X[0])

    def test_memory_of_other_libraries_is_kept_while_it_is_used(self, programs, place):
        run = load(programs.addition())
        for _ in range(5):
            run(Lender(to_device(X[0])), X[0])
        assert 1 <= len(place._held) <= 5
        place.synchronize()
        place.release()
        assert not place._held

    def test_memory_that_a_bound_call_has_used_is_kept_until_it_is_done(self, programs, place):
        place.synchronize()
        place.release()
        bound = load(programs.addition()).bind(Lender(to_device(X[0])), to_device(X[0]))
        bound()
        del bound
        assert len(place._held) == 1

    def test_arrays_that_are_not_aligned_are_copied(self, programs, place):
        x = to_device(np.arange(8, dtype=np.float32))
        part = DeviceArray(place, x.address + 4, (4,), DType.F32, x)
        run = load(programs.addition())
        np.testing.assert_array_equal(np.asarray(run(part, part)), 2 * np.arange(1, 5))
        assert run.counters.copies == 2

    def test_arrays_of_another_device_are_refused(self, programs, place):
        class Other(type(place)):
            def __init__(self):
                self.ordinal = 1

        x = DeviceArray(Other(), 1 << 20, (4,), DType.F32, None)
        with pytest.raises(DeviceError, match="'x' is on cuda:1, and the program runs on cuda:0"):
            load(programs.addition())(x, X[0])

    def test_two_targets_in_one_memory_are_refused(self, programs):
        x = to_device(X[0])
        with pytest.raises((ArgumentError, ValueError), match="two arrays of out share memory"):
            load(programs.with_constants())(X[0], out=(x, x))


@pytest.mark.parametrize(
    "spans, shared",
    [
        ([(0, 4), (16, 4)], set()),
        ([(0, 4), (0, 4)], {0, 1}),
        ([(0, 8), (16, 4), (48, 4)], {0, 1}),
        ([(0, 100), (16, 2), (800, 4), (96, 4)], {0, 1, 3}),
        ([(0, 0), (0, 4)], set()),
    ],
)
def test_overlaps_are_found(spans, shared):
    arrays = [DeviceArray(None, at, (size,), DType.F32, None) for at, size in spans]
    assert overlaps(arrays) == shared
