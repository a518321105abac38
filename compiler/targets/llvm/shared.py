"""The code that all programs share as one module: pool, call entry, blocks of memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from symfuse.runtime.host.image import Image

from .entry import entry_text
from .link import link
from .machine import baseline_machine
from .pool import pool_ir

__all__ = ["shared_image", "shared_ir", "support_ir"]


def shared_image(name: str) -> Image:
    """The shared code for any processor of an architecture, on this operating system."""
    return link(baseline_machine(name).emit_object(shared_ir(name)))


def shared_ir(name: str) -> str:
    """The shared code as text."""
    return support_ir([pool_ir(sys.platform, name), entry_text()])


def support_ir(parts: Sequence[str]) -> str:
    """One module of all parts, which may declare the same functions."""
    lines = [line for part in parts for line in part.splitlines()]
    declared = dict.fromkeys(line for line in lines if line.startswith("declare "))
    defined = (line for line in lines if line not in declared)
    return "\n".join([*declared, *defined, ""])
