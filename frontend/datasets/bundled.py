"""Data sets that scikit-learn and NetworkX bring along; nothing is fetched."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import UnsupportedError

__all__ = ["Club", "breast_cancer", "diabetes", "digits", "iris", "karate_club"]

Pair = tuple[Any, Any]


def digits() -> Pair:
    """1797 handwritten digits: f32[1797, 8, 8] in [0, 1], and i64[1797].

    >>> import symfuse as sf
    >>> x, y = sf.datasets.digits()
    >>> x.shape, float(x.max()), y[:4].tolist()
    ((1797, 8, 8), 1.0, [0, 1, 2, 3])
    """
    found = _bundled("load_digits")
    return (found.images / 16).astype(np.float32), found.target.astype(np.int64)


def iris() -> Pair:
    """150 flowers of three species: f32[150, 4] in centimetres, and i64[150]."""
    found = _bundled("load_iris")
    return found.data.astype(np.float32), found.target.astype(np.int64)


def breast_cancer() -> Pair:
    """569 tumours: f32[569, 30], and i64[569], 1 for benign ones."""
    found = _bundled("load_breast_cancer")
    return found.data.astype(np.float32), found.target.astype(np.int64)


def diabetes() -> Pair:
    """442 patients: f32[442, 10], and how the disease went on a year later, f32[442]."""
    found = _bundled("load_diabetes")
    return found.data.astype(np.float32), found.target.astype(np.float32)


class Club(Struct, frozen=True, eq=False):
    """Members of a club, who meets whom, and which half each of them went with.

    `adjacency` f32[34, 34] of zeros and ones, `labels` i64[34].
    """

    adjacency: Any
    labels: Any


def karate_club() -> Club:
    """Zachary's karate club: 34 members, 78 friendships, 2 factions."""
    networkx = _optional("networkx")
    graph = networkx.karate_club_graph()
    names = [graph.nodes[node]["club"] for node in graph]
    adjacency = networkx.to_numpy_array(graph, weight=None, dtype=np.float32)
    return Club(adjacency, (np.array(names) == "Officer").astype(np.int64))


def _bundled(name: str) -> Any:
    return getattr(_optional("sklearn.datasets"), name)()


def _optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = {"sklearn": "scikit-learn"}.get(module.partition(".")[0], module)
        raise UnsupportedError(
            f"this data set comes with {package}, which is not installed",
            fix=f"pip install {package}",
            loc=user_location(),
        ) from error
