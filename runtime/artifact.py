"""Programs as files: archives that are checked byte by byte before code is mapped."""

from __future__ import annotations

import importlib
import io
import platform
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import safetensors
from .archive import Kind
from .convert import plain
from .dtypes import DType
from .errors import ArtifactError
from .header import header
from .host import support
from .host.image import Image
from .host.layout import fingerprint
from .host.loader import architecture
from .manifest import Manifest, Memory
from .program import Program

if TYPE_CHECKING:
    from .cuda.code import DeviceCode

__all__ = ["SCHEMA", "Artifact", "load", "missing_features", "required_features", "save"]

# 1: without code for a device; 2: without loops on one; 3: an .npy member for each array, and
# of the memory only the arena. Files of all of these are read.
SCHEMA = 4
_ARRAYS = {"hidden": "weights.safetensors", "constants": "constants.safetensors"}
_HEADER = "program.h"
_BFLOAT16 = ".bf16.npy"  # until schema 3
_TEXTS = ("graph.txt", "explanation.json")
_COMPILE_AGAIN = (
    "compile the graph inside again on this machine, by symfuse.load(path, recompile=True)"
)
_AGAIN = "save the program again with this version"
_KIND = Kind("symfuse program", SCHEMA, "symfuse artifact", _AGAIN, Manifest)
# What generated code may contain instructions of; the rest is for operating systems.
_USED = (
    *("avx", "sse", "bmi", "fma", "f16c", "popcnt", "lzcnt", "movbe", "gfni", "vaes", "amx"),
    *("sve", "neon", "dotprod", "i8mm", "fullfp16", "bf16"),
)
# Where /proc/cpuinfo spells a processor feature differently from LLVM.
_SPELLED = {
    "bmi": "bmi1",
    "lzcnt": "abm",
    "pclmul": "pclmulqdq",
    "prfchw": "3dnowprefetch",
    "rdrnd": "rdrand",
    "sahf": "lahf_lm",
    "sha": "sha_ni",
    "sse3": "pni",
    "64bit": "lm",
    "crc32": "sse4_2",
    "neon": "asimd",
    "dotprod": "asimddp",
    "fullfp16": "asimdhp",
}


class Artifact(NamedTuple):
    """A program together with the texts that travel with it."""

    program: Program
    graph: str = ""
    explanation: str = ""
    files: Mapping[str, bytes] = MappingProxyType({})

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it anew in the other process; views of dicts are not pickled."""
        return type(self), (self.program, self.graph, self.explanation, dict(self.files))


def save(path: str | PathLike[str], artifact: Artifact) -> None:
    """Write the artifact; the same artifact gives the same bytes."""
    Path(path).write_bytes(to_bytes(artifact))


def to_bytes(artifact: Artifact) -> bytes:
    """The artifact as the bytes of its file."""
    return _KIND.pack(_facts(artifact), _members(artifact))


def load(path: str | PathLike[str], *, to_run: bool = True) -> Artifact:
    """The artifact in the file, complete and fit for this machine, or an ArtifactError.

    With `to_run=False` it may be for another machine: it is read, and nothing of it is mapped.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}", fix="check the path") from error
    return from_bytes(data, Path(path).name, to_run=to_run)


def from_bytes(data: bytes, name: str, *, to_run: bool = True) -> Artifact:
    """The artifact in the bytes of a file, which errors call `name`."""
    manifest, members = _KIND.unpack(data, name)
    if to_run:
        _check_machine(name, manifest)
    try:
        return _artifact(manifest, members, to_run=to_run)
    except (KeyError, ValueError) as error:
        raise _KIND.damaged(name, f"it does not describe a program ({error})") from error


def required_features(flags: str) -> tuple[str, ...]:
    """Of LLVM's feature string (`+avx2,-sse4a,…`), what a machine needs to run the code."""
    enabled = (flag[1:] for flag in flags.split(",") if flag.startswith("+"))
    return tuple(sorted(name for name in enabled if name.startswith(_USED)))


def missing_features(needed: tuple[str, ...], present: frozenset[str]) -> tuple[str, ...]:
    """Those processor features, as LLVM names them, that `/proc/cpuinfo` does not list."""
    known = {_plain(name) for name in present}
    return tuple(name for name in needed if _plain(_SPELLED.get(name, name)) not in known)


def _plain(name: str) -> str:
    return name.replace("_", "").replace(".", "").replace("-", "")


# Writing -------------------------------------------------------------------------------------


def _members(artifact: Artifact) -> dict[str, bytes]:
    """All members but the manifest, by name, in the order of names."""
    program = artifact.program
    texts = (artifact.graph.encode(), artifact.explanation.encode())
    members = dict(zip(_TEXTS, texts, strict=True))
    if program.image is not None:
        members["image.bin"] = program.image.to_bytes()
    for index, module in enumerate(program.device.modules if program.device else ()):
        members[f"device/{index:05}.bin"] = module
    if helpers := support.installed():
        members["support.bin"] = helpers.to_bytes()
    for kind, arrays in _named(program).items():
        if arrays:
            members[_ARRAYS[kind]] = safetensors.pack(arrays)
    if program.image is not None and "main" in program.image.symbols:
        members[_HEADER] = header(program).encode()
    for name, data in artifact.files.items():
        members[f"files/{name}"] = bytes(data)
    return dict(sorted(members.items()))


def _facts(artifact: Artifact) -> dict[str, Any]:
    """What the manifest says of the program."""
    program = artifact.program
    manifest = Manifest(
        target=program.target,
        layout=fingerprint(),
        features=program.features,
        inputs=program.inputs,
        outputs=program.outputs,
        symbols=program.symbols,
        memory=Memory(program.arena, program.peak),
        guards=program.guards,
        launches=program.launches,
        work=program.work,
        metadata=dict(program.metadata),
        architecture=program.image.architecture if program.image else None,
        device=_stored().facts_of(program.device) if program.device else None,
    )
    facts: dict[str, Any] = plain(manifest)
    return facts


def _named(program: Program) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """The arrays of each kind: weights by number and name of their input, constants by number."""
    inputs = (f"{n}.{each.name}" for n, each in enumerate(program.inputs) if each.hidden)
    return {
        "hidden": dict(zip(inputs, program.hidden, strict=True)),
        "constants": {str(n): array for n, array in enumerate(program.constants)},
    }


# Reading -------------------------------------------------------------------------------------


def _check_machine(name: str, manifest: Manifest) -> None:
    here = architecture()
    if manifest.architecture is None and manifest.device:
        return  # nothing of it is for the processor; loading the modules compares the device
    if manifest.architecture != here:
        raise ArtifactError(
            f"{name} holds code for {manifest.architecture}, this machine is {here}",
            fix=_COMPILE_AGAIN,
        )
    missing = missing_features(manifest.features, _cpu_flags())
    if missing:
        raise ArtifactError(
            f"{name} needs processor features that this machine ({platform.machine()}) lacks: "
            f"{', '.join(missing)}",
            fix=_COMPILE_AGAIN,
        )


def _cpu_flags() -> frozenset[str]:
    """The features of this processor as the kernel lists them; empty where it lists none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    listed = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(listed, "").split())


def _artifact(manifest: Manifest, members: Mapping[str, bytes], *, to_run: bool) -> Artifact:
    # Helpers that lay out their records differently would misread ours; Python serves without.
    if to_run and "support.bin" in members and manifest.layout == fingerprint():
        support.install(Image.from_bytes(members["support.bin"]))
    memory = manifest.memory if isinstance(manifest.memory, Memory) else Memory(manifest.memory)
    program = Program(
        target=manifest.target,
        image=Image.from_bytes(members["image.bin"]) if "image.bin" in members else None,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        symbols=manifest.symbols,
        hidden=_arrays("hidden", members),
        constants=_arrays("constants", members),
        arena=memory.arena,
        peak=memory.peak,
        guards=manifest.guards,
        launches=manifest.launches,
        features=manifest.features,
        work=manifest.work,
        metadata=manifest.metadata,
        device=_device(manifest.device, members),
    )
    files = {n.removeprefix("files/"): d for n, d in members.items() if n.startswith("files/")}
    graph, explanation = (members[name].decode() for name in _TEXTS)
    return Artifact(program, graph, explanation, files)


def _device(facts: Mapping[str, Any] | None, members: Mapping[str, bytes]) -> DeviceCode | None:
    if not facts:
        return None
    modules = [members[name] for name in sorted(members) if name.startswith("device/")]
    found: DeviceCode = _stored().from_facts(facts, modules)
    return found


def _stored() -> Any:
    """What turns device code into text and back, which programs for the processor do without."""
    return importlib.import_module(".cuda.stored", __package__)


def _arrays(kind: str, members: Mapping[str, bytes]) -> tuple[np.ndarray[Any, Any], ...]:
    """The hidden values or the constants, in their order."""
    if _ARRAYS[kind] not in members:
        names = sorted(name for name in members if name.startswith(f"{kind}/"))
        return tuple(_from_npy(name, members[name]) for name in names)
    try:
        found = safetensors.unpack(members[_ARRAYS[kind]])
    except ValueError as error:
        raise ValueError(f"{_ARRAYS[kind]}: {error}") from error
    return tuple(found[name] for name in sorted(found, key=_number))


def _number(name: str) -> int:
    return int(name.partition(".")[0])


def _from_npy(name: str, data: bytes) -> np.ndarray[Any, Any]:
    """An array of a file of schema 3 or less."""
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array.view(DType.BF16.numpy) if name.endswith(_BFLOAT16) else array
