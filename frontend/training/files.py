"""Saving and loading models: architecture, arrays, optimiser, and where training stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime import safetensors
from symfuse.runtime.errors import ArgumentError

from ..nn.layer import Layer, Variables
from ..tracing.tree import flatten
from . import archive
from .describe import Reader, Writer
from .loop import Progress

__all__ = ["load_model", "load_weights", "restore", "save_model", "save_weights"]

_PROGRESS = ("epoch", "batch", "batches")
Path_ = str | PathLike[str]


def save_model(model: Any, path: Path_) -> Path:
    """Write the model with all that training needs to go on with the same numbers.

    The file is a zip archive: `manifest.json` has a version, the architecture and the settings;
    arrays are in the safetensors format. The same model gives the same bytes.
    """
    write = Writer()
    tensors = {"weights": _named(model.values())}
    facts: dict[str, Any] = {"model": write(model)}
    if "programs" in model.__dict__:
        facts["training"] = _training(model, write)
        state = model.optimizer_state
        leaves = [] if state is None else flatten(state)[0]
        tensors["optimizer"] = {f"{at:06}": np.asarray(leaf) for at, leaf in enumerate(leaves)}
        if model.progress.batch:
            tensors["metrics"] = _named(model.progress.metrics)
    facts |= {"layers": write.layers, "calls": write.calls, "values": write.values}
    return archive.write(path, facts, tensors)


def load_model(path: Path_, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model in a file, ready to predict and, if it was compiled, to be trained further.

    Layers, losses and functions of one's own are passed by name in `custom_objects`. Raises
    ArtifactError for files that are damaged, foreign, or of a later version.

    >>> import tempfile, symfuse as sf
    >>> model = sf.nn.Sequential([sf.nn.Input(3), sf.nn.Dense(2)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = sf.nn.load_model(model.save(f"{folder}/model.sfz"))
    >>> bool((again.params["dense"]["kernel"] == model.params["dense"]["kernel"]).all())
    True
    """
    facts, tensors = archive.read(path)
    name = Path(path).name
    try:
        read = Reader(facts, custom_objects or {})
        model = read(facts["model"])
        _fill(model, tensors["weights"], name)
        if "training" in facts:
            _compile(model, facts["training"], read)
            _go_on(model, facts["training"], tensors, name)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise archive.damaged(name, f"it does not describe a model ({error!r})") from error
    return model


def restore(model: Any, path: Path_) -> None:
    """Bring a compiled model to where it was when it was saved into a file: also inside an epoch.

    Its layers, its optimiser and the seed must be those that it had.
    """
    facts, tensors = archive.read(path)
    name = Path(path).name
    expected = {key: one.shape for key, one in _named(model.values()).items()}
    if expected != {key: one.shape for key, one in tensors["weights"].items()}:
        raise archive.damaged(name, "its arrays are not those of this model")
    if "training" not in facts:
        raise ArgumentError(
            f"{name} has a model that was not compiled when it was saved",
            fix="use sf.nn.load_model, or load_weights, for its arrays alone",
            loc=user_location(),
        )
    _hold(model, tensors["weights"])
    _go_on(model, facts["training"], tensors, name)


def save_weights(model: Any, path: Path_) -> Path:
    """Write all arrays of the model alone, in the safetensors format."""
    target = Path(path)
    target.write_bytes(safetensors.pack(_named(model.values())))
    return target


def load_weights(model: Any, path: Path_, *, skip_mismatch: bool = False) -> None:
    """Take the arrays of a safetensors file; their names and shapes must be those of the model."""
    found = archive.tensors_from(archive.contents(path), Path(path).name)
    expected = _named(model.values())
    names = sorted(expected.keys() | found.keys())
    fitting = [name for name in names if _shape(found, name) == _shape(expected, name)]
    others = [name for name in names if name not in fitting]
    if others and not (skip_mismatch and fitting):
        name = others[0]
        raise ArgumentError(
            f"{name} has the shape {_shape(expected, name)} in the model and {_shape(found, name)}"
            " in the file",
            fix="make the model as it was when the weights were saved, or take what fits, and at"
            " least one array, by skip_mismatch=True",
            loc=user_location(),
        )
    taken = {name: _cast(name, found[name], expected[name].dtype) for name in fitting}
    _hold(model, {**expected, **taken})


def _shape(tensors: Mapping[str, Any], name: str) -> tuple[int, ...] | None:
    return tensors[name].shape if name in tensors else None


def _cast(name: str, array: Any, dtype: Any) -> Any:
    """An array of a file in the type of the model, which must hold its numbers."""
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype)
    except FloatingPointError:
        raise ArgumentError(
            f"{name} has numbers in the file that {dtype} does not hold",
            fix='make the model with dtype="float64"',
            loc=user_location(),
        ) from None


def _training(model: Any, write: Writer) -> dict[str, Any]:
    """How the model is trained, and how far it is."""
    goals = model.programs.objectives
    return {
        "optimizer": write(model.optimizer),
        "objectives": {name: write(getattr(goals, name)) for name in goals.__struct_fields__},
        "seed": model.seed,
        "epoch": model.epoch,
        "progress": {name: getattr(model.progress, name) for name in _PROGRESS},
        "dynamic_batch": model.programs.dynamic_batch,
        "options": write(dict(model.programs.options)),
    }


def _compile(model: Any, facts: Mapping[str, Any], read: Reader) -> None:
    objectives = {key: read(one) for key, one in facts["objectives"].items()}
    model.compile(
        read(facts["optimizer"]),
        **objectives,
        seed=facts["seed"],
        dynamic_batch=facts["dynamic_batch"],
        **read(facts["options"]),
    )


def _go_on(
    model: Any, facts: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    """Set epoch, place in it, and the state of the optimiser to what they were."""
    model.epoch, metrics = facts["epoch"], _nested(tensors.get("metrics", {}))
    model.progress = Progress(**facts.get("progress", {}), metrics=metrics)
    model.resumes = True
    arrays = tensors.get("optimizer", {})
    if not arrays:
        return
    fresh, tree = flatten(model.programs.frozen().init(model.params))
    leaves = [array for _, array in sorted(arrays.items())]
    shapes = ([(one.shape, one.dtype) for one in map(np.asarray, part)] for part in (fresh, leaves))
    first, second = shapes
    if first != second:
        raise archive.damaged(name, "the state of the optimiser does not fit the weights")
    model.optimizer_state = tree.unflatten(leaves)


def _fill(model: Layer, arrays: Mapping[str, Any], name: str) -> None:
    """Give the model its arrays, which must be those that it asks for."""
    _hold(model, arrays)
    specs = model.__dict__.get("built_for")
    if specs is None:
        return
    declared, _ = model.declared(*specs)
    wanted = {key: one.shape for key, one in _leaves(declared._asdict())}
    found = {key: array.shape for key, array in arrays.items()}
    if wanted != found:
        raise archive.damaged(name, "its arrays are not those of its layers")


def _hold(model: Layer, arrays: Mapping[str, Any]) -> None:
    whole = _nested(arrays)
    model.hold(Variables(whole.get("params", {}), whole.get("state", {})))


def _nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dicts of arrays under names such as params/dense/kernel."""
    whole: dict[str, Any] = {}
    for title, array in arrays.items():
        *path, last = (unquote(part) for part in title.split("/"))
        part = whole
        for name in path:
            part = part.setdefault(name, {})
        part[last] = array
    return whole


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(leaf) for name, leaf in _leaves(values)}


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested dicts under names such as params/dense/kernel."""
    for name, part in tree.items():
        title = f"{above}{quote(name, safe='')}"
        if isinstance(part, Mapping):
            yield from _leaves(part, f"{title}/")
        else:
            yield title, part
