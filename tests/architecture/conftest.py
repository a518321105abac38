"""The source files of the layers and the examples, parsed once, with the imports of each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "runtime": "symfuse.runtime",
    "compiler": "symfuse.compiler",
    "frontend": "symfuse",
    "examples": "symfuse.examples",
}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: the module it is taken from, and how the import is written."""

    target: str
    line: int
    is_relative: bool
    is_late: bool


@dataclass(frozen=True, slots=True)
class Module:
    """One source file under its import name."""

    name: str
    layer: str
    path: Path
    tree: ast.Module
    imports: tuple[Import, ...]

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def modules() -> dict[str, Module]:
    """All modules of the package by import name."""
    files = {
        _name(layer, path): (layer, path)
        for layer in FOLDERS
        for path in sorted((ROOT / layer).rglob("*.py"))
    }
    return {name: _parse(name, layer, path, set(files)) for name, (layer, path) in files.items()}


@pytest.fixture(scope="session")
def own_imports(modules) -> list[tuple[Module, Import, Module]]:
    """Every import of one of our modules by another: who, how, whom."""
    return [
        (module, found, modules[found.target])
        for module in modules.values()
        for found in module.imports
        if found.target in modules
    ]


def _name(layer: str, path: Path) -> str:
    parts = path.relative_to(ROOT / layer).with_suffix("").parts
    return ".".join([FOLDERS[layer], *(part for part in parts if part != "__init__")])


def _parse(name: str, layer: str, path: Path, names: set[str]) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return Module(name, layer, path, tree, tuple(dict.fromkeys(_imports(tree, package, names))))


def _imports(tree: ast.Module, package: str, names: set[str]) -> Iterator[Import]:
    late = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, False, node in late)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                target = inner if inner in names else base
                yield Import(target, node.lineno, node.level > 0, node in late)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])
