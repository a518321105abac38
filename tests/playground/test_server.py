"""The server: what it answers, what it refuses, and that closing ends everything."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from symfuse.playground.server import MOST_BYTES, Server
from symfuse.playground.session import Session
from symfuse.playground.settings import Settings

JSON = {"Content-Type": "application/json"}


def ask(server, method, path, body=None, headers=None):
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def post(server, path, value, **headers):
    status, _, body = ask(server, "POST", path, json.dumps(value), {**JSON, **headers})
    return status, json.loads(body)


@contextmanager
def stream(server):
    """Events as (kind, data) of an open page."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", "/events")
    reply = connection.getresponse()
    assert reply.getheader("Content-Type") == "text/event-stream"
    try:
        yield _events(reply)
    finally:
        reply.close()
        connection.close()


def _events(reply):
    kind = ""
    while line := reply.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


def until(events, wanted, holds=lambda data: True):
    return next(data for kind, data in events if kind == wanted and holds(data))


def eventually(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_page_is_served_whole_and_guarded(server):
    status, headers, body = ask(server, "GET", "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert b"default-src 'none'" in body
    assert b"new EventSource" in body


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/page/main.js", "/?x=1", "/settings"])
def test_there_are_no_other_pages(server, path):
    assert ask(server, "GET", path)[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil:80", ""]
)
def test_another_host_name_is_refused(server, host):
    for method, path in (("GET", "/"), ("GET", "/events"), ("POST", "/action")):
        assert ask(server, method, path, None, {"Host": host})[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", ""])
def test_another_origin_is_refused(server, origin):
    status, said = post(server, "/action", {"action": "play"}, Origin=origin)
    assert (status, said["what"]) == (403, "this request comes from another site")
    assert not server.worker.is_playing
    assert ask(server, "GET", "/events", None, {"Origin": origin})[0] == 403


def test_requests_that_a_browser_marks_as_foreign_are_refused(server):
    assert ask(server, "GET", "/events", None, {"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert ask(server, "GET", "/", None, {"Sec-Fetch-Site": "cross-site"})[0] == 200, "a link to it"


def test_its_own_origin_is_accepted_by_both_names(server):
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{server.server_port}"
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert post(server, "/action", {"action": "reset"}, **headers)[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_is_not_json_is_refused(server, kind):
    assert ask(server, "POST", "/action", '{"action":"play"}', {"Content-Type": kind})[0] == 415


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "not understood"),
        ("{", "not understood"),
        ("[]", "not understood"),
        ('{"noise": NaN}', "not understood"),
        ("[" * 10_000, "not understood"),
        ('{"noise": [' + "[" * 10_000, "not understood"),
        ('{"noise": 7}', "noise"),
        ('{"learning_rate": 1e999}', "not understood"),
        ('{"features": []}', "no feature is selected"),
        ('{"unknown": 1}', "unknown"),
    ],
)
def test_settings_that_are_wrong_are_refused_with_a_reason(server, body, expected):
    status, _, said = ask(server, "POST", "/settings", body, JSON)
    assert status == 400
    assert expected in json.loads(said)["what"]


def test_an_oversized_body_is_refused_unread(server):
    with socket.create_connection(("127.0.0.1", server.server_port), 20) as raw:
        head = f"POST /settings HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
        raw.sendall(f"{head}Content-Type: application/json\r\n".encode())
        raw.sendall(f"Content-Length: {MOST_BYTES + 1}\r\n\r\n".encode())
        assert b" 413 " in raw.recv(4096).splitlines()[0]


@pytest.mark.parametrize("length", ["-1", "1e3", "", "٣", "9" * 40])
def test_a_wrong_length_is_refused(server, length):
    with socket.create_connection(("127.0.0.1", server.server_port), 20) as raw:
        head = f"POST /settings HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
        body = f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        raw.sendall(body.encode())
        assert raw.recv(4096).split()[1] in (b"411", b"413")


def test_a_page_is_told_everything_when_it_opens(server):
    with stream(server) as events:
        kinds = [next(events) for _ in range(3)]
    assert [kind for kind, _ in kinds] == ["state", "frame", "live"]
    state, frame, live = (data for _, data in kinds)
    assert state["settings"]["data"] == "circle"
    assert state["program"]["kernels"]
    assert frame["epoch"] == 0
    assert live["playing"] is False


def test_play_pause_step_and_reset(server):
    with stream(server) as events:
        assert post(server, "/action", {"action": "play"})[0] == 200
        until(events, "frame", lambda frame: frame["epoch"] >= 3)
        post(server, "/action", {"action": "pause"})
        until(events, "live", lambda live: not live["playing"])
        post(server, "/action", {"action": "reset"})
        assert until(events, "frame", lambda frame: frame["step"] == 0)["epoch"] == 0
        post(server, "/action", {"action": "step"})
        until(events, "frame", lambda frame: frame["step"] == 1)


def test_an_unknown_action_is_refused_with_those_that_there_are(server):
    status, said = post(server, "/action", {"action": "quit"})
    assert (status, "play" in said["fix"]) == (400, True)
    assert post(server, "/action", {"action": "play", "more": 1})[0] == 400


def test_changed_settings_reach_every_page(server):
    with stream(server) as one, stream(server) as other:
        assert post(server, "/settings", {"data": "moons", "noise": 0.2})[0] == 200
        for events in (one, other):
            state = until(events, "state", lambda s: s["settings"]["data"] == "moons")
            assert state["settings"]["noise"] == 0.2


def test_training_stops_when_the_last_page_is_closed(server):
    with stream(server) as events:
        post(server, "/action", {"action": "play"})
        until(events, "frame", lambda frame: frame["epoch"] >= 1)
        assert server.worker.is_playing
    eventually(lambda: not server.worker.is_playing)
    eventually(lambda: server.worker.watchers == 0)


def test_nothing_plays_without_a_page(server):
    post(server, "/action", {"action": "play"})
    assert not server.worker.is_playing


def test_a_diverged_loss_is_told_and_stops(server):
    wrong = {"data": "plane", "layers": [4], "activation": "linear", "optimizer": "SGD"}
    with stream(server) as events:
        post(server, "/settings", {**wrong, "learning_rate": 10.0})
        post(server, "/action", {"action": "play"})
        live = until(events, "live", lambda live: live["trouble"] is not None)
        assert "the loss is" in live["trouble"]["what"]
        assert live["playing"] is False
        post(server, "/settings", {"learning_rate": 0.01})
        assert until(events, "live", lambda live: live["trouble"] is None)


def test_a_port_that_is_taken_is_an_error(server):
    with pytest.raises(OSError, match="in use"):
        Server(Session(Settings(), server.worker._session.programs), server.server_port)


def test_closing_ends_open_streams(programs):
    server = Server(Session(Settings(), programs))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    with stream(server) as events:
        post(server, "/action", {"action": "play"})
        until(events, "frame")
        server.shutdown()
        server.close()
        assert list(events) is not None, "the stream comes to its end"
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.server_port), 1)


def test_weights_are_set_and_every_page_is_told(server):
    with stream(server) as one, stream(server) as other:
        number = {"layer": 0, "neuron": 1, "source": 0, "value": 2.5}
        assert post(server, "/weights", number) == (200, {})
        for events in (one, other):
            until(events, "frame", lambda frame: frame["weights"][0][0][1] == 2.5)


@pytest.mark.parametrize(
    "number",
    [
        {"layer": 0, "neuron": 1},
        {"layer": 0, "neuron": 1, "value": "much"},
        {"layer": 0, "neuron": 1, "value": 1e9},
        {"layer": -1, "neuron": 0, "value": 1.0},
        {"layer": 0, "neuron": 0, "source": 50, "value": 1.0},
        {"layer": 0, "neuron": 0, "value": 1.0, "more": 1},
        [1, 2, 3],
    ],
)
def test_weights_that_make_no_sense_are_refused(server, number):
    status, found = post(server, "/weights", number)
    assert status == 400 and found["what"]
