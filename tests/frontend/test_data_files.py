"""Readers of public file formats: what they give, and what they say of broken files."""

from __future__ import annotations

import collections
import gzip
import pickle

import numpy as np
import pytest
import scipy.sparse

import symfuse as sf

LABELS = np.array([7, 2, 1, 0], np.uint8)


def written(path, data):
    path.write_bytes(data)
    return path


def idx(array, code=8):
    return (
        bytes((0, 0, code, array.ndim)) + np.asarray(array.shape, ">u4").tobytes() + array.tobytes()
    )


PACKED = gzip.compress(idx(LABELS), mtime=0)  # a date would give tests another name each second


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_idx_files_come_back_in_every_element_type(tmp_path, dtype):
    array = np.arange(-6, 6).reshape(2, 3, 2).astype(dtype)
    sf.data.write_idx(tmp_path / "x", array)
    found = sf.data.read_idx(tmp_path / "x")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_an_idx_file_is_laid_out_as_the_format_says(tmp_path):
    sf.data.write_idx(tmp_path / "x", np.array([[1, -2]], np.int16))
    assert (tmp_path / "x").read_bytes() == bytes.fromhex("00000b02 00000001 00000002 0001 fffe")
    with pytest.raises(sf.DTypeError, match="an IDX file cannot hold int64"):
        sf.data.write_idx(tmp_path / "y", np.arange(3))


def test_idx_files_are_unpacked(tmp_path):
    path = written(tmp_path / "labels.gz", PACKED)
    np.testing.assert_array_equal(sf.data.read_idx(path), LABELS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG....", "at byte 0: expected the magic number 0000 of an IDX file, found 8950"),
        (
            b"\0\0\x08",
            "at byte 0: expected 4 bytes for the magic number, found 3",
        ),
        (
            idx(LABELS, code=7),
            "at byte 0: expected one of the element types 08, 09, 0b, 0c",
        ),
        (
            idx(LABELS)[:6],
            "at byte 4: expected 4 bytes for 1 sizes, found 2",
        ),
        (
            idx(LABELS)[:-1],
            "at byte 8: expected 4 bytes for 4 elements of uint8, found 3",
        ),
        (
            idx(LABELS) + b"!",
            "at byte 12: expected the end of the file after 4 elements of uint8, found 1",
        ),
        (PACKED[:-9], "packed bytes: expected a whole gzip file"),
        (PACKED[:-8] + b"\0" * 8, "packed bytes: expected a whole gzip file"),
    ],
)
def test_a_broken_idx_file_is_refused(tmp_path, data, message):
    path = written(tmp_path / "train-labels-idx1-ubyte", data)
    with pytest.raises(sf.DataError) as raised:
        sf.data.read_idx(path)
    assert message in raised.value.what
    assert raised.value.what.startswith(str(path))
    assert raised.value.fix and raised.value.user_frame[0] == __file__


def test_labels_are_no_pictures(tmp_path):
    path = written(tmp_path / "labels", idx(LABELS))
    with pytest.raises(sf.DataError, match="expected an array of 3 axes, found one of 1"):
        sf.data.read_idx(path, ndim=3)


def test_mnist_is_read_from_its_four_files(tmp_path):
    pictures = np.arange(4 * 28 * 28).reshape(4, 28, 28).astype(np.uint8)
    for part in ("train", "t10k"):
        written(tmp_path / f"{part}-images-idx3-ubyte.gz", gzip.compress(idx(pictures)))
        written(tmp_path / f"{part}-labels-idx1-ubyte", idx(LABELS))
    (x, y), (x_test, _) = sf.datasets.mnist(tmp_path)
    np.testing.assert_array_equal(x, pictures)
    np.testing.assert_array_equal(y, LABELS)
    np.testing.assert_array_equal(x_test, pictures)
    written(tmp_path / "t10k-labels-idx1-ubyte", idx(LABELS[:3]))
    with pytest.raises(sf.DataError, match=r"has 4 pictures and .* 3 labels"):
        sf.datasets.mnist(tmp_path)
    with pytest.raises(sf.DataError, match=r"no train-images-idx3-ubyte and no .*\.gz"):
        sf.datasets.fashion_mnist(tmp_path / "elsewhere")


# CIFAR


def records(labels, rng):
    planes = rng.integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8)
    rows = np.concatenate([np.array(labels, np.uint8)[:, None], planes.reshape(len(labels), -1)], 1)
    return planes, rows.tobytes()


def test_cifar_has_a_label_and_three_planes_a_record(tmp_path, rng):
    planes, data = records([3, 9], rng)
    for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
        written(tmp_path / name, data)
    (x, y), (x_test, y_test) = sf.datasets.cifar10(tmp_path)
    assert x.shape == (10, 32, 32, 3)
    np.testing.assert_array_equal(x_test[1, :, :, 2], planes[1, 2])
    assert y_test.tolist() == [3, 9] and y.tolist() == [3, 9] * 5


def test_cifar_100_keeps_the_fine_label(tmp_path):
    path = written(tmp_path / "train.bin", bytes((19, 77)) + bytes(3072))
    x, y = sf.data.read_cifar(path, classes=100, label_bytes=2)
    assert y.tolist() == [77] and x.shape == (1, 32, 32, 3)


def test_a_broken_cifar_file_is_refused(tmp_path, rng):
    _, data = records([3, 12], rng)
    path = written(tmp_path / "test_batch.bin", data)
    with pytest.raises(sf.DataError, match="at byte 3073: expected a label below 10, found 12"):
        sf.data.read_cifar(path)
    written(path, data[:-5])
    with pytest.raises(
        sf.DataError, match="expected records of 3073 bytes, found a record of 3068"
    ):
        sf.data.read_cifar(path)
    written(path, b"")
    with pytest.raises(sf.DataError, match="expected records of 3073 bytes"):
        sf.data.read_cifar(path)


# CSV


def test_a_table_has_numbers_and_names(tmp_path):
    text = "\ufefflength,kind,width\n1.5,cat,2\n,dog,4\n3,cat,6\n\n"
    table = sf.data.read_csv(written(tmp_path / "x.csv", text.encode()))
    assert list(table) == ["length", "kind", "width"]
    np.testing.assert_array_equal(table["length"], [1.5, np.nan, 3])
    x, y = table.split("kind")
    assert y.tolist() == [0, 1, 0] and x.dtype == np.float32
    np.testing.assert_array_equal(x[:, 1], [2, 4, 6])
    with pytest.raises(sf.ArgumentError, match="column 'kind' is text"):
        table.split("width")
    with pytest.raises(sf.ArgumentError, match="no column 'size'"):
        table.split("size")


def test_a_table_without_names_takes_them(tmp_path):
    path = written(tmp_path / "x.csv", b"1;2\n3;4\n")
    table = sf.data.read_csv(path, delimiter=";", header=["a", "b"])
    assert table["b"].tolist() == [2, 4]
    assert list(sf.data.read_csv(path, delimiter=";", header=False)) == ["column_0", "column_1"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1,2\n3\n", r"at row 3: expected 2 entries \(a, b\), found 1"),
        (b"", "at line 1: expected rows, found an empty file"),
        (b"a,b\n", "at line 2: expected a row of numbers"),
        (b"a,a\n1,2\n", "a name for each column, found 'a' more than once"),
        (b"a\n\xff\n", "at byte 2: expected text in UTF-8, found the byte ff"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, data, message):
    with pytest.raises(sf.DataError, match=message):
        sf.data.read_csv(written(tmp_path / "x.csv", data))


# Planetoid


@pytest.fixture(params=[0, 2], ids="protocol {}".format)
def citations(tmp_path, request):
    """Six nodes, of which the last two are for the test, out of order, and 6 has no features."""
    x = scipy.sparse.csr_matrix(np.eye(7)[:4])
    test = scipy.sparse.csr_matrix(np.eye(7)[[6, 4]])
    hot = np.eye(2, dtype=np.int32)
    graph = collections.defaultdict(list, {0: [1, 5], 1: [0], 6: [4, 6]})
    parts = {"x": x[:2], "allx": x, "tx": test, "y": hot, "ally": hot[[0, 1, 1, 0]], "ty": hot}
    for name, value in (parts | {"graph": graph}).items():
        data = pickle.dumps(value, protocol=request.param)
        (tmp_path / f"ind.tiny.{name}").write_bytes(data)
    (tmp_path / "ind.tiny.test.index").write_text("6\n4\n")
    return tmp_path


def test_planetoid_files_make_a_network(citations):
    found = sf.datasets.citations(citations, "tiny")
    wanted = np.zeros((7, 7), np.float32)
    wanted[[0, 1, 2, 3, 6, 4], [0, 1, 2, 3, 6, 4]] = 1
    np.testing.assert_array_equal(found.features, wanted)
    assert found.labels.tolist() == [0, 1, 1, 0, 1, 0, 0]
    assert found.edges.T.tolist() == [[0, 1], [0, 5], [1, 0], [4, 6], [5, 0], [6, 4]]
    parts = (found.train, found.validation, found.test)
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3], [4, 6]]


class Harmful:
    def __reduce__(self):
        return print, ("this must not be called",)


def test_a_pickle_that_asks_for_more_is_refused(citations, capsys):
    (citations / "ind.tiny.graph").write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(sf.DataError, match=r"the pickle asks for __builtin__\.print"):
        sf.data.read_planetoid(citations, "tiny")
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "data", "message"),
    [
        ("graph", pickle.dumps([1]), "expected a dict of neighbours, found list"),
        ("graph", pickle.dumps({0: [9]}), "numbers of nodes below 7, found 9"),
        ("allx", pickle.dumps({}), "expected an array of 2 axes, found dict"),
        ("ty", pickle.dumps(np.eye(3), protocol=2), "expected 2 rows, as in tx, found 3"),
        ("test.index", b"6\nfour\n", "at line 2: expected the number of a node, found 'four'"),
        ("test.index", b"6\n", "expected 2 numbers, as tx has rows, found 1"),
        ("test.index", b"", "expected numbers of nodes, found an empty file"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(citations, part, data, message):
    (citations / f"ind.tiny.{part}").write_bytes(data)
    with pytest.raises(sf.DataError, match=message):
        sf.data.read_planetoid(citations, "tiny")


@pytest.mark.parametrize("part", ["allx", "tx", "ally", "graph"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.95])
def test_a_part_that_is_cut_off_is_refused(citations, part, keep):
    path = citations / f"ind.tiny.{part}"
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(sf.DataError, match=rf"ind\.tiny\.{part}: in all: expected a pickle"):
        sf.data.read_planetoid(citations, "tiny")
