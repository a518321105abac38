"""The code that all programs share (pool, call entry, blocks): built once and kept on disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache

from symfuse.runtime.cache import key, store
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import LoadedImage, architecture
from symfuse.runtime.host.support import install

from .entry import entry_text
from .link import link
from .machine import baseline_machine
from .pool import pool_ir

__all__ = ["load_support", "support_image", "support_ir"]


@cache
def load_support() -> LoadedImage:
    """The shared code in memory, installed for all programs of this process."""
    return install(support_image())


@cache
def support_image() -> Image:
    """The shared code for any processor of this architecture, from disk where it is found there."""
    text = support_ir([pool_ir(sys.platform, architecture()), entry_text()])
    # The version of LLVM is left out: to find the image again must not take llvmlite.
    entry = key("the shared code", {"code": text, "level": "default"})
    if (kept := store().get(entry)) is not None:
        return Image.from_bytes(kept)
    image = link(baseline_machine().emit_object(text))
    store().put(entry, image.to_bytes())
    return image


def support_ir(parts: Sequence[str]) -> str:
    """One module of all parts, which may declare the same functions."""
    lines = [line for part in parts for line in part.splitlines()]
    declared = dict.fromkeys(line for line in lines if line.startswith("declare "))
    defined = (line for line in lines if line not in declared)
    return "\n".join([*declared, *defined, baseline_machine().attributes, ""])
