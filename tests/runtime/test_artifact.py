"""Saved programs: the same after loading, the same bytes when saved twice, refused when damaged."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from handwritten import addition, symbolic_sums, vectors, with_constants

from symfuse.compiler.targets.llvm.machine import host_machine
from symfuse.runtime import artifact as module
from symfuse.runtime.archive import digest
from symfuse.runtime.artifact import Artifact, load, missing_features, required_features, save
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import ArtifactError
from symfuse.runtime.executable import Executable
from symfuse.runtime.header import header
from symfuse.runtime.program import Launch, Program


def saved(path: Path, program: Program, **texts: Any) -> Path:
    save(path, Artifact(program, **texts))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return saved(tmp_path / "add.sfz", addition(4), graph="graph add", explanation="{}")


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, members: dict[str, bytes] | None = None, **changes: Any) -> Path:
    """The artifact with another manifest, and other members if given, consistent in itself."""
    if members is not None:
        changes["sha256"] = {n: digest(data) for n, data in members.items() if n != "manifest.json"}
    members = members_of(path) if members is None else members
    manifest = json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "manifest.json": manifest}.items():
            archive.writestr(name, data)
        archive.comment = digest(manifest).encode()
    return path


@pytest.mark.parametrize("build", [lambda: addition(2, 3), symbolic_sums, with_constants])
def test_a_program_is_the_same_after_loading(tmp_path: Path, build: Any) -> None:
    program = dataclasses.replace(
        build(),
        launches=(Launch("k0", "map", "adds", ("f.py:3",)),),
        guards=("N <= 5000000",),
        metadata={"name": "sum"},
        work=12,
        peak="4*N + 8",
    )
    files = {"program.h": b"int main(void);"}
    path = saved(tmp_path / "p.sfz", program, graph="graph ü", explanation="[1]", files=files)
    found = load(path)
    assert (found.graph, found.explanation, found.files) == ("graph ü", "[1]", files)
    for field in dataclasses.fields(Program):
        before, after = getattr(program, field.name), getattr(found.program, field.name)
        if field.name in ("hidden", "constants"):
            np.testing.assert_array_equal(np.array(before), np.array(after))
        else:
            assert before == after, field.name


def test_a_loaded_program_runs(file: Path) -> None:
    x, y = vectors(2)
    assert Executable(load(file).program)(x, y).tolist() == [3.0] * 4


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.sfz", with_constants())
    two = saved(tmp_path / "two.sfz", load(one).program)
    assert one.read_bytes() == two.read_bytes()


def test_a_program_loads_and_runs_natively_with_numpy_alone(file: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('llvmlite', 'sympy', 'networkx'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from symfuse.runtime.artifact import load\n"
        "from symfuse.runtime.executable import Executable\n"
        "add = Executable(load(sys.argv[1]).program)\n"
        "x = np.ones(4, np.float32)\n"
        "print(add.is_native, add(x, x).tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("True [2.0, 2.0, 2.0, 2.0]\n", "")


def test_no_truncated_file_is_accepted(file: Path) -> None:
    whole = file.read_bytes()
    for length in (*range(0, len(whole), max(1, len(whole) // 50)), len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match=r"add.sfz is no intact symfuse artifact"):
            load(file)


def test_no_changed_byte_of_a_member_goes_unnoticed(file: Path, rng: np.random.Generator) -> None:
    whole = file.read_bytes()
    before = load(file)
    for place in rng.choice(len(whole), 200, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            after = load(file)
        except ArtifactError:
            continue
        # What is left are fields of the archive that carry no meaning, such as dates.
        assert after.program.image == before.program.image
        assert (after.graph, after.explanation) == (before.graph, before.explanation)


def test_code_is_not_mapped_before_the_digests_have_been_compared(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(image: object) -> None:
        raise AssertionError("mapped")

    monkeypatch.setattr(module.support, "install", refuse)
    monkeypatch.setattr("symfuse.runtime.archive.digest", lambda data: "0" * 64)
    with pytest.raises(ArtifactError):
        load(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 5, "symfuse": "9.9"}, "schema 5 of symfuse 9.9, newer than"),
        ({"format": "onnx"}, "of another kind"),
        ({"architecture": "riscv64"}, "holds code for riscv64, this machine is"),
        ({"features": ["quantum"]}, "processor features that this machine .* lacks: quantum"),
        ({"inputs": [{"name": "x"}]}, r"in its manifest, inputs\[0\] has no 'dims'"),
        ({"sha256": {}}, "members are missing or unknown"),
        ({"sha256": 5}, "no digests of the members"),
        ({"device": "abc"}, "in its manifest, device is 'abc', where an object or null belongs"),
        ({"work": True}, "in its manifest, work is True, where a whole number belongs"),
        ({"guards": "N <= 3"}, "in its manifest, guards is 'N <= 3', where a list belongs"),
        ({"memory": {"arena": -1}}, "does not describe a program .*a size of -1"),
    ],
)
def test_a_foreign_manifest_is_refused(file: Path, changes: Any, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        load(rewritten(file, **changes))


def test_a_manifest_that_is_nested_too_deeply_is_refused(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", "[" * 200_000)
    with pytest.raises(ArtifactError, match="its manifest cannot be read"):
        load(file)


def test_arrays_and_memory_of_earlier_schemas_are_read(tmp_path: Path) -> None:
    halves = np.array([1.5, -2.0]).astype(DType.BF16.numpy)
    program = with_constants()
    program = dataclasses.replace(program, constants=(*program.constants, halves))
    path = saved(tmp_path / "old.sfz", program)
    members = {n: data for n, data in members_of(path).items() if not n.endswith((".h", "sors"))}
    members["hidden/00000.npy"] = npy(program.hidden[0])
    members["constants/00000.npy"] = npy(program.constants[0])
    members["constants/00001.bf16.npy"] = npy(halves.view(np.uint16))
    found = load(rewritten(path, members, schema=3, memory=64)).program
    assert (found.arena, found.peak) == (64, None)
    for kind in ("hidden", "constants"):
        for before, after in zip(getattr(program, kind), getattr(found, kind), strict=True):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_arrays_are_safetensors_under_the_numbers_of_their_buffers(tmp_path: Path) -> None:
    program = with_constants()
    members = members_of(saved(tmp_path / "p.sfz", program))
    hidden = [f"{n}.{each.name}" for n, each in enumerate(program.inputs) if each.hidden]
    for member, names, arrays in (
        ("weights", hidden, program.hidden),
        ("constants", ["0"], program.constants),
    ):
        found = safetensors.numpy.load(members[f"{member}.safetensors"])
        assert sorted(found) == names
        for name, array in zip(names, arrays, strict=True):
            np.testing.assert_array_equal(found[name], array)


def test_more_than_ten_constants_keep_their_order(tmp_path: Path) -> None:
    arrays = tuple(np.array([n], "f8" if n % 3 else "f4") for n in range(12))
    program = dataclasses.replace(addition(4), constants=arrays)
    found = load(saved(tmp_path / "p.sfz", program)).program.constants
    assert [array.item() for array in found] == list(range(12))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:3], lambda data: b"\xff" + data[1:]]
)
def test_damaged_arrays_are_refused(tmp_path: Path, damage: Any) -> None:
    path = saved(tmp_path / "p.sfz", with_constants())
    members = members_of(path)
    members["constants.safetensors"] = damage(members["constants.safetensors"])
    with pytest.raises(ArtifactError, match=r"does not describe a program \(constants\.safe"):
        load(rewritten(path, members))


def test_a_header_for_c_travels_along(file: Path) -> None:
    assert members_of(file)["program.h"].decode() == header(addition(4))


def test_a_compressed_archive_is_refused(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "{}" * 100)
    with pytest.raises(ArtifactError, match="compressed"):
        load(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        load(tmp_path / "none.sfz")


def test_constants_of_objects_are_refused(tmp_path: Path) -> None:
    program = addition(4)
    with pytest.raises(TypeError, match="no element type"):
        save(tmp_path / "p.sfz", Artifact(_with_objects(program)))


def _with_objects(program: Program) -> Program:
    changed = dataclasses.replace(program)
    object.__setattr__(changed, "constants", (np.array([{}], object),))
    return changed


def test_features_of_llvm_are_found_under_the_names_of_the_kernel() -> None:
    present = frozenset(["sse4_2", "avx512_bf16", "abm", "pclmulqdq", "avx2", "lm"])
    needed = ("sse4.2", "avx512bf16", "lzcnt", "pclmul", "avx2", "64bit", "amx-tile")
    assert missing_features(needed, present) == ("amx-tile",)


def test_this_machine_has_what_code_for_this_machine_needs() -> None:
    needed = required_features(host_machine().features)
    assert missing_features(needed, module._cpu_flags()) == ()


def test_only_features_with_instructions_for_programs_are_required() -> None:
    assert required_features("+avx2,-avx512f,+pku,+sse4.2,+xsaves") == ("avx2", "sse4.2")
