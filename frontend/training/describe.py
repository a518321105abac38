"""Models and what they are trained with as plain data, and back: no code, no pickles.

Layers are their fields, records of symfuse the functions that made them, with their arguments.
What is the user's own is written down by name, and must be handed in when it is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArtifactError, UnsupportedError

from ..nn.layer import Layer
from ..nn.symbolic import Symbolic, batched
from ..tracing.specs import Spec
from ..tracing.tree import flatten

__all__ = ["Reader", "Writer", "specs_from", "specs_to"]

Plain = Any
_HOMES = ("nn", "nn.functional", "losses", "metrics", "initializers", "optim", "special", "numpy")


class Writer:
    """Turns values into what JSON can hold; layers, calls and values in tables, each once."""

    def __init__(self) -> None:
        self.layers: list[Plain] = []
        self.calls: list[Plain] = []
        self.values: list[Plain] = []
        self._known: dict[int, int] = {}
        self._kept: list[Any] = []

    def __call__(self, value: Any) -> Plain:
        """The value as plain data."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, list):
            return [self(one) for one in value]
        if isinstance(value, tuple):
            return {"tuple": [self(one) for one in value]}
        if isinstance(value, Mapping):
            return {"dict": [[self(key), self(one)] for key, one in value.items()]}
        if isinstance(value, Symbolic):
            return {"value": self._once(value, self.values, self._value)}
        if isinstance(value, Layer):
            return {"layer": self._once(value, self.layers, self._layer)}
        return self._made(value)

    def _made(self, value: Any) -> Plain:
        origin = getattr(value, "origin", None)
        if origin is not None:
            return {"made": origin.maker, "settings": self(dict(origin.settings))}
        if isinstance(value, Struct) and (home := _home(type(value))):
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            return {"made": home, "settings": self(fields)}
        if callable(value) and (home := _home(value)):
            return {"function": home}
        if callable(value):
            return {"own": getattr(value, "__name__", type(value).__name__)}
        raise UnsupportedError(
            f"a value of type {type(value).__name__} cannot be written into a model's file",
            fix="use numbers, texts, containers of them, layers and functions as settings",
            loc=user_location(),
        )

    def _layer(self, layer: Layer) -> Plain:
        config = {name: getattr(layer, name) for name in type(layer).__struct_fields__}
        home = _home(type(layer))
        kind = {"class": home} if home else {"own": type(layer).__name__}
        specs = layer.__dict__.get("built_for")
        built = {} if specs is None else {"built_for": specs_to(self, specs)}
        return {**kind, **built, "config": {name: self(one) for name, one in config.items()}}

    def _value(self, value: Symbolic) -> Plain:
        if value.call is None:
            return {"input": specs_to(self, value.spec), "name": value.name}
        return {"call": self._once(value.call, self.calls, self._call), "index": value.index}

    def _call(self, call: Any) -> Plain:
        return {
            "layer": self(call.layer)["layer"],
            "inputs": self(call.inputs),
            "options": self(call.options),
        }

    def _once(self, thing: Any, table: list[Plain], write: Callable[[Any], Plain]) -> int:
        """The place of a thing in its table; the same thing has one place."""
        if id(thing) not in self._known:
            row = write(thing)
            self._known[id(thing)] = len(table)
            self._kept.append(thing)
            table.append(row)
        return self._known[id(thing)]


class Reader:
    """Turns plain data back into values; `own` has what is the user's, by name."""

    def __init__(self, tables: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        self._tables, self._own = tables, own
        self._made: dict[tuple[str, int], Any] = {}

    def __call__(self, plain: Plain) -> Any:
        """The value that was written."""
        if isinstance(plain, list):
            return [self(one) for one in plain]
        if not isinstance(plain, dict):
            return plain
        readers: dict[str, Callable[[], Any]] = {
            "tuple": lambda: tuple(self(one) for one in plain["tuple"]),
            "dict": lambda: {self(key): self(one) for key, one in plain["dict"]},
            "value": lambda: self._once("values", plain["value"], self._value),
            "layer": lambda: self._once("layers", plain["layer"], self._layer),
            "made": lambda: _public(plain["made"])(**self(plain["settings"])),
            "function": lambda: _public(plain["function"]),
            "own": lambda: self._users(plain["own"]),
        }
        kind = next((name for name in readers if name in plain), None)
        if kind is None:
            raise _unknown(f"{sorted(plain)}")
        return readers[kind]()

    def _layer(self, row: Plain) -> Layer:
        cls = _public(row["class"]) if "class" in row else self._users(row["own"])
        if not (isinstance(cls, type) and issubclass(cls, Layer)):
            raise _unknown(f"the layer {row.get('class') or row.get('own')!r}")
        layer = cls(**{name: self(one) for name, one in row["config"].items()})
        if "built_for" in row:
            layer.__dict__["built_for"] = specs_from(self, row["built_for"])
        return layer

    def _value(self, row: Plain) -> Symbolic:
        if "input" in row:
            return Symbolic(specs_from(self, row["input"]), name=row["name"])
        value: Symbolic = self._once("calls", row["call"], self._call)[row["index"]]
        return value

    def _call(self, row: Plain) -> list[Symbolic]:
        layer = self({"layer": row["layer"]})
        found: list[Symbolic] = flatten(layer(*self(row["inputs"]), **self(row["options"])))[0]
        return found

    def _users(self, name: str) -> Any:
        if name not in self._own:
            raise ArtifactError(
                f"the model has {name!r}, which is the user's own and not in the file",
                fix=f'pass it, as in load_model(path, custom_objects={{"{name}": {name}}})',
                loc=user_location(),
            )
        return self._own[name]

    def _once(self, table: str, at: int, make: Callable[[Plain], Any]) -> Any:
        if (table, at) not in self._made:
            self._made[table, at] = make(self._tables[table][at])
        return self._made[table, at]


def specs_to(write: Writer, specs: Any) -> Plain:
    """Specs in containers; sizes that are open are None."""
    if isinstance(specs, Spec):
        sizes = [size if isinstance(size, int) else None for size in specs.shape]
        return {"sizes": sizes, "dtype": str(specs.dtype)}
    if isinstance(specs, dict):
        return {"dict": [[key, specs_to(write, one)] for key, one in specs.items()]}
    parts = [specs_to(write, one) for one in specs]
    return parts if isinstance(specs, list) else {"tuple": parts}


def specs_from(read: Reader, plain: Plain) -> Any:
    """The specs that were written."""
    if isinstance(plain, list):
        return [specs_from(read, one) for one in plain]
    if "sizes" in plain:
        first, *rest = plain["sizes"]
        return batched(rest, plain["dtype"], first)
    if "dict" in plain:
        return {key: specs_from(read, one) for key, one in plain["dict"]}
    return tuple(specs_from(read, one) for one in plain["tuple"])


def _home(thing: Any) -> str | None:
    """The public name of something of symfuse, such as "nn.Dense"."""
    name = getattr(thing, "__name__", "")
    for home in _HOMES:
        module = importlib.import_module(f"symfuse.{home}")
        if name in module.__all__ and getattr(module, name) is thing:
            return f"{home}.{name}"
    return None


def _public(title: str) -> Any:
    """What has a public name, and nothing else: a file cannot name other code."""
    home, _, name = title.rpartition(".")
    if home not in _HOMES or name not in importlib.import_module(f"symfuse.{home}").__all__:
        raise _unknown(f"{title!r}")
    return getattr(importlib.import_module(f"symfuse.{home}"), name)


def _unknown(what: str) -> ArtifactError:
    return ArtifactError(
        f"the file names {what}, which this symfuse does not know",
        fix="update symfuse, or save the model again with this version",
        loc=user_location(),
    )
