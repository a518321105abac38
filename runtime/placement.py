"""Where a program runs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Placement"]


@dataclass(frozen=True, slots=True)
class Placement:
    """The target, the device as other libraries call it, its name, and what the code is for."""

    target: str
    device: str
    name: str
    arch: str

    def __str__(self) -> str:
        return f"{self.device} ({self.name}), code for {self.arch}"
