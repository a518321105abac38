"""Graphs by hand: placeholders stand for inputs outside of any traced function."""

from __future__ import annotations

import weakref
from typing import Any

from .. import numpy as functions
from .specs import describe
from .trace import Trace
from .tracer import Tracer

assert functions  # tracers find the meaning of their operators there

__all__ = ["placeholder"]

_shared: weakref.WeakValueDictionary[str, Trace] = weakref.WeakValueDictionary()


def placeholder(name: str, spec: Any) -> Tracer:
    """An input of a graph that is built by hand.

    >>> import symfuse as sf
    >>> x = sf.placeholder("x", "f32[3]")
    >>> sf.Graph(inputs=[x], outputs=[x + 1]).outputs[0].shape
    (3,)
    """
    trace = _shared.get("trace")
    if trace is None:
        trace = _shared["trace"] = Trace("graph", is_free=True)
    (described,) = describe([spec])
    return trace.parameter(name, described.type)
