"""Models trained for one step on the simulated device give what they give on the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda import transformer
from cuda.on_device import needs_compiler, needs_nvrtc, simulated
from models.small import MODELS, Model
from models.test_models import arguments, near

import symfuse as sf
from symfuse.compiler.compile import compile_graph
from symfuse.tracing.tree import map_leaves

EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
ADAM = next(model for model in MODELS if model.name == "MLP step, Adam")


def on_host(found: Any) -> Any:
    return map_leaves(np.asarray, found)


@needs_compiler
@EVERY_MODEL
def test_a_model_gives_what_it_gives_on_the_processor(model: Model) -> None:
    args = arguments(model, "float32")
    with simulated():
        found = on_host(sf.compile(model.function, *args, target="cuda")(*args))
    near(found, sf.compile(model.function, *args)(*args), "float32")


@needs_compiler
def test_one_program_serves_every_batch() -> None:
    specs = list(arguments(ADAM, "float32"))
    for at in ADAM.batched:
        specs[at] = sf.spec(("N", *specs[at].shape[1:]), specs[at].dtype)
    with simulated():
        exe = sf.compile(ADAM.function, *specs, target="cuda")
        for batch in (1, 12, 77):
            args = arguments(ADAM, "float32", batch)
            found = on_host(exe(*args))
            near(found, ADAM.function(*args), "float32")


@needs_compiler
def test_a_step_of_a_transformer_gives_what_it_gives_on_the_processor() -> None:
    args = transformer.arguments(3)
    with simulated():
        found = on_host(sf.compile(transformer.step, *args, target="cuda")(*args))
    near(found, sf.compile(transformer.step, *args)(*args), "float32")


@needs_nvrtc
@pytest.mark.parametrize(
    ("step", "args"),
    [(ADAM.function, arguments(ADAM, "float32")), (transformer.step, transformer.arguments(3))],
    ids=["perceptron", "transformer"],
)
def test_a_training_step_compiles_for_a_device(step: Any, args: Any) -> None:
    graph = sf.make_graph(step)(*args).ir
    done = compile_graph(graph, target="cuda", arch="sm_90")
    assert done.program.device is not None
    assert done.program.device.arch == "sm_90"
    for usage in done.written.usage():
        assert usage is not None
        assert (usage.spilled, usage.stack) == (0, 0)
