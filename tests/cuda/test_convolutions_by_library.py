"""cuDNN's convolutions: which it gets, in which form, and that their values are the graph's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda.on_device import needs_compiler, simulated
from ml_dtypes import bfloat16

import symfuse as sf
from symfuse.compiler.compile import compile_graph
from symfuse.compiler.kernel.interpret import interpret_kernels
from symfuse.nn import functional as nn
from symfuse.runtime import options
from symfuse.runtime.cuda import cudnn_graphs, networks
from symfuse.runtime.cuda.cudnn import LibraryLacks
from symfuse.runtime.cuda.networks import Plan
from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DeviceError

pytestmark = needs_compiler

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def alone(tmp_path: Any) -> Any:
    """A cache of its own, and cuDNN for convolutions of any size."""
    with options.using(cache_dir=str(tmp_path), cudnn="always"):
        yield


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that are made for launches, in their order."""
    seen: list[Plan] = []
    prepare = networks.prepare

    def told(*args: Any) -> Plan:
        seen.append(prepare(*args))
        return seen[-1]

    monkeypatch.setattr(networks, "prepare", told)
    return seen


def kinds(plans: list[Plan]) -> set[str]:
    """The operations of those that the library did."""
    done = [plan.network for plan in plans if plan.recipe is not None]
    return {one.name for network in done if network for one in network.launch.operations}


def compiled(function: Callable[..., Any], *arrays: Array, **facts: Any) -> Any:
    specs = [f"{DType.of(x.dtype)}[{','.join(map(str, x.shape))}]" for x in arrays]
    return sf.compile(function, *specs, target="cuda", **facts)


def draw(*shapes: tuple[int, ...], dtype: Any = np.float32) -> list[Array]:
    rng = np.random.default_rng(5)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def gradient(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    def total(*arrays: Any) -> Any:
        return np.square(function(*arrays).astype("float32")).sum()

    return sf.grad(total, argnums=tuple(range(count)))


def check(function: Callable[..., Any], *arrays: Array, near: float = 2e-4, **facts: Any) -> str:
    """The results are those of NumPy; the reasons for who computes what."""
    with simulated():
        run = compiled(function, *arrays, **facts)
        found = run(*arrays)
        told = str(run.explain())
    wanted = function(*arrays)
    if not isinstance(wanted, tuple):
        found, wanted = (found,), (wanted,)
    for one, other in zip(found, wanted, strict=True):
        one, other = (np.asarray(x).astype(np.float64) for x in (one, other))
        scale = max(1.0, float(np.abs(other).max()))
        np.testing.assert_allclose(one / scale, other / scale, rtol=0, atol=near)
    return told


# forms

CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], str]] = {
    "plain": (lambda x, k: nn.conv(x, k), ((2, 6, 7, 3), (3, 2, 3, 4)), "padding (0, 0)"),
    "same": (lambda x, k: nn.conv(x, k, 1, "same"), ((2, 6, 7, 3), (3, 3, 3, 4)), "padding (1, 1)"),
    "unlike sides": (
        lambda x, k: nn.conv(x, k, 1, "same"),
        ((1, 6, 6, 3), (2, 4, 3, 4)),
        "padding (0, 0)",
    ),
    "apart": (lambda x, k: nn.conv(x, k, 2, 1), ((2, 7, 9, 3), (3, 3, 3, 4)), "strides (2, 2)"),
    "apart and even": (
        lambda x, k: nn.conv(x, k, 2, "same"),
        ((2, 8, 8, 3), (3, 3, 3, 4)),
        "strides (2, 2)",
    ),
    "apart, with a rest": (
        lambda x, k: nn.conv(x, k, (2, 3)),
        ((1, 8, 9, 2), (3, 2, 2, 3)),
        "strides (2, 3)",
    ),
    "dilated": (
        lambda x, k: nn.conv(x, k, 1, 2, dilation=2),
        ((1, 7, 8, 3), (3, 3, 3, 4)),
        "dilation (2, 2)",
    ),
    "one axis": (
        lambda x, k: nn.conv(x, k, 1, "causal"),
        ((2, 9, 3), (3, 3, 4)),
        "convolution of 2×11×3",
    ),
    "three axes": (
        lambda x, k: nn.conv(x, k, 1, "same"),
        ((1, 4, 5, 3, 2), (3, 3, 3, 2, 3)),
        "padding (1, 1, 1)",
    ),
    "flat kernel": (
        lambda x, k: nn.conv(x, k, 1, "same"),
        ((2, 5, 6, 3), (1, 3, 3, 4)),
        "padding (0, 1)",
    ),
    "single places, apart": (
        lambda x, k: nn.conv(x, k, 2),
        ((2, 5, 6, 3), (1, 1, 3, 4)),
        "strides (2, 2)",
    ),
    "channels first": (
        lambda x, k: nn.conv(x, k, 1, 1, "channels_first"),
        ((2, 3, 6, 5), (3, 3, 3, 4)),
        "padding (1, 1)",
    ),
    "transposed": (
        lambda x, k: nn.conv_transpose(x, k, 2, "same"),
        ((2, 4, 4, 3), (3, 3, 2, 3)),
        "data gradient",
    ),
    "transposed, next to each other": (
        lambda x, k: nn.conv_transpose(x, k, 1, "valid"),
        ((2, 4, 4, 3), (3, 3, 2, 3)),
        "data gradient",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_convolution_is_computed_by_the_library(case: str, plans: list[Plan]) -> None:
    function, shapes, form = CASES[case]
    told = check(function, *draw(*shapes))
    assert "is computed by cuDNN" in told and form in told
    assert "generated kernel: " not in told
    assert len(plans) == 1 and plans[0].recipe is not None


@pytest.mark.parametrize("case", CASES)
def test_so_are_its_derivatives(case: str, plans: list[Plan]) -> None:
    function, shapes, _ = CASES[case]
    told = check(gradient(function, 2), *draw(*shapes))
    assert told.count("is computed by cuDNN") == 3 and "generated kernel: " not in told
    assert kinds(plans) == {"convolution", "data_gradient", "filter_gradient"}


def test_derivatives_of_derivatives_are_convolutions_too(plans: list[Plan]) -> None:
    x, k = draw((1, 6, 6, 2), (3, 3, 2, 3))
    first = sf.grad(lambda x, k: (nn.conv(x, k, 2, 1) ** 3).sum())
    second = sf.grad(lambda x, k: np.square(first(x, k)).sum(), argnums=(0, 1))
    check(second, x, k)
    assert len(plans) >= 4 and all(plan.recipe is not None for plan in plans)


@pytest.mark.parametrize("sizes", ["B,9,9", "2,H,W", "B,H,W"])
def test_open_sizes_are_settled_at_the_call(sizes: str, plans: list[Plan]) -> None:
    x, k = draw((2, 9, 9, 3), (3, 3, 3, 4))
    function = gradient(lambda x, k: nn.conv(x, k, 1, "same"), 2)
    with simulated():
        run = sf.compile(function, f"f32[{sizes},3]", "f32[3,3,3,4]", target="cuda")
        for some in (x, x[:1]) if "B" in sizes else (x,):
            for one, other in zip(run(some, k), function(some, k), strict=True):
                np.testing.assert_allclose(np.asarray(one), other, rtol=1e-4, atol=1e-3)
    assert kinds(plans) == {"convolution", "data_gradient", "filter_gradient"}
    assert {plan.note for plan in plans} == {"the first of the library's recommendations"}


def test_nothing_is_launched_for_no_images(plans: list[Plan]) -> None:
    _, k = draw((1,), (3, 3, 3, 4))
    function = gradient(lambda x, k: nn.conv(x, k, 1, "same"), 2)
    with simulated():
        run = sf.compile(function, "f32[B,6,6,3]", "f32[3,3,3,4]", target="cuda")
        dx, dk = run(np.zeros((0, 6, 6, 3), np.float32), k)
    assert np.asarray(dx).shape == (0, 6, 6, 3)
    assert not np.asarray(dk).any()
    assert kinds(plans) == set()


# what follows, types


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
def test_halves_take_bias_and_relu_along(dtype: Any, plans: list[Plan]) -> None:
    def layer(x: Any, k: Any, b: Any) -> Any:
        return nn.relu(nn.conv(x, k, 1, "same") + b)

    arrays = draw((2, 6, 6, 4), (3, 3, 4, 8), (8,), dtype=dtype)
    told = check(layer, *arrays, near=2e-2)
    assert ", bias, relu): " in told
    (plan,) = plans
    assert plan.network is not None
    assert [one.name for one in plan.network.launch.operations] == ["convolution", "add", "relu"]
    check(gradient(layer, 3), *arrays, near=2e-2)


def test_strict_floats_leave_them_to_another_kernel(plans: list[Plan]) -> None:
    arrays = draw((2, 6, 6, 4), (3, 3, 4, 8), (8,))
    told = check(lambda x, k, b: nn.relu(nn.conv(x, k, 1, "same") + b), *arrays)
    assert "a second kernel does what follows" in told
    assert kinds(plans) == {"convolution"}


def test_fast_floats_may_be_rounded_for_tensor_cores(plans: list[Plan]) -> None:
    arrays = draw((2, 6, 6, 4), (3, 3, 4, 8), (8,))
    layer = lambda x, k, b: nn.relu(nn.conv(x, k, 1, "same") + b)  # noqa: E731
    told = check(layer, *arrays, near=2e-3, numerics="fast")
    assert "tf32, bias, relu): " in told


def test_doubles_stay_doubles(plans: list[Plan]) -> None:
    check(lambda x, k: nn.conv(x, k), *draw((1, 5, 5, 2), (2, 2, 2, 3), dtype=float), near=1e-14)
    assert kinds(plans) == {"convolution"}


def test_a_value_between_that_others_read_ends_what_follows(plans: list[Plan]) -> None:
    def layer(x: Any, k: Any, b: Any) -> Any:
        z = nn.conv(x, k, 1, "same") + b
        return z, nn.relu(z)

    told = check(layer, *draw((1, 5, 5, 4), (3, 3, 4, 8), (8,), dtype=np.float16), near=2e-2)
    assert ", bias): " in told


# who does it


@pytest.mark.parametrize(
    ("function", "shapes", "reason"),
    [
        (
            lambda x, k: nn.conv(x, k, groups=2),
            ((1, 5, 5, 4), (3, 3, 2, 4)),
            "it is several with kernels of their own, in groups or by vmap",
        ),
        (
            lambda x, k: sf.vmap(lambda x, k: nn.conv(x, k))(x, k),
            ((3, 1, 5, 5, 4), (3, 3, 2, 4, 4)),
            "it is several with kernels of their own, in groups or by vmap",
        ),
        (
            gradient(lambda x, k: sf.vmap(lambda x, k: nn.conv(x, k))(x, k), 2),
            ((3, 1, 5, 5, 4), (3, 3, 2, 4, 4)),
            "it is several with kernels of their own, in groups or by vmap",
        ),
        (
            lambda x, k: nn.conv(x, k[::-1, :]),
            ((1, 5, 5, 4), (3, 3, 4, 4)),
            "the kernel is turned around in part",
        ),
    ],
)
def test_others_are_generated_for_a_reason(
    function: Any, shapes: Any, reason: str, plans: list[Plan]
) -> None:
    assert f"a generated kernel: {reason}" in check(function, *draw(*shapes))
    assert plans == []


def test_whole_numbers_are_generated() -> None:
    x, k = (
        np.arange(n, dtype=np.int32).reshape(s) for n, s in ((50, (1, 5, 5, 2)), (8, (2, 2, 2, 1)))
    )
    assert "cuDNN has no convolutions of i32" in check(lambda x, k: nn.conv(x, k), x, k)


def test_small_ones_are_generated_unless_the_library_is_asked_for() -> None:
    with options.using(cudnn="auto"):
        told = check(lambda x, k: nn.conv(x, k), *draw((1, 5, 5, 2), (3, 3, 2, 3)))
    assert "convolution (" in told and "small kernels run side by side" in told


def test_what_is_told_of_the_library_is_what_it_does() -> None:
    def conv(x: Any, k: Any) -> Any:
        return nn.conv(x, k, 1, "same")

    assert '): the option cudnn is "always"' in check(conv, *draw((1, 5, 5, 2), (3, 3, 2, 3)))
    with options.using(cudnn="auto"), simulated():
        run = sf.compile(conv, "f32[n,16,16,16]", "f32[3,3,16,16]", target="cuda")
    assert "its sizes are open, so the first plan is taken" in str(run.explain())


def test_large_ones_are_given_to_the_library_and_timed(plans: list[Plan]) -> None:
    arrays = draw((4, 16, 16, 16), (3, 3, 16, 16))
    with options.using(cudnn="auto"):
        told = check(lambda x, k: nn.conv(x, k, 1, "same"), *arrays)
        assert "it is large; on the device its plans are timed beside" in told
        assert {plan.note for plan in plans} == {"the fastest of 5 that were timed", plans[0].note}
        plans.clear()
        check(lambda x, k: nn.conv(x, k, 1, "same"), *arrays)
    assert plans[-1].note in ("the fastest of 5 that were timed", "the fastest, as timed before")


def test_the_option_can_forbid_it(plans: list[Plan]) -> None:
    with options.using(cudnn="never"):
        told = check(lambda x, k: nn.conv(x, k), *draw((4, 16, 16, 16), (3, 3, 16, 16)))
    assert 'a generated kernel: the option cudnn is "never"' in told
    assert plans == []


def test_without_the_library_all_is_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "symfuse.compiler.targets.cuda.machine._is_usable", lambda name, arch: False
    )
    with options.using(cudnn="auto"):
        told = check(lambda x, k: nn.conv(x, k), *draw((1, 5, 5, 2), (3, 3, 2, 3)))
    assert "a generated kernel: cuDNN is not installed" in told
    with pytest.raises(DeviceError, match="asks for cuDNN always") as raised:
        check(lambda x, k: nn.conv(x, k), *draw((1, 5, 5, 2), (3, 3, 2, 3)))
    assert "symfuse[cudnn]" in raised.value.fix


def test_a_program_runs_where_the_library_is_gone(
    monkeypatch: pytest.MonkeyPatch, plans: list[Plan]
) -> None:
    x, k = draw((1, 5, 5, 2), (3, 3, 2, 3))
    with simulated():
        run = compiled(lambda x, k: nn.conv(x, k), x, k)
        monkeypatch.setattr("symfuse.runtime.cuda.networks.find", lambda name: None)
        with pytest.raises(DeviceError, match="cuDNN is not installed, and the option"):
            run(x, k)
        with options.using(cudnn="auto"):
            found = np.asarray(run(x, k))
    np.testing.assert_allclose(found, nn.conv(x, k), rtol=1e-5, atol=1e-5)
    assert [plan.note for plan in plans] == ["generated kernels: cuDNN is not installed"]


def test_a_program_leaves_the_library_out_where_it_is_told_to(plans: list[Plan]) -> None:
    x, k = draw((1, 5, 6, 2), (3, 3, 2, 3))
    with simulated():
        run = compiled(lambda x, k: nn.conv(x, k), x, k)
        with options.using(cudnn="never"):
            found = np.asarray(run(x, k))
    np.testing.assert_allclose(found, nn.conv(x, k), rtol=1e-5, atol=1e-5)
    assert [plan.recipe for plan in plans] == [None]


def test_a_program_runs_where_the_library_has_no_plan(
    monkeypatch: pytest.MonkeyPatch, plans: list[Plan]
) -> None:
    monkeypatch.setattr(cudnn_graphs, "refused", lambda compute, fast: _Everything())
    x, k = draw((4, 15, 17, 16), (3, 3, 16, 18))
    with options.using(cudnn="auto"):
        check(lambda x, k: nn.conv(x, k, 1, "same"), x, k)
    assert "has no plan for it" in plans[0].note
    with pytest.raises(DeviceError, match="has no plan for it"):
        check(lambda x, k: nn.conv(x, k, 1, "same"), x, k)


def test_plans_that_cannot_be_run_are_left_out(
    monkeypatch: pytest.MonkeyPatch, plans: list[Plan]
) -> None:
    run, last = cudnn_graphs.Network.run, 0

    def lacking(network: Any, recipe: Any, *where: Any) -> None:
        if recipe.rank <= last:
            raise LibraryLacks("not on this device")
        run(network, recipe, *where)

    monkeypatch.setattr(cudnn_graphs.Network, "run", lacking)
    x, k = draw((4, 15, 17, 16), (3, 3, 16, 19))
    check(lambda x, k: nn.conv(x, k, 1, "same"), x, k)
    assert plans[0].note == "the fastest of 3 that were timed"
    last = 99
    with pytest.raises(DeviceError, match="not on this device"):
        check(lambda x, k: nn.conv(x, k, 1, "same"), x[:2], k)


class _Everything(frozenset[int]):
    def isdisjoint(self, other: object) -> bool:
        return False


def test_a_stored_program_keeps_its_convolutions(tmp_path: Any, plans: list[Plan]) -> None:
    x, k = draw((2, 6, 6, 3), (3, 3, 3, 4))
    with simulated():
        run = compiled(lambda x, k: nn.conv(x, k, 2, 1), x, k)
        run.save(tmp_path / "conv.sf")
        found = np.asarray(sf.load(tmp_path / "conv.sf")(x, k))
    np.testing.assert_allclose(found, nn.conv(x, k, 2, 1), rtol=1e-5, atol=1e-5)
    assert kinds(plans) == {"convolution"}


# a training step


def test_a_training_step_of_a_network_is_that_of_the_processor(plans: list[Plan]) -> None:
    def loss(parameters: Any, x: Any, labels: Any) -> Any:
        first, bias, second, last = parameters
        y = nn.max_pool(nn.relu(nn.conv(x, first, 1, "same") + bias), 2)
        y = nn.relu(nn.conv(y, second, 2, 1))
        scores = y.reshape(y.shape[0], -1) @ last
        return -(nn.log_softmax(scores) * labels).sum() / x.shape[0]

    def step(parameters: Any, x: Any, labels: Any) -> Any:
        value, slopes = sf.value_and_grad(loss)(parameters, x, labels)
        return value, tuple(p - 0.1 * s for p, s in zip(parameters, slopes, strict=True))

    *parameters, x = draw((3, 3, 2, 4), (4,), (3, 3, 4, 6), (24, 5), (3, 8, 8, 2))
    labels = np.eye(5, dtype=np.float32)[[1, 3, 0]]
    mine = theirs = tuple(parameters)
    with simulated():
        device = sf.jit(step, target="cuda")
        host = sf.jit(step)
        for _ in range(3):
            value, mine = device(mine, x, labels)
            wanted, theirs = host(theirs, x, labels)
            np.testing.assert_allclose(np.asarray(value), wanted, rtol=1e-4)
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(np.asarray(one), other, rtol=1e-3, atol=1e-4)
    assert kinds(plans) == {"convolution", "data_gradient", "filter_gradient"}


def test_what_is_checked_and_explained_has_the_same_values() -> None:
    x, k = draw((2, 6, 6, 4), (3, 3, 4, 4))
    function = gradient(lambda x, k: nn.conv(x, k, 2, 1), 2)
    graph = sf.trace(function, "f32[2,6,6,4]", "f32[3,3,4,4]").ir
    with simulated(), options.using(verify=True):
        stages = compile_graph(graph, target="cuda").stages
    given = {stages.buffers(p): a for p, a in zip(stages.graph.parameters, (x, k), strict=True)}
    memory = interpret_kernels(stages.launches, given, {})
    for output, wanted in zip(stages.graph.outputs, function(x, k), strict=True):
        found = memory[stages.buffers(output)].reshape(wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_turns_of_a_loop_call_the_library(plans: list[Plan]) -> None:
    def filtered(x: Any, k: Any) -> Any:
        def turn(y: Any, _: Any) -> Any:
            return nn.relu(nn.conv(y, k, 1, "same")), None

        return sf.scan(turn, x, None, length=40)[0]

    x, k = draw((1, 5, 5, 2), (3, 3, 2, 2))
    assert "convolution_contract" in check(filtered, x, 0.3 * k)
    assert kinds(plans) == {"convolution"}
