"""Edges of graphs, prepared for layers that send along them."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ShapeError

__all__ = ["gcn_norm"]


def gcn_norm(edges: Any, nodes: int, weights: Any = None) -> tuple[Any, Any]:
    """(edges, weights) of D^−½ (A + I) D^−½: i64[2, edges + nodes] and f32[edges + nodes].

    `edges` has the nodes where edges begin and where they end, each direction once; `weights` are
    1 where none are given. D has what comes in at each node. Raises ShapeError for edges of another
    shape, or of nodes that are not there.

    >>> import numpy as np, symfuse as sf
    >>> edges, weights = sf.data.gcn_norm(np.array([[0, 1], [1, 0]]), 2)
    >>> edges.tolist(), weights.tolist()
    ([[0, 1, 0, 1], [1, 0, 0, 1]], [0.5, 0.5, 0.5, 0.5])
    """
    edges = np.asarray(edges)
    given = np.ones(edges.shape[-1:]) if weights is None else np.asarray(weights, float)
    is_inside = edges.size == 0 or 0 <= edges.min() <= edges.max() < nodes
    if edges.ndim != 2 or len(edges) != 2 or given.shape != edges.shape[1:] or not is_inside:
        raise ShapeError(
            f"edges of shape {edges.shape}, weights {given.shape}, and {nodes} nodes",
            fix="give numbers of nodes of the shape (2, count), and a weight for each",
            loc=user_location(),
        )
    loops = np.arange(nodes)
    begin, end = np.concatenate([edges, [loops, loops]], axis=1).astype(np.int64)
    whole = np.concatenate([given, np.ones(nodes)])
    degree = np.bincount(end, whole, nodes)
    return np.stack([begin, end]), (whole / np.sqrt(degree[begin] * degree[end])).astype(np.float32)
