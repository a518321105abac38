"""The machines that programs are compiled for: a row each, the code behind it loaded on demand."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from symfuse.runtime.errors import OptionError
from symfuse.runtime.host.features import host_features

if TYPE_CHECKING:
    from .target import Target

__all__ = ["TARGETS", "Listed", "load_target", "resolve", "target_of_text"]


class Listed(Struct, frozen=True):
    """A target: the folder of its code, the stages that it writes, and the machine at hand.

    `machine` gives the architecture that is compiled for where none is asked for, and `identity`
    all that decides what code comes out for an architecture. `begin` starts what takes long and
    nobody waits for, as soon as there is something to compile.
    """

    folder: str
    texts: tuple[str, ...]
    machine: Callable[[], str]
    identity: Callable[[str], str]
    begin: Callable[[], None] = lambda: None


def load_target(name: str, arch: str) -> Target:
    """The target with all that it needs to write programs."""
    module = importlib.import_module(f".{TARGETS[name].folder}.target", __name__)
    found: Target = module.target(arch)
    return found


def resolve(name: str, arch: str | None) -> tuple[str, str]:
    """The target and the architecture to compile for, which is that of this machine by default."""
    if name not in TARGETS:
        known = ", ".join(map(repr, TARGETS))
        raise OptionError(f"target={name!r} is not known", fix=f"use one of {known}")
    if arch is not None and name == "cpu":
        what = 'code for target="cpu" is made for the processor of this machine'
        raise OptionError(what, fix="leave out arch")
    return name, arch or TARGETS[name].machine()


def target_of_text(stage: str) -> str | None:
    """The target whose programs have this stage, if only one has it."""
    return next((name for name, row in TARGETS.items() if stage in row.texts), None)


def _processor() -> str:
    return host_features().cpu


def _processor_identity(arch: str) -> str:
    return f"{arch} {host_features().vector_bytes}"


def _begin_loading() -> None:
    importlib.import_module(".llvm.machine", __name__).begin_loading()


def _device() -> str:
    found: str = importlib.import_module(".cuda.machine", __name__).architecture()
    return found


def _device_identity(arch: str) -> str:
    found: str = importlib.import_module(".cuda.machine", __name__).identity(arch)
    return found


TARGETS: Mapping[str, Listed] = {
    "cpu": Listed("llvm", ("llvm", "asm"), _processor, _processor_identity, _begin_loading),
    "cuda": Listed("cuda", ("cuda", "ptx", "sass"), _device, _device_identity),
}
