"""What is installed is what lies in the folders, and importing it costs little."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

HEAVY = ("jax", "llvmlite", "networkx", "scipy", "sklearn", "sympy", "torch")


@pytest.fixture(scope="module")
def setuptools_table(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_packages_are_the_folders(modules, setuptools_table):
    packages = {name for name, module in modules.items() if module.path.name == "__init__.py"}
    assert set(setuptools_table["packages"]) == packages


def test_every_folder_with_modules_is_a_package(modules):
    folders = {module.path.parent for module in modules.values()}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_no_folder_of_frontend_hides_a_layer(root):
    assert not [name for name in ("compiler", "runtime") if (root / "frontend" / name).exists()]


@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        ("import symfuse", HEAVY),
        ("import symfuse.runtime.options", (*HEAVY, "optree", "rich")),
    ],
)
def test_import_stays_light(statement, banned):
    program = f"import sys; {statement}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert "symfuse" in loaded
    assert not loaded & set(banned)
