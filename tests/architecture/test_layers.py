"""Who may import whom: arrows run one way, between layers, folders and modules."""

from __future__ import annotations

import sys
from graphlib import TopologicalSorter

# A layer, and a part of the compiler, may import itself and what stands before it. A part is every
# module below the name; where several fit, the longest does.
OPTIONAL = {("symfuse.runtime.dtypes", "ml_dtypes")}  # for programs of bfloat16 alone
LAYERS = ("runtime", "compiler", "frontend", "examples")
COMPILER_PARTS = (
    "kernel.scalar",  # the instruction table: operations write their bodies in it
    "kernel.numpy_scalars",  # and the evaluator runs them by it
    "kernel.number",  # operators over them, in which mathematical functions are written
    "special",  # the steps of special functions, the same on every target
    "ir",
    "ops",
    "autodiff",
    "rewrite",
    "kernel",
    "passes",
    "sparsity",
    "fingerprint",
    "interpreter",
    "progress",
    "targets",
    "explain",
    "clock",
    "sequence",
    "stages",
    "generate",
    "compile",
)


def test_layers_import_downwards(own_imports):
    found = [
        f"{module.at(found.line)}: {module.layer} imports {target.name}"
        for module, found, target in own_imports
        if LAYERS.index(target.layer) > LAYERS.index(module.layer)
    ]
    assert not found, "\n".join(found)


def test_parts_of_the_compiler_import_downwards(own_imports):
    found = [
        f"{module.at(found.line)}: {module.name} imports {target.name}"
        for module, found, target in own_imports
        if module.layer == target.layer == "compiler"
        if _height(target.name) > _height(module.name)
    ]
    assert not found, "\n".join(found)


def test_every_compiler_module_has_its_part(modules):
    names = [name for name, module in modules.items() if module.layer == "compiler"]
    homeless = [name for name in names if _part(name) is None and name != "symfuse.compiler"]
    assert not homeless, "add them to COMPILER_PARTS, where they belong in the order"


def test_modules_form_no_cycle(modules, own_imports):
    needs = {name: set() for name in modules}
    for module, _, target in own_imports:
        if module is not target:
            needs[module.name].add(target.name)
    TopologicalSorter(needs).prepare()


def test_imports_are_relative_inside_a_layer_and_absolute_across(own_imports):
    found = [
        f"{module.at(found.line)}: import of {target.name}"
        for module, found, target in own_imports
        if found.is_relative != (module.layer == target.layer != "examples")  # they are scripts
    ]
    assert not found, "\n".join(found)


def test_own_modules_are_imported_at_the_top(modules):
    found = [
        f"{module.at(found.line)}: imports {found.target} inside a function"
        for module in modules.values()
        for found in module.imports
        if found.is_late and _top(found.target) == "symfuse"
    ]
    assert not found, "\n".join(found)


def test_imports_of_own_modules_exist(modules):
    found = [
        f"{module.at(found.line)}: {found.target}"
        for module in modules.values()
        for found in module.imports
        if _top(found.target) == "symfuse" and found.target not in modules
    ]
    assert not found, "\n".join(found)


def test_runtime_needs_numpy_and_nothing_else(modules):
    allowed = {"numpy", "symfuse", *sys.stdlib_module_names}
    found = [
        f"{module.at(found.line)}: {found.target}"
        for module in modules.values()
        for found in module.imports
        if module.layer == "runtime"
        and _top(found.target) not in allowed
        and (module.name, found.target) not in OPTIONAL
    ]
    assert not found, "\n".join(found)


def _height(name: str) -> int:
    part = _part(name)
    return len(COMPILER_PARTS) if part is None else COMPILER_PARTS.index(part)


def _part(name: str) -> str | None:
    inner = name.removeprefix("symfuse.compiler").removeprefix(".")
    fitting = [part for part in COMPILER_PARTS if f"{inner}.".startswith(f"{part}.")]
    return max(fitting, key=len, default=None)


def _top(name: str) -> str:
    return name.partition(".")[0]
