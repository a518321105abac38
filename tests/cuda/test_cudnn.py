"""The binding of cuDNN: its numbers, what the real library makes of them, and mistakes it finds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda.host_device import HostDevice
from cuda.on_device import needs_compiler
from cuda.real_cudnn import FOUND, needs_library, told_by_the_real
from cuda.simulator.build import driver_path
from cuda.simulator.products import cudnn_path

from symfuse.runtime import options
from symfuse.runtime.cuda import libraries, networks
from symfuse.runtime.cuda.code import DnnLaunch, DnnOperation, Place, Tensor
from symfuse.runtime.cuda.cudnn import CONSTANTS, Descriptor, Library, LibraryFailed, cudnn
from symfuse.runtime.cuda.cudnn_graphs import KINDS, Network, refused
from symfuse.runtime.errors import DeviceError

WINDOW = ((1, 1), (1, 1), (1, 1))


def packed(*extents: int) -> tuple[int, ...]:
    """Strides with channels last."""
    _, channels, *space = extents
    strides = [channels]
    for size in reversed(space[1:]):
        strides.append(strides[-1] * size)
    return (strides[-1] * space[0], 1, *reversed(strides))


def tensor(*extents: int, pointer: int | None = None, dtype: str = "f32") -> Tensor:
    return Tensor(dtype, extents, packed(*extents), pointer)


def launch_of(kind: str = "convolution", compute: str = "f32", **facts: Any) -> DnnLaunch:
    """A convolution of 2 images of 5×6 with 4 channels to 8 of them."""
    dtype = {"half": "bf16", "f64": "f64"}.get(compute, "f32")
    tensors = [
        tensor(2, 4, 5, 6, pointer=0, dtype=dtype),
        tensor(8, 4, 3, 3, pointer=1, dtype=dtype),
        tensor(2, 8, 5, 6, pointer=2, dtype=dtype),
    ]
    given: dict[str, Any] = {
        "tensors": tuple(tensors),
        "operations": (DnnOperation(kind, (0, 1, 2), WINDOW),),
        "fast": False,
        "workspace": 1 << 16,
        "scratch": 3,
        "pointers": tuple(map(Place, range(4))),
        "nbytes": (4 << 10, 4 << 10, 4 << 10, 1 << 16),
    }
    return DnnLaunch("k0", compute=compute, **given | facts)


def with_steps(compute: str = "half") -> DnnLaunch:
    """The same with a bias and a relu behind it."""
    dtype = {"half": "f16"}.get(compute, "f32")
    tensors = (
        tensor(2, 4, 5, 6, pointer=0, dtype=dtype),
        tensor(8, 4, 3, 3, pointer=1, dtype=dtype),
        tensor(2, 8, 5, 6),
        Tensor(dtype, (1, 8, 1, 1), (8, 1, 8, 8), 2),
        tensor(2, 8, 5, 6),
        tensor(2, 8, 5, 6, pointer=3, dtype=dtype),
    )
    steps = (
        DnnOperation("convolution", (0, 1, 2), WINDOW),
        DnnOperation("add", (2, 3, 4)),
        DnnOperation("relu", (4, 5)),
    )
    return launch_of(
        compute=compute, tensors=tensors, operations=steps, scratch=4,
        pointers=tuple(map(Place, range(5))), nbytes=(4096, 4096, 64, 4096, 1 << 16),
    )  # fmt: skip


# the real library, as far as it goes without a device


@needs_library
def test_numbers_are_those_of_the_headers(tmp_path: Path) -> None:
    assert FOUND is not None
    headers = [Path(FOUND.path).parents[1] / "include", Path("/usr/local/cuda/include")]
    if not (headers[0] / "cudnn.h").is_file() or not (headers[1] / "cuda_runtime.h").is_file():
        pytest.skip("the headers of the library are not installed")
    source = tmp_path / "numbers.cpp"
    checks = (f"static_assert({name} == {value});" for name, value in CONSTANTS.items())
    source.write_text("#include <cudnn.h>\n" + "\n".join(checks))
    folders = [f"-I{folder}" for folder in headers]
    quiet = "-Wno-deprecated-declarations"
    command = ["g++", "-std=c++17", quiet, "-fsyntax-only", *folders, str(source)]
    subprocess.run(command, check=True)


@needs_library
@needs_compiler
def test_the_real_library_takes_every_operation(tmp_path: Path) -> None:
    kinds, computes = ("convolution", "data_gradient", "filter_gradient"), ("f32", "f64", "half")
    right = [launch_of(kind, compute) for kind in kinds for compute in computes]
    right += [with_steps("half"), with_steps("tf32")]
    wrong = launch_of(operations=(DnnOperation("convolution", (0, 1, 2), ((0, 0), *WINDOW[1:])),))
    *accepted, refusal = told_by_the_real([*right, wrong], tmp_path)
    assert accepted == [""] * len(right)
    assert refusal.startswith("operation convolution forward: cudnnBackendFinalize of cuDNN 9.")


@needs_library
def test_the_real_library_says_that_it_needs_a_device() -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a device")
    with pytest.raises(LibraryFailed, match=r"cudnnCreate of cuDNN 9.* failed"):
        cudnn().handle("cudnnCreate")


def test_an_absent_library_is_an_error_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libraries, "find", lambda name: None)
    with pytest.raises(DeviceError, match="computes convolutions") as raised:
        cudnn()
    assert "nvidia-cudnn-cu13" in raised.value.fix


# the stand-in


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """The stand-in without a driver beside it, which works at once."""
    folder = driver_path().parent / "alone"
    cudnn_path(folder)
    with options.using(cuda_driver=str(folder), cache_dir=str(tmp_path), cache=True):
        yield cudnn()


@pytest.fixture
def device(request: pytest.FixtureRequest) -> HostDevice:
    return HostDevice(request.node.nodeid)


def nothing(stream: int, addresses: Any) -> None:
    """Kernels that are not to be run."""
    raise AssertionError("a plan of the library was to be run")


class Case:
    """A convolution on memory of the host."""

    def __init__(self, launch: DnnLaunch) -> None:
        rng = np.random.default_rng(3)
        self.launch = launch
        self.image = rng.normal(size=(2, 5, 6, 4)).astype(np.float32)
        self.kernel = rng.normal(size=(8, 3, 3, 4)).astype(np.float32)
        self.result = np.full((2, 5, 6, 8), np.nan, np.float32)
        self.workspace = np.zeros(1 << 16, np.uint8)
        self.note = ""

    @property
    def wanted(self) -> Any:
        wide = np.pad(self.image, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows = [wide[:, r : r + 5, s : s + 6] for r in range(3) for s in range(3)]
        kernel = self.kernel.reshape(8, 9, 4)
        return sum(row @ kernel[:, at].T for at, row in enumerate(rows))

    def run(self, device: Any) -> Any:
        plan = networks.prepare(device, self.launch, (), nothing)
        self.note = plan.note
        arrays = (self.image, self.kernel, self.result, self.workspace)
        plan.launch(0, [x.ctypes.data for x in arrays])
        return self.result

    def check(self, device: Any) -> None:
        np.testing.assert_allclose(self.run(device), self.wanted, rtol=1e-5, atol=1e-5)


@needs_compiler
def test_a_plan_computes_what_was_described(library: Library, device: HostDevice) -> None:
    case = Case(launch_of())
    case.check(device)
    assert case.note == "the fastest of 4 that were timed"


@needs_compiler
def test_the_fastest_plan_is_found_once_and_kept(library: Library, device: HostDevice) -> None:
    Case(launch_of()).check(device)
    taken = device.memory.taken
    again, case = HostDevice(f"{device.driver.path} again"), Case(launch_of())
    case.check(again)
    assert case.note == "the fastest, as timed before"
    assert taken > 0 and again.memory.taken == 0


@needs_compiler
def test_engines_are_refused_by_what_is_noted_of_them(library: Library) -> None:
    def engines(**facts: Any) -> list[int]:
        launch = launch_of(**facts)
        return [recipe.engine for recipe in Network(library, launch, 1).recipes()]

    assert engines() == [
        10,
        15,
        16,
        0,
    ]  # neither tensor cores, transforms nor another sum each time
    assert engines(compute="tf32") == [10, 11, 15, 16, 0]
    assert engines(compute="half") == [10, 11, 15, 16, 0]
    assert engines(fast=True) == [10, 13, 15, 16, 0]
    assert engines(workspace=4095) == [10, 16, 0]


def test_nothing_that_varies_from_call_to_call_is_ever_used() -> None:
    varies = CONSTANTS["CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC"]
    for compute in ("f32", "f64", "tf32", "half"):
        assert varies in refused(compute, False) & refused(compute, True)


@needs_compiler
def test_kinds_name_attributes_that_there_are() -> None:
    for kind in KINDS.values():
        assert f"CUDNN_BACKEND_{kind.descriptor}_DESCRIPTOR" in CONSTANTS
        names = [*kind.tensors, kind.described_by]
        assert all(f"CUDNN_ATTR_{kind.prefix}{name}" in CONSTANTS for name in names)


# mistakes


def planted(monkeypatch: pytest.MonkeyPatch, wrong: Any) -> None:
    """Every attribute goes through `wrong`, which may change or drop it."""
    right = Descriptor.set

    def put(made: Descriptor, attribute: str, type_: str, *values: Any) -> Descriptor:
        given = wrong(attribute, type_, values)
        return made if given is None else right(made, attribute, *given)

    monkeypatch.setattr(Descriptor, "set", put)


def changed(name: str, type_: str | None = None, values: Any = None) -> Any:
    """A mistake in one attribute; its values are left out where there are none to put instead."""

    def wrong(attribute: str, kind: str, given: Any) -> Any:
        if attribute != name:
            return kind, *given
        return None if values is None else (type_ or kind, *values(given))

    return wrong


MISTAKES: dict[str, tuple[Any, str]] = {
    "an attribute is missing": (changed("TENSOR_DATA_TYPE"), "attribute 901 .* is missing"),
    "one number too few": (
        changed("CONVOLUTION_DILATIONS", values=lambda v: v[:-1]),
        "as many numbers as spatial dimensions",
    ),
    "one stride too many": (
        changed("TENSOR_STRIDES", values=lambda v: (*v, 1)),
        "as many strides as dimensions",
    ),
    "another type": (
        changed("CONVOLUTION_COMP_TYPE", "INT64", lambda v: v),
        "attribute 100 .* is of another type",
    ),
    "more values than one": (
        changed("TENSOR_BYTE_ALIGNMENT", values=lambda v: (*v, *v)),
        "attribute 900 .* has another count",
    ),
    "other padding": (
        changed("CONVOLUTION_PRE_PADDINGS", values=lambda v: (0,) * len(v)),
        "is_valid_convolution",
    ),
    "one identifier for all": (
        changed("TENSOR_UNIQUE_ID", values=lambda v: (7,)),
        "two tensors have one identifier",
    ),
    "no workspace": (
        changed("VARIANT_PACK_WORKSPACE", values=lambda v: (None,)),
        "the plan needs a workspace",
    ),
    "an address too few": (
        changed("VARIANT_PACK_DATA_POINTERS", values=lambda v: v[1:]),
        "as many pointers as identifiers",
    ),
    "an address beside the element": (
        changed("VARIANT_PACK_DATA_POINTERS", values=lambda v: (v[0] + 2, *v[1:])),
        "not aligned as the tensor says",
    ),
}


@needs_compiler
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(
    mistake: str, library: Library, device: HostDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, told = MISTAKES[mistake]
    if mistake == "no workspace":  # of a plan that needs one
        recipes = Network.recipes
        monkeypatch.setattr(
            Network, "recipes", lambda net: (r for r in recipes(net) if r.workspace)
        )
    planted(monkeypatch, wrong)
    with pytest.raises(LibraryFailed, match=told):
        Case(launch_of()).run(device)


@needs_compiler
def test_a_descriptor_is_finalised_before_others_refer_to_it(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Descriptor, "finalise", lambda made: made)
    with pytest.raises(LibraryFailed, match="refers to what is not finalised"):
        Network(library, launch_of())


@needs_compiler
def test_wrong_strides_are_seen_in_the_values(library: Library, device: HostDevice) -> None:
    right = launch_of()
    first = replace(right.tensors[0], strides=(120, 30, 6, 1))  # channels first
    case = Case(replace(right, tensors=(first, *right.tensors[1:])))
    with pytest.raises(AssertionError):
        case.check(device)


@needs_compiler
def test_steps_are_computed_one_after_another(library: Library, device: HostDevice) -> None:
    launch = with_steps("tf32")
    case, bias = Case(launch), np.linspace(-5, 5, 8, dtype=np.float32)
    plan = networks.prepare(device, launch, (), nothing)
    arrays = (case.image, case.kernel, bias, case.result, case.workspace)
    plan.launch(0, [x.ctypes.data for x in arrays])
    np.testing.assert_allclose(case.result, np.maximum(case.wanted + bias, 0), atol=3e-2)
