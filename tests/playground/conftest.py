"""Programs that all tests of the playground share, so that each network is compiled once."""

from __future__ import annotations

import pytest

from symfuse.playground.programs import Programs
from symfuse.playground.session import Session
from symfuse.playground.settings import Settings


@pytest.fixture(scope="session")
def programs():
    return Programs()


@pytest.fixture
def session(programs):
    return Session(Settings(), programs)
