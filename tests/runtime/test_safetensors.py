"""Arrays in the safetensors format: read and written as the package of that name does."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from safetensors import deserialize
from safetensors.numpy import save

from symfuse.runtime.dtypes import DType
from symfuse.runtime.safetensors import pack, unpack

PLAIN = [dtype for dtype in DType if dtype is not DType.C128]


def sample(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    return np.asarray(rng.normal(size=shape) * 9 + 20).astype(dtype.numpy)


def packed(header: Any, content: bytes = b"") -> bytes:
    """Bytes with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3, 4)])
def test_the_package_reads_what_is_written(shape: Any, rng: np.random.Generator) -> None:
    arrays = {f"{dtype} ü": sample(dtype, shape, rng) for dtype in PLAIN}
    found = dict(deserialize(pack(arrays)))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        facts = found[name]
        assert (facts["dtype"], facts["shape"]) == (name[:-2].upper(), list(shape))
        assert bytes(facts["data"]) == array.tobytes()


@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3, 4)])
def test_what_the_package_writes_is_read(shape: Any, rng: np.random.Generator) -> None:
    arrays = {str(dtype): sample(dtype, shape, rng) for dtype in PLAIN}
    found = unpack(save(arrays, {"format": "np", "f32": "c128"}))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, shape)
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_what_the_format_lacks_is_stored_as_pairs(shape: Any, rng: np.random.Generator) -> None:
    array = np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape))
    data = pack({"z": array})
    assert dict(deserialize(data))["z"]["shape"] == [*shape, 2]
    found = unpack(data)["z"]
    assert (found.dtype, found.shape) == (array.dtype, shape)
    np.testing.assert_array_equal(found, array)


def test_layout_and_byte_order_in_memory_do_not_matter() -> None:
    array = np.arange(6, dtype="<i4").reshape(2, 3)
    same = [array, np.asfortranarray(array), array.astype(">i4"), np.repeat(array, 2, 1)[:, ::2]]
    assert len({pack({"x": each}) for each in same}) == 1


def test_order_does_not_matter_and_elements_are_aligned() -> None:
    arrays = {"a": np.zeros(3, bool), "b": np.zeros(3, "f8"), "c": np.zeros(1, "f2")}
    data = pack(arrays)
    assert data == pack(dict(reversed(arrays.items())))
    assert all(array.flags.aligned for array in unpack(data).values())
    assert unpack(pack({})) == {}


def test_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="no element type"):
        pack({"x": np.array([{}], object)})


def entry(dtype: str = "F32", shape: Any = (2,), at: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": at}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot hold a header"),
        (b"\x02\x00\x00", "cannot hold a header"),
        (b"\xff" * 8 + b"{}", "cannot hold a header"),
        (packed(b"{x}"), "cannot be read"),
        (packed(b"\xff\xfe"), "cannot be read"),
        (packed(b'{"a":1,"a":2}'), "a name occurs twice"),
        (packed([1]), "no table of arrays"),
        (packed({"__metadata__": 3}), "no table of arrays"),
        (packed({"x": 3}), "does not describe 'x'"),
        (packed({"x": {"dtype": "F32"}}), "does not describe 'x'"),
        (packed({"x": entry("F7")}, bytes(8)), "does not describe 'x'"),
        (packed({"x": entry(shape=[-2])}, bytes(8)), "integers from 0 on"),
        (packed({"x": entry(shape=[2.0])}, bytes(8)), "integers from 0 on"),
        (packed({"x": entry(at=[0])}, bytes(8)), "does not describe 'x'"),
        (packed({"x": entry(at=[8, 0])}, bytes(8)), r"in -8 bytes"),
        (packed({"x": entry(shape=[3])}, bytes(8)), r"f32\[3\] in 8 bytes"),
        (packed({"x": entry()}, bytes(7)), "7 follow the header"),
        (packed({"x": entry()}, bytes(9)), "9 follow the header"),
        (packed({"x": entry(at=[4, 12])}, bytes(12)), "gap or overlap at byte 0"),
        (packed({"x": entry(), "y": entry()}, bytes(8)), "gap or overlap at byte 0"),
        (packed({"__metadata__": {"pairs of x": "c128"}, "x": entry()}, bytes(8)), "no pairs"),
        (packed({"__metadata__": {"pairs of x": "f99"}, "x": entry()}, bytes(8)), "f99"),
    ],
)
def test_damaged_headers_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack(data)
