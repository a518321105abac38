"""Masks that go with values from layer to layer: which steps of each sequence count."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from ..tracing.tree import flatten
from ..warn import warn

__all__ = ["Masks", "every"]

Array = Any


class Masks:
    """The masks of the values of one computation.

    A layer whose `call` has an argument `mask`, or `key_mask` beside `key`, is given the mask of
    its first input, or of `key`. What its results have is up to `compute_mask`.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Array, Array]] = {}  # with the values: their ids stay theirs

    def of(self, value: Any) -> Any:
        """The mask of a value, or a list of those of several; None where there is none."""
        if isinstance(value, list | tuple):
            found = [self.of(one) for one in value]
            return found if any(one is not None for one in found) else None
        return self._known[id(value)][1] if id(value) in self._known else None

    def put(self, value: Array, mask: Array) -> None:
        """Let a value have a mask."""
        if mask is not None:
            self._known[id(value)] = (value, mask)

    def follow(self, old: Any, new: Any) -> Any:
        """The new tree, whose values have the masks of those that they were made from."""
        if self._known:
            for before, after in zip(flatten(old)[0], flatten(new)[0], strict=True):
                self.put(after, self.of(before))
        return new

    def taken(
        self, layer: Any, inputs: tuple[Any, ...], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The options of a call, with the masks of its inputs where the layer asks for them."""
        found = dict(options)
        if not self._known:
            return found
        asked = _asked(layer.__class__)
        for name, value in [*zip(asked.inputs, inputs, strict=False), *options.items()]:
            wanted = asked.masks.get(name)
            if wanted is not None and found.get(wanted) is None:
                found[wanted] = self.of(value)
        return {name: value for name, value in found.items() if value is not None}

    def given(
        self, layer: Any, inputs: tuple[Any, ...], options: Mapping[str, Any], result: Any
    ) -> None:
        """Let what a layer gave have the mask that the layer says; models have left it to theirs.

        Where a mask ends at a layer that knows nothing of masks, there is a UserWarning.
        """
        if layer.is_model or not inputs:
            return
        mask = options.get("mask", self.of(inputs[0]))
        new = layer.compute_mask(inputs[0], mask)
        if new is not None:
            news = new if isinstance(new, list | tuple) else [new]
            for value, own in zip(flatten(result)[0], news, strict=False):
                self.put(value, own)
        elif mask is not None and not (layer.supports_masking or _asked(layer.__class__).masks):
            warn(
                f"{layer.name or type(layer).__name__} is given values with a mask, knows nothing"
                " of masks, and what follows will not see it; set supports_masking = True in its"
                " class if the steps stay what they are"
            )


def every(masks: Any) -> Any:
    """Where all of several masks are true, if all values have one."""
    if not masks or any(one is None for one in masks):
        return None
    first, *others = masks
    for one in others:
        first = first & one
    return first


class _Asked(NamedTuple):
    """The names of the inputs of a layer's `call`, and the argument that takes the mask of each."""

    inputs: list[str]
    masks: dict[str, str]


@cache
def _asked(kind: Any) -> _Asked:
    names = list(inspect.signature(kind.call).parameters)[2:]
    masks = {name: f"{name}_mask" for name in names if f"{name}_mask" in names}
    return _Asked(names, {names[0]: "mask", **masks} if "mask" in names else masks)
