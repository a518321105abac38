"""Modules of symfuse.numpy are loaded when one of their functions is first used."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from symfuse import numpy as snp
from symfuse.numpy import names
from symfuse.tracing.dispatch import FUNCTIONS, HOMES

LATER = {**names.LATER, **names.LINALG}


def modules_after(statement):
    program = f"import sys; {statement}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_importing_the_namespace_loads_none_of_them():
    loaded = modules_after("import symfuse.numpy")
    assert not [name for name in LATER if f"symfuse.numpy.{name}" in loaded]
    assert "numpy.random" not in loaded


@pytest.mark.parametrize(
    ("use", "module"),
    [
        ("from symfuse import numpy as snp; snp.polyval([1, 2], 3)", "polynomials"),
        ("import symfuse as sf, numpy as np; sf.trace(np.cov, 'f64[3]')", "statistics"),
        ("import symfuse as sf, numpy as np; sf.trace(np.linalg.inv, 'f64[3,3]')", "systems"),
        ("import symfuse as sf, numpy as np; sf.trace(np.hypot.reduce, 'f64[3]')", "ufunc_methods"),
    ],
)  # fmt: skip
def test_using_a_function_loads_its_module(use, module):
    assert f"symfuse.numpy.{module}" in modules_after(use)


@pytest.mark.parametrize("module", LATER)
def test_each_defines_what_is_said_of_it(module):
    defined = set(import_module(f"symfuse.numpy.{module}").__all__)
    said = {name for table in (names.LATER, names.LINALG) for name in table.get(module, "").split()}
    assert said <= defined
    if module not in names.LINALG:
        assert said == defined


def test_every_function_has_one_home_that_registers_it():
    said = [name for part in names.LATER.values() for name in part.split()]
    assert len(said) == len(set(said))
    eager = [name for topic in snp._LOADED for name in topic.__all__]
    assert not set(said) & set(eager)
    methods = [name for name, home in HOMES.items() if home.endswith("ufunc_methods")]
    assert len(methods) > 40
    assert not [name for name in methods if not callable(FUNCTIONS[name])]


def test_a_home_that_does_not_register_a_function_is_a_key_error(monkeypatch):
    monkeypatch.setitem(HOMES, "nothing_like_it", "symfuse.numpy.names")
    with pytest.raises(KeyError, match="nothing_like_it"):
        FUNCTIONS["nothing_like_it"]


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = snp.nothing_like_it
