"""The machine code that comes with symfuse is what its sources say."""

from __future__ import annotations

import json
import runpy
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from symfuse.compiler.targets.llvm.library import llvm_version
from symfuse.compiler.targets.llvm.shared import shared_image
from symfuse.compiler.targets.llvm.support import load_support
from symfuse.runtime.host import shipped, support
from symfuse.runtime.host.image import Image
from symfuse.runtime.host.loader import LoadedImage, architecture
from symfuse.runtime.host.support import installed

TOOL = Path(__file__).parents[2] / "tools" / "shared_code.py"
ARCHITECTURES = ("x86_64", "aarch64")

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="made for Linux")


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(TOOL))


@on_linux
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_code_was_made_from_the_text_as_it_is(tool: dict[str, Any], name: str) -> None:
    record = json.loads((shipped.FOLDER / tool["RECORD"]).read_text())
    assert record[shipped.file_name(name)]["text"] == tool["digest"](name), (
        "run python tools/shared_code.py"
    )


@on_linux
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_same_llvm_makes_the_same_bytes(tool: dict[str, Any], name: str) -> None:
    file = shipped.file_name(name)
    made_by = json.loads((shipped.FOLDER / tool["RECORD"]).read_text())[file]["llvm"]
    if made_by != llvm_version():
        pytest.skip(f"the code was made by LLVM {made_by}, this is {llvm_version()}")
    kept = zlib.decompress((shipped.FOLDER / file).read_bytes())
    assert kept == shared_image(name).to_bytes()


def test_nothing_is_kept_that_no_machine_takes(tool: dict[str, Any]) -> None:
    kept = {path.name for path in shipped.FOLDER.iterdir()}
    assert kept == {shipped.file_name(name) for name in ARCHITECTURES} | {tool["RECORD"]}


def test_programs_run_with_it() -> None:
    load_support()
    image = shipped.image()
    if image is None:
        pytest.skip("this machine generates its own")
    helpers = installed()
    assert helpers is not None
    assert helpers.to_bytes() == image.to_bytes()


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[LoadedImage]:
    """In a process that seems to have no helpers yet: those whose pool programs are given."""
    load_support()
    given: list[LoadedImage] = []
    monkeypatch.setattr(support, "_state", [])
    monkeypatch.setattr(support.threads, "install", given.append)
    return given


def test_no_thread_sees_the_helpers_before_they_are_complete(
    monkeypatch: pytest.MonkeyPatch, pools: list[LoadedImage]
) -> None:
    seen = []
    close = support._close_ring

    def watched(cache: int) -> None:
        seen.append(support.native())
        close(cache)

    monkeypatch.setattr(support, "_close_ring", watched)
    loaded = support.install(shared_image(architecture()))
    assert seen == [None]
    assert support.native() is loaded
    assert pools == [loaded]


def test_threads_that_load_the_helpers_at_once_get_the_same(
    monkeypatch: pytest.MonkeyPatch, pools: list[LoadedImage]
) -> None:
    both = threading.Barrier(2)
    load = support.load_image

    def together(*given: Any, **settings: Any) -> LoadedImage:
        both.wait(60)
        return load(*given, **settings)

    monkeypatch.setattr(support, "load_image", together)
    image = shared_image(architecture())
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(support.install, (image, image))
    assert one is other
    assert set(pools) == {one}


def test_a_machine_that_nothing_was_made_for_generates_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    assert shipped.image() is None
    assert isinstance(shared_image(architecture()), Image)
