"""Options: read from the environment once, overridden in a scope, strict about what they take."""

from __future__ import annotations

import threading

import pytest

from symfuse.runtime import options
from symfuse.runtime.errors import OptionError


@pytest.fixture(autouse=True)
def _unset(environment):
    environment(OMP_NUM_THREADS=None, **{row.variable: None for row in options.OPTIONS.values()})


def test_defaults_hold_when_nothing_is_set():
    assert all(setting.value == setting.option.default for setting in options.describe())
    assert {setting.source for setting in options.describe()} == {"default"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("debug", "3", 3),
        ("log", "fusion, cache", ("fusion", "cache")),
        ("cache", "0", False),
        ("cache", "True", True),
        ("num_threads", "2", 2),
        ("target", "cuda", "cuda"),
        ("dump", "/out", "/out"),
    ],
)
def test_the_environment_sets_a_value(environment, name, text, value):
    environment(**{options.OPTIONS[name].variable: text})
    assert options.get(name) == value


def test_an_empty_variable_counts_as_unset(environment):
    environment(SYMFUSE_DEBUG="", SYMFUSE_NUM_THREADS=" ", OMP_NUM_THREADS="3,1")
    assert options.get("debug") == 0
    assert options.get("num_threads") == 3


def test_the_own_variable_stands_before_the_one_of_openmp(environment):
    environment(SYMFUSE_NUM_THREADS="2", OMP_NUM_THREADS="4")
    by_name = {setting.option.name: setting for setting in options.describe()}
    assert by_name["num_threads"].value == 2
    assert by_name["num_threads"].source == "SYMFUSE_NUM_THREADS"


def test_the_environment_is_read_once(environment, monkeypatch):
    environment(SYMFUSE_DEBUG="1")
    assert options.get("debug") == 1
    monkeypatch.setenv("SYMFUSE_DEBUG", "2")
    assert options.get("debug") == 1
    options.reload()
    assert options.get("debug") == 2


def test_using_nests_and_ends():
    with options.using(debug=1, log=("memory",)):
        with options.using(debug=2):
            assert (options.get("debug"), options.get("log")) == (2, ("memory",))
        assert options.get("debug") == 1
        assert {s.source for s in options.describe()} == {"default", "using"}
    assert options.get("debug") == 0


def test_using_takes_none_only_where_that_is_the_default():
    with options.using(num_threads=2), options.using(num_threads=None):
        assert options.get("num_threads") is None
    with pytest.raises(OptionError, match="debug=None"), options.using(debug=None):
        pass


def test_using_does_not_reach_other_threads():
    seen = []
    with options.using(debug=5):
        thread = threading.Thread(target=lambda: seen.append(options.get("debug")))
        thread.start()
        thread.join()
    assert seen == [0]


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("SYMFUSE_DEBUG", "6", "0 to 5"),
        ("SYMFUSE_CACHE", "off", "0 or 1"),
        ("SYMFUSE_TARGET", "gpu", "cpu or cuda or interpret"),
        ("SYMFUSE_LOG", "fusion,all", "passes, fusion, recompiles, cache, memory"),
        ("SYMFUSE_NUM_THREADS", "0", "a whole number from 1"),
        ("OMP_NUM_THREADS", "many", "a whole number from 1"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(environment, variable, text, allowed):
    environment(**{variable: text})
    for _ in range(2):  # the second time as well: a failed reading leaves nothing half read
        with pytest.raises(OptionError) as caught:
            options.get("debug")
        assert f"{variable}={text}" in str(caught.value)
        assert allowed in str(caught.value)


def test_a_misspelt_variable_warns_once_with_the_nearest_name(environment):
    environment(SYMFUSE_NUM_THREAD="2")
    with pytest.warns(UserWarning, match="SYMFUSE_NUM_THREAD: use SYMFUSE_NUM_THREADS") as caught:
        options.get("debug")
    options.get("debug")
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_misspelt_name_in_the_program_is_an_error():
    with pytest.raises(OptionError, match="use debug"):
        options.get("debugg")
    with pytest.raises(OptionError, match="use numerics"), options.using(numeric="fast"):
        pass


def test_every_row_has_a_sentence():
    for row in options.OPTIONS.values():
        assert row.doc.endswith(".")
        assert row.allowed
