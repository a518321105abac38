"""The code that all programs share, such as the thread pool: built once and kept on disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache

from symfuse.runtime.cache import key, store
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import LoadedImage, architecture, load_image
from symfuse.runtime.host.threads import install

from .link import link
from .machine import baseline_machine
from .pool import pool_ir

__all__ = ["load_support", "support_image", "support_ir"]


@cache
def load_support() -> LoadedImage:
    """The shared code in memory, with its pool installed for all programs of this process."""
    loaded = load_image(support_image(), resident=True)
    install(loaded)
    return loaded


@cache
def support_image() -> Image:
    """The shared code for any processor of this architecture, from disk where it is found there."""
    text = support_ir([pool_ir(sys.platform, architecture())])
    # The version of LLVM is left out: to find the image again must not take llvmlite.
    entry = key("the shared code", {"code": text})
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
