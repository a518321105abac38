"""The text that stands in front of every kernel: types and primitives of the device."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["preamble"]


@cache
def preamble() -> str:
    """The CUDA C++ that generated kernels are written in, to stand in front of their text."""
    return files(__package__).joinpath("preamble.cu").read_text(encoding="utf-8")
