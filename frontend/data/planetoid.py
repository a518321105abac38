"""Planetoid's citation networks: Cora, CiteSeer and PubMed as `ind.NAME.PART` files.

The parts are pickles of NumPy arrays, SciPy's sparse matrices and a dict of neighbours. A pickle
can name any function to call, so only what these files need is let in; all else is refused.
"""

from __future__ import annotations

import collections
import importlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from .reading import broken, contents

__all__ = ["Citations", "read_planetoid"]

_VALIDATION = 500


class Citations(Struct, frozen=True, eq=False):
    """A citation network.

    `features` f32[nodes, words], `labels` i64[nodes], `edges` i64[2, edges] with
    each direction once; `train`, `validation` and `test` are numbers of nodes, as the authors split
    them.
    """

    features: Any
    labels: Any
    edges: Any
    train: Any
    validation: Any
    test: Any


def read_planetoid(folder: str | Path, name: str) -> Citations:
    """The network of `ind.NAME.x`, `tx`, `allx`, `y`, `ty`, `ally`, `graph` and `test.index`.

    Nodes for the test that have no features (CiteSeer's isolated ones) get zeros. Raises
    `DataError` where a part is cut off, holds anything but arrays and lists of neighbours, or does
    not fit.
    """
    prefix = Path(folder) / f"ind.{name}."
    parts = {part: _matrix(f"{prefix}{part}") for part in ("tx", "allx", "y", "ty", "ally")}
    tested = _indices(f"{prefix}test.index")
    _fit(prefix, parts, tested)
    graph = _unpickled(f"{prefix}graph")
    features = _joined(parts["allx"], parts["tx"], tested)
    labels = _joined(parts["ally"], parts["ty"], tested)
    count, known = len(parts["y"]), len(parts["ally"])
    return Citations(
        features=features.astype(np.float32),
        labels=labels.argmax(axis=1).astype(np.int64),
        edges=_edges(f"{prefix}graph", graph, len(labels)),
        train=np.arange(count),
        validation=np.arange(count, min(count + _VALIDATION, known)),
        test=np.sort(tested),
    )


def _joined(known: Any, test: Any, tested: Any) -> Any:
    """The rows of all nodes in the order of their numbers; nodes without a row have zeros."""
    rows = np.zeros((max(len(known), int(tested.max()) + 1), known.shape[1]), known.dtype)
    rows[: len(known)] = known
    rows[tested] = test
    return rows


def _fit(prefix: Path, parts: dict[str, Any], tested: Any) -> None:
    for part, other in (("tx", "ty"), ("allx", "ally")):
        if len(parts[part]) != len(parts[other]):
            expected = f"{len(parts[part])} rows, as in {part}"
            raise broken(f"{prefix}{other}", "in all", expected, str(len(parts[other])))
    if len(tested) != len(parts["tx"]):
        expected = f"{len(parts['tx'])} numbers, as tx has rows"
        raise broken(f"{prefix}test.index", "in all", expected, str(len(tested)))


def _indices(path: str) -> Any:
    found = []
    for number, line in enumerate(contents(path).split(), 1):
        if not line.isdigit():
            raise broken(path, f"at line {number}", "the number of a node", repr(line.decode()))
        found.append(int(line))
    if not found:
        raise broken(path, "at line 1", "numbers of nodes", "an empty file")
    return np.array(found)


def _edges(path: str, graph: Any, count: int) -> Any:
    if not isinstance(graph, dict):
        raise broken(path, "in all", "a dict of neighbours", type(graph).__name__)
    pairs = {(int(a), int(b)) for a, others in graph.items() for b in others if a != b}
    pairs |= {(b, a) for a, b in pairs}
    edges = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    if edges.size and not 0 <= edges.min() <= edges.max() < count:
        outside = int(edges.max() if edges.max() >= count else edges.min())
        raise broken(path, "in all", f"numbers of nodes below {count}", str(outside))
    return edges


# pickles


class _Sparse:
    """Stands for SciPy's matrix of compressed rows, so that SciPy is not needed."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def dense(self) -> Any:
        """All elements."""
        shape = tuple(self.state["_shape"])
        starts = self.state["indptr"]
        rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        values = np.zeros(shape, self.state["data"].dtype)
        np.add.at(values, (rows, self.state["indices"]), self.state["data"])
        return values


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes where Python 2 is to read them."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding}")
    return text.encode("latin1")


def _restored(cls: type, base: type, state: None) -> Any:
    """An empty object of a class that was let in, as the oldest pickles ask for it."""
    return object.__new__(cls)


class _Unpickler(pickle.Unpickler):
    """Lets in arrays, sparse matrices and dicts of lists."""

    def find_class(self, module: str, name: str) -> Any:
        """The value of a name that these files need."""
        package = module.partition(".")[0]
        match package, name:
            case "numpy", "_reconstruct":
                return importlib.import_module("numpy._core.multiarray")._reconstruct
            case "numpy", "ndarray" | "dtype":
                return getattr(np, name)
            case "scipy", "csr_matrix":
                return _Sparse
            case "collections", "defaultdict":
                return collections.defaultdict
            case "__builtin__" | "builtins", "list" | "object":
                return {"list": list, "object": object}[name]
            case "copy_reg" | "copyreg", "_reconstructor":
                return _restored
            case "_codecs", "encode":
                return _encode
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}")


_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError,
    MemoryError,
)  # fmt: skip


def _unpickled(path: str) -> Any:
    data = contents(path)
    try:
        value = _Unpickler(io.BytesIO(data), encoding="latin1").load()
        return value.dense() if isinstance(value, _Sparse) else value
    except _BROKEN as error:
        expected = f"a pickle of arrays or neighbours in {len(data)} bytes"
        raise broken(path, "in all", expected, str(error) or type(error).__name__) from error


def _matrix(path: str) -> Any:
    value = _unpickled(path)
    if not isinstance(value, np.ndarray) or value.ndim != 2:
        raise broken(path, "in all", "an array of 2 axes", type(value).__name__)
    return value
