"""Loads the code that all programs share.

It comes with symfuse as machine code, for the systems that tools/shared_code.py makes it for.
Elsewhere it is generated when it is first needed, and kept on disk.
"""

from __future__ import annotations

import importlib
from functools import cache

from symfuse.runtime.cache import key, store
from symfuse.runtime.host import shipped
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import LoadedImage, architecture
from symfuse.runtime.host.support import install

from ...fingerprint import fingerprint

__all__ = ["load_support"]


@cache
def load_support() -> LoadedImage:
    """The shared code in memory, installed for all programs of this process."""
    return install(shipped.image() or _generated())


def _generated() -> Image:
    """The shared code for this machine, from disk where it is found there."""
    entry = key("the shared code", {"compiler": fingerprint(), "processor": architecture()})
    if (kept := store().get(entry)) is not None:
        return Image.from_bytes(kept)
    image: Image = importlib.import_module(".shared", __package__).shared_image(architecture())
    store().put(entry, image.to_bytes())
    return image
