"""The page as one text: style, scripts and first facts are inside, and nothing else is loaded."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np

from .data import DATA_SETS, LIMIT, square
from .network import FEATURES
from .programs import SIZE
from .session import dots, levels_text
from .settings import DataName, Feature, schema

__all__ = ["page"]

_SHOWN = 90
_FOLDER = files(__package__) / "page"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |const |class )", re.MULTILINE)
_STYLE, _SCRIPT = (
    re.compile(r"<style>(.*?)</style>", re.S),
    re.compile(r"<script>(.*?)</script>", re.S),
)


def page(recordings: str = "") -> str:
    """The whole page; with recordings, deflated JSON in base64, it needs no server."""
    parts = {
        "@style@": _asset("style.css"),
        "@scripts@": _bundled("main"),
        "@facts@": _harmless(msgspec.json.encode(_facts()).decode()),
        "@recordings@": recordings,
    }
    text = _asset("index.html")
    for place, part in parts.items():
        text = text.replace(place, part)
    connect = "'none'" if recordings else "'self'"
    return text.replace("@policy@", _policy(text, connect))


def _facts() -> dict[str, Any]:
    """What a page needs to know at once: fields, problems, features as pictures, the square."""
    return {
        "fields": schema(),
        "problems": {name: data.problem for name, data in DATA_SETS.items()},
        "features": {name: levels_text(_picture(name)) for name in FEATURES},
        "samples": {name: _sample(name) for name in DATA_SETS},
        "limit": LIMIT,
        "size": SIZE,
    }


def _policy(text: str, connect: str) -> str:
    """A content security policy that allows the page its own style and script, by hash."""
    styles, scripts = (
        " ".join(f"'{_hash(part)}'" for part in pattern.findall(text))
        for pattern in (_STYLE, _SCRIPT)
    )
    return (
        f"default-src 'none'; style-src {styles}; script-src {scripts}; connect-src {connect}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _picture(feature: Feature) -> Any:
    """A feature over the square, its largest value as 127."""
    x1, x2 = square(SIZE // 2).T
    values = FEATURES[feature](x1, x2)
    return np.round(127 * values / np.abs(values).max()).astype(np.int8)


def _sample(name: DataName) -> list[Any]:
    """Some points of a data set, to recognise it by."""
    x, y = DATA_SETS[name].draw(_SHOWN, 0.05, 1)
    return dots(x, y, DATA_SETS[name].problem)


def _bundled(module: str) -> str:
    """A module and those that it imports as one script, each behind what it needs."""
    ordered: list[str] = []
    _visit(module, ordered)
    parts = (_IMPORT.sub("", _asset(f"{name}.js")) for name in ordered)
    return '"use strict";\n{\n' + "\n".join(_EXPORT.sub("", part) for part in parts) + "}\n"


def _visit(module: str, ordered: list[str]) -> None:
    for needed in _IMPORT.findall(_asset(f"{module}.js")):
        if needed not in ordered:
            _visit(needed, ordered)
    ordered.append(module)


def _asset(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _harmless(text: str) -> str:
    """JSON inside of a script element must not end it."""
    return text.replace("<", "\\u003c")
