"""Where a program runs."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Placement"]


class Placement(NamedTuple):
    """The target, the device as other libraries call it, its name, and what the code is for."""

    target: str
    device: str
    name: str
    arch: str

    def __str__(self) -> str:
        return f"{self.device} ({self.name}), code for {self.arch}"
