"""What a terminal shows of a long compilation, and that nothing else shows anything."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest

import symfuse as sf
from symfuse.compiler import progress
from symfuse.runtime import options


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes stderr a terminal; to be called in the test, because pytest replaces stderr before."""

    def make(patience):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", found := Terminal())
        monkeypatch.setattr(progress, "PATIENCE", patience)
        return found

    return make


def until(screen, text):
    """Wait for the text, which another thread writes."""
    for _ in range(500):
        if text in screen.getvalue():
            return True
        time.sleep(0.01)
    return False


def test_a_long_compilation_shows_its_stage_and_how_much_is_done(terminal):
    screen = terminal(0.0)
    with progress.shown("train_step"):
        progress.at("generate")
        assert until(screen, "compiling train_step: generate")
        progress.count("kernels", 3, 12)
        assert until(screen, "kernels 3 of 12")
    assert screen.getvalue().endswith("\x1b[2K")  # the line is gone


def test_what_takes_no_time_shows_nothing(terminal):
    screen = terminal(60.0)
    before = threading.active_count()
    with progress.shown("quick"):
        progress.at("generate")
    assert screen.getvalue() == ""
    assert threading.active_count() <= before + 1


def test_without_a_terminal_no_thread_waits(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    before = threading.active_count()
    with progress.shown("quiet"):
        progress.at("generate")
        assert threading.active_count() == before


def test_compiling_tells_every_stage(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(progress, "at", told.append)
    with options.using(cache_dir=tmp_path):
        sf.compile(lambda x: x + 1, "f32[3]")
    assert told == ["look up", "simplify", "group", "lower", "plan", "emit", "generate"]
