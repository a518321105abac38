"""The code that all programs share (pool, call entry, blocks): built once and kept on disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from threading import Lock

from symfuse.runtime.cache import store
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import LoadedImage, architecture
from symfuse.runtime.host.support import install

from ...ahead import support_key
from .entry import entry_text
from .link import link
from .machine import baseline_machine
from .pool import pool_ir

__all__ = ["load_support", "support_image", "support_ir"]


_ONE_AT_A_TIME = Lock()


@cache
def load_support() -> LoadedImage:
    """The shared code in memory, installed for all programs of this process."""
    return install(support_image())


def support_image() -> Image:
    """The shared code for any processor of this architecture, from disk where it is found there."""
    with _ONE_AT_A_TIME:  # who needs the code while it is built ahead waits for it
        return _image()


@cache
def _image() -> Image:
    if (kept := store().get(support_key())) is not None:
        return Image.from_bytes(kept)
    text = support_ir([pool_ir(sys.platform, architecture()), entry_text()])
    image = link(baseline_machine().emit_object(text))
    store().put(support_key(), image.to_bytes())
    return image


def support_ir(parts: Sequence[str]) -> str:
    """One module of all parts, which may declare the same functions."""
    lines = [line for part in parts for line in part.splitlines()]
    declared = dict.fromkeys(line for line in lines if line.startswith("declare "))
    defined = (line for line in lines if line not in declared)
    return "\n".join([*declared, *defined, baseline_machine().attributes, ""])
