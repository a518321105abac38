"""What a person picks: every field with its limits, checked wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from symfuse.runtime.errors import SymfuseError

__all__ = [
    "Activation",
    "DataName",
    "Feature",
    "OptimizerName",
    "Penalty",
    "Problem",
    "Settings",
    "SettingsError",
    "Speed",
    "schema",
]

Problem = Literal["classification", "regression"]
DataName = Literal["circle", "xor", "gauss", "spiral", "moons", "plane", "hills"]
Feature = Literal["x1", "x2", "x1²", "x2²", "x1·x2", "sin x1", "sin x2"]
Activation = Literal["tanh", "relu", "sigmoid", "gelu", "linear"]
Penalty = Literal["none", "L1", "L2"]
OptimizerName = Literal["SGD", "momentum", "RMSprop", "Adam"]
Speed = Literal["1 step", "1 epoch", "10 epochs", "full"]

Neurons = Annotated[int, Meta(ge=1, le=8)]


class SettingsError(SymfuseError, ValueError):
    """A setting that the playground does not have, or a value outside its limits."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data, the network and how it is trained; `speed` is what happens between two pictures."""

    data: DataName = "circle"
    noise: Annotated[float, Meta(ge=0, le=0.5)] = 0.1
    train_share: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.5
    seed: Annotated[int, Meta(ge=0, le=999_999)] = 0
    features: Annotated[tuple[Feature, ...], Meta(max_length=7)] = ("x1", "x2")
    layers: Annotated[tuple[Neurons, ...], Meta(max_length=6)] = (4, 2)
    activation: Activation = "tanh"
    penalty: Penalty = "none"
    penalty_rate: Annotated[float, Meta(ge=0, le=10)] = 0.001
    learning_rate: Annotated[float, Meta(ge=1e-5, le=10)] = 0.03
    batch_size: Annotated[int, Meta(ge=1, le=100)] = 10
    optimizer: OptimizerName = "Adam"
    speed: Speed = "1 epoch"

    def __post_init__(self) -> None:
        if not self.features:
            raise SettingsError(
                "no feature is selected, so the network sees nothing of the data",
                fix="select at least one feature",
            )
        if len(set(self.features)) < len(self.features):
            raise SettingsError("a feature is selected twice", fix="name each feature once")

    def changed(self, given: Mapping[str, Any]) -> Settings:
        """These settings with some fields replaced; raises SettingsError for what is not allowed.

        >>> Settings().changed({"layers": [3]}).layers
        (3,)
        """
        try:
            return msgspec.convert({**msgspec.to_builtins(self), **given}, Settings)
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, SettingsError):
                raise error.__cause__ from None
            what, _, field = str(error).partition(" - at `$.")
            raise SettingsError(f"{field.rstrip('`') or 'settings'}: {what}") from None


def schema() -> dict[str, Any]:
    """Each field with its limits or choices and its default, as JSON schema; controls read it."""
    found: dict[str, Any] = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    for name, kind in get_type_hints(Settings).items():
        if get_origin(kind) is Literal:
            found[name]["enum"] = list(get_args(kind))  # in the order in which they are listed
    return found
