"""Channels speak on stderr by SYMFUSE_LOG, or through the program's own logging; never twice."""

from __future__ import annotations

import logging

from symfuse.runtime import options
from symfuse.runtime.log import is_wanted, log


def test_silence_is_the_default(capsys):
    log("fusion", "%d kernels", 3)
    assert not is_wanted("fusion")
    assert capsys.readouterr() == ("", "")


def test_a_listed_channel_writes_to_stderr(capsys):
    with options.using(log=("fusion",)):
        log("fusion", "%d kernels", 3)
        log("memory", "not listed")
        assert is_wanted("fusion")
        assert not is_wanted("memory")
    assert capsys.readouterr() == ("", "symfuse.fusion: 3 kernels\n")


def test_a_channel_that_the_program_listens_to_goes_there_alone(caplog, capsys):
    with options.using(log=("cache",)), caplog.at_level(logging.INFO, logger="symfuse.cache"):
        log("cache", "hit %s", "ab12")
    assert [record.getMessage() for record in caplog.records] == ["hit ab12"]
    assert capsys.readouterr().err == ""
