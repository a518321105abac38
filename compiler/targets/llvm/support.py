"""The code that all programs share: pool, call entry, blocks of memory.

It comes with symfuse as machine code, for the systems that it is made for by tools/shared_code.py.
Elsewhere it is generated when it is first needed, and kept on disk.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache

from symfuse.runtime.cache import key, store
from symfuse.runtime.host import shipped
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import LoadedImage, architecture
from symfuse.runtime.host.support import install

from ...fingerprint import fingerprint
from .entry import entry_text
from .link import link
from .machine import baseline_machine
from .pool import pool_ir

__all__ = ["load_support", "shared_image", "shared_ir", "support_ir"]


@cache
def load_support() -> LoadedImage:
    """The shared code in memory, installed for all programs of this process."""
    return install(shipped.image() or _generated())


def shared_image(name: str) -> Image:
    """The shared code for any processor of an architecture, on this operating system."""
    return link(baseline_machine(name).emit_object(shared_ir(name)))


def shared_ir(name: str) -> str:
    """The shared code as text."""
    return support_ir([pool_ir(sys.platform, name), entry_text()], name)


def support_ir(parts: Sequence[str], name: str = "") -> str:
    """One module of all parts, which may declare the same functions."""
    lines = [line for part in parts for line in part.splitlines()]
    declared = dict.fromkeys(line for line in lines if line.startswith("declare "))
    defined = (line for line in lines if line not in declared)
    return "\n".join([*declared, *defined, baseline_machine(name).attributes, ""])


def _generated() -> Image:
    """The shared code for this machine, from disk where it is found there."""
    own = {"compiler": fingerprint(), "processor": architecture()}
    entry = key("the shared code", own)
    if (kept := store().get(entry)) is not None:
        return Image.from_bytes(kept)
    image = shared_image(architecture())
    store().put(entry, image.to_bytes())
    return image
