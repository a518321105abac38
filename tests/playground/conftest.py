"""Programs that all tests of the playground share, so that each network is compiled once."""

from __future__ import annotations

import threading

import pytest

from symfuse.playground.programs import Programs
from symfuse.playground.server import Server
from symfuse.playground.session import Session
from symfuse.playground.settings import Settings


@pytest.fixture(scope="session")
def programs():
    return Programs()


@pytest.fixture
def session(programs):
    return Session(Settings(), programs)


@pytest.fixture
def server(session):
    made = Server(session)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    made.close()
    thread.join(10)
    assert not thread.is_alive()
