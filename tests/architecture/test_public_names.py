"""Every public name exists and explains itself."""

from __future__ import annotations

import inspect
import types

import symfuse


def test_public_names_exist():
    assert not [name for name in _public() if not hasattr(symfuse, name)]


def test_public_names_are_listed_once():
    assert len(set(_public())) == len(_public())


def test_public_names_have_docstrings():
    assert not [name for name in _public() if not _own_docstring(getattr(symfuse, name, None))]


def test_public_functions_are_defined_with_annotations():
    found = [
        name
        for name in _public()
        if isinstance(function := getattr(symfuse, name, None), types.FunctionType)
        if not function.__annotations__
    ]
    assert not found, "\n".join(found)


def test_public_modules_document_their_names():
    undocumented = [
        f"{name}.{inner}"
        for name in _public()
        if isinstance(module := getattr(symfuse, name, None), types.ModuleType)
        for inner in getattr(module, "__all__", ())
        if not _own_docstring(getattr(module, inner, None))
    ]
    assert not undocumented


def _public() -> list[str]:
    return list(getattr(symfuse, "__all__", ()))


def _own_docstring(value: object) -> str | None:
    """What is written on the object; of a plain constant, what its type says."""
    if isinstance(value, type | types.ModuleType) or callable(value):
        return getattr(value, "__doc__", None)
    return inspect.getdoc(value)
