"""Layers of graphs: nodes that see their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, ShapeError

from ..numpy import matmul
from ..numpy.creation import full
from ..numpy.shared import call, common_dtype, convert, traced
from .core import Projection
from .scope import Scope

__all__ = ["GCNConv"]


class GCNConv(Projection):
    """activation(Â · x · kernel + bias) for nodes x and a normalised adjacency matrix Â.

    Called as `layer(x, adjacency)`: nodes by features, and nodes by nodes; or as
    `layer(x, (edges, weights))`, which takes as much memory as there are edges: whole numbers
    [2, edges], of the nodes where edges begin and where they end, and a weight for each.
    `sf.data.gcn_norm` makes both of plain edges. Numbers of nodes must be from 0, below their
    count. After Kipf and Welling, "Semi-Supervised Classification with Graph Convolutional
    Networks".

    >>> import numpy as np
    >>> import symfuse as sf
    >>> x, path = np.eye(3, dtype="float32"), np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> layer = sf.nn.GCNConv(2)
    >>> params, _ = layer.init(sf.random.key(0), x, sf.data.gcn_norm(path, 3))
    >>> layer.apply(params, {}, x, sf.data.gcn_norm(path, 3))[0].shape
    (3, 2)
    """

    min_input_ndim = 2

    def call(self, scope: Scope, x: Any, adjacency: Any) -> Any:
        return self.finished(scope, _propagated(adjacency, self.projected(scope, x)))


def _propagated(adjacency: Any, nodes: Any) -> Any:
    """The product of a matrix, or of the edges that it is made of, with what nodes have."""
    if not isinstance(adjacency, tuple | list):
        return matmul(adjacency, nodes)
    edges, weights = _checked(adjacency, nodes)
    dtype = common_dtype(nodes)
    wide = convert(nodes, dtype.computed)
    sent = np.take(wide, edges[0], axis=0) * convert(weights, dtype.computed)[:, None]
    sums = traced(full(nodes.shape, 0.0, dtype=dtype.computed.numpy))
    return convert(call("scatter_add", sums, edges[1], sent, axis=0), dtype)


def _checked(adjacency: Any, nodes: Any) -> tuple[Any, Any]:
    """Edges and weights, as many of the one as of the other."""
    if len(adjacency) != 2 or nodes.ndim != 2:
        raise ShapeError(
            f"GCNConv: {len(adjacency)} arrays of edges for nodes with {nodes.ndim} axes",
            fix="give nodes by features, and (edges, weights)",
            loc=user_location(),
        )
    edges, weights = map(traced, adjacency)
    if not common_dtype(edges).is_integer:
        raise DTypeError(
            f"GCNConv: edges of {common_dtype(edges)}",
            fix="give whole numbers: where edges begin, and where they end",
            loc=user_location(),
        )
    fits = edges.ndim == 2 and weights.ndim == 1 and is_equal(edges.shape[0], 2) is True
    if not fits or is_equal(edges.shape[1], weights.shape[0]) is False:
        raise ShapeError(
            f"GCNConv: edges of shape {tuple(edges.shape)}, weights {tuple(weights.shape)}",
            fix="give edges of the shape (2, count), and a weight for each",
            loc=user_location(),
        )
    return convert(edges, DType.I64), weights
