"""Plain data as values of declared types: made of JSON again, or refused at their place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from symfuse.runtime.convert import converted, plain
from symfuse.runtime.dtypes import DType


class Point(NamedTuple):
    x: int
    y: float = 0.5


@dataclass(frozen=True)
class Path:
    points: tuple[Point, ...]
    inner: tuple[Path | Mark | int, ...] = ()


@dataclass(frozen=True)
class Mark:
    at: tuple[int, bool]
    names: Mapping[str, DType | None]
    more: Any = None


KINDS = {Path: "path", Mark: "mark"}
PATH = Path((Point(1), Point(2, 3)), (Mark((1, True), {"a": DType.F32, "b": None}), 4, Path(())))


def test_records_are_the_same_after_a_way_through_json() -> None:
    assert converted(json.loads(json.dumps(plain(PATH, KINDS))), Path, KINDS) == PATH


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (("points",), "x", "points is 'x', where a list belongs"),
        (("points", 1, "x"), 2.0, "points[1].x is 2.0, where a whole number belongs"),
        (("points", 1, "x"), True, "points[1].x is True, where a whole number belongs"),
        (("points", 0), {}, "points[0] has no 'x'"),
        (("points", 0, "z"), 1, "points[0] has 'z', which nothing is known of"),
        (("inner", 0, "at"), [1], "inner[0].at has 1 elements in place of 2"),
        (("inner", 0, "names", "a"), "f3", "inner[0].names.a is 'f3', where the name of a DType"),
        (("inner", 0, "kind"), "line", "where an object or a whole number belongs"),
        (("inner", 1), None, "inner[1] is None, where an object or a whole number belongs"),
        (("kind",), "mark", "it is no kind 'path'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_at_its_place(way: Any, value: Any, message: str) -> None:
    facts = json.loads(json.dumps(plain(PATH, KINDS)))
    holder = facts
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = value
    with pytest.raises(ValueError, match=re.escape(message)):
        converted(facts, Path, KINDS)
