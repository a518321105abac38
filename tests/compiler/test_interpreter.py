"""Settings of the interpreter are what they were when the last who changed them is done."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

import symfuse as sf
from symfuse.compiler.interpreter import TURN, quick_turns, without_collection


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    was, interval = gc.isenabled(), sys.getswitchinterval()
    yield
    assert (gc.isenabled(), sys.getswitchinterval()) == (was, interval)


def test_collection_rests_until_the_last_block_ends() -> None:
    with without_collection():
        assert not gc.isenabled()
        with without_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_rests_already_stays_at_rest() -> None:
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_errors_end_the_rest() -> None:
    with pytest.raises(sf.TraceError), without_collection(), quick_turns():
        raise sf.TraceError("no")
    assert gc.isenabled()


def test_turns_are_quick_in_the_block() -> None:
    before = sys.getswitchinterval()
    with quick_turns(), quick_turns():
        assert sys.getswitchinterval() == pytest.approx(min(TURN, before))
    assert sys.getswitchinterval() == before


def test_compiling_leaves_the_interpreter_as_it_was() -> None:
    sf.compile(lambda x: x + 1, "f32[3]")
    with pytest.raises(sf.SymfuseError):
        sf.compile(lambda x: x + x[:2], "f32[3]")


def test_what_is_made_meanwhile_is_old_at_once() -> None:
    with without_collection():
        made = [[] for _ in range(5000)]
    young = {id(x) for x in gc.get_objects(generation=0)}
    assert not young & {id(x) for x in made}
    assert gc.get_freeze_count() == 0


def test_what_somebody_has_frozen_stays_so() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with without_collection():
            assert gc.get_freeze_count() == frozen
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()
