"""The web server of the page: on this machine only, and only for pages that it has served."""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from msgspec import Struct

from symfuse.runtime.errors import SymfuseError

from .page import page
from .session import Number, Session
from .settings import SettingsError
from .worker import Trouble, Worker

__all__ = ["Server"]

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
MOST_BYTES = 16_384  # of a request's body
MOST_WATCHERS = 16
PATIENCE = 1.0  # seconds without news after which a page is asked whether it is still there
SOCKET_SECONDS = 10.0


class Refused(Exception):
    """A request that is not answered, with its status and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Action(Struct, frozen=True, forbid_unknown_fields=True):
    """What a button asks for."""

    action: str


class Server(ThreadingHTTPServer):
    """Serves one session at `url` until it is closed; port 0 takes a free one."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.worker, self.text = Worker(session), page()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def is_own(self, host: str) -> bool:
        """Whether a name with port, as in the header Host, is that of this server."""
        return host in {f"{name}:{self.server_port}" for name in NAMES}

    def close(self) -> None:
        """Stop training, end all streams, free the port."""
        self.worker.close()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that goes away in the middle of an answer is nothing to report."""
        if not (self.worker.is_closed or isinstance(sys.exception(), OSError)):
            super().handle_error(request, client_address)


def _actions(worker: Worker) -> dict[str, Callable[[], None]]:
    return {
        "play": worker.play,
        "pause": lambda: worker.play(False),
        "step": worker.step,
        "reset": lambda: worker.do(Session.reset),
    }


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_SECONDS

    def do_GET(self) -> None:
        self._answer({"/": self._page, "/events": self._events})

    def do_POST(self) -> None:
        self._answer(
            {"/settings": self._settings, "/action": self._action, "/weights": self._weights}
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def version_string(self) -> str:
        return "symfuse"

    def _answer(self, routes: dict[str, Callable[[], None]]) -> None:
        try:
            self._expect_own()
            if self.path not in routes:
                raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
            routes[self.path]()
        except Refused as error:
            self._send_trouble(error.status, Trouble(str(error), "open the page of the playground"))
        except SymfuseError as error:
            self._send_trouble(HTTPStatus.BAD_REQUEST, Trouble.of(error))

    def _expect_own(self) -> None:
        """Refuse what another site has a browser send, by another name of this machine or not."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        is_own = self.server.is_own(host) and origin in (None, f"http://{host}")
        site = self.headers.get("Sec-Fetch-Site", "none")
        if not is_own or (self.path != "/" and site not in ("none", "same-origin")):
            raise Refused(HTTPStatus.FORBIDDEN, "this request comes from another site")

    def _page(self) -> None:
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.text.encode())

    def _events(self) -> None:
        """Server-sent events for as long as the page is open."""
        if self.server.worker.watchers >= MOST_WATCHERS:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open")
        self.close_connection = True
        with self.server.worker.watched() as feed:
            self._send_head(HTTPStatus.OK, "text/event-stream")
            for events in feed.events(PATIENCE):
                parts = (b"event: %s\ndata: %s\n\n" % (k.encode(), e) for k, e in events.items())
                self.wfile.write(b"".join(parts) or b": is the page still there?\n\n")

    def _settings(self) -> None:
        given = self._json(dict[str, Any])
        taken = self.server.worker.do(lambda session: session.change(given))
        self._send(HTTPStatus.OK, "application/json", msgspec.json.encode(taken))

    def _weights(self) -> None:
        number = self._json(Number)
        self.server.worker.do(lambda session: session.set(number))
        self._send(HTTPStatus.OK, "application/json", b"{}")

    def _action(self) -> None:
        asked = self._json(Action)
        actions = _actions(self.server.worker)
        if asked.action not in actions:
            raise SettingsError("there is no such action", fix=f"send one of {', '.join(actions)}")
        actions[asked.action]()
        self._send(HTTPStatus.OK, "application/json", b"{}")

    def _json(self, kind: type[Any]) -> Any:
        """The body, which must be a small JSON document of this kind."""
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be JSON")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "the length of the body is missing")
        if len(length) > 9 or int(length) > MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
        try:
            return msgspec.json.decode(self.rfile.read(int(length)), type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise SettingsError(f"the request is not understood: {error}") from None

    def _send_trouble(self, status: HTTPStatus, trouble: Trouble) -> None:
        self.close_connection = True  # what is left of the request is not read
        self._send(status, "application/json", msgspec.json.encode(trouble))

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._send_head(status, kind, len(body))
        self.wfile.write(body)

    def _send_head(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
