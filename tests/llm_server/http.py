"""The HTTP part: a server on loopback with connections that stay open and faults on request."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias, cast

from llm_server.api import Api, Outgoing
from llm_server.faults import Fault, Problem, problem_of, read_fault
from llm_server.minds import Mind
from llm_server.seen import Dressed, Seen
from llm_server.styles import Style, dress


@dataclass
class Received:
    """A chat that was posted."""

    number: int
    headers: dict[str, str]
    body: dict[str, Any]
    started: float
    """By the monotonic clock."""
    seconds: float | None = None
    """Until it was answered; None: it was not yet."""
    seen: Seen | None = field(default=None, repr=False)
    """None: it was refused, or cannot be read."""


Script: TypeAlias = Sequence[str | None] | Callable[[Received], str | None]


@dataclass
class Behaviour:
    mind: Mind
    style: Style
    delay: float
    script: Script
    key: str | None


class Server:
    """Serves until it leaves its `with` block; made by `serve`."""

    def __init__(self, api: Api, behaviour: Behaviour, port: int = 0) -> None:
        self.api, self.behaviour = api, behaviour
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._paths: list[str] = []
        self._busy = self._most_busy = 0
        self.stopping = threading.Event()
        self._http = _Http(("127.0.0.1", port), self)
        self.port = int(self._http.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}{api.prefix}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End at once; clients that still wait see their connection closed."""
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.drop_all()
        self._thread.join()

    @property
    def requests(self) -> list[Received]:
        """The chats posted so far, those that were refused or failed included."""
        with self._lock:
            return list(self._received)

    @property
    def n_calls(self) -> int:
        return len(self.requests)

    @property
    def paths(self) -> list[str]:
        """`METHOD path` of everything that was asked for, in order."""
        with self._lock:
            return list(self._paths)

    def stats(self) -> dict[str, Any]:
        """Calls, the most at a time, and when each began and how long it took."""
        received = self.requests
        first = min((r.started for r in received), default=0.0)
        return {
            "n_calls": len(received),
            "max_concurrency": self._most_busy,
            "requests": [
                {"started": round(r.started - first, 4), "seconds": r.seconds} for r in received
            ],
        }

    def note(self, path: str) -> None:
        with self._lock:
            self._paths.append(path)

    def answer(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[Outgoing, Fault]:
        """Have the mind answer a chat, or a fault instead of it."""
        with self._lock:
            received = Received(len(self._received), headers, body, time.monotonic())
            self._received.append(received)
            self._busy += 1
            self._most_busy = max(self._most_busy, self._busy)
        try:
            return self._answer(received)
        finally:
            with self._lock:
                self._busy -= 1
            received.seconds = round(time.monotonic() - received.started, 4)

    def _answer(self, received: Received) -> tuple[Outgoing, Fault]:
        behaviour = self.behaviour
        key = received.headers.get("authorization", "").removeprefix("Bearer ")
        fault = self._fault(received)
        if fault.name == "stall":
            self.stopping.wait(fault.seconds)
        problem = problem_of(fault, key, str(received.body.get("model")))
        try:
            if problem is not None:
                raise problem
            if behaviour.key is not None and key != behaviour.key:
                raise Problem(401, f"Incorrect API key provided: {key}.", "invalid_api_key")
            seen = received.seen = self.api.read(received.body, key, received.number)
            self.stopping.wait(behaviour.delay)
            dressed = dress(seen, behaviour.mind(seen), behaviour.style)
            return self._outgoing(seen, dressed), fault
        except Problem as refused:
            return self.api.problem(refused), fault

    def _outgoing(self, seen: Seen, dressed: Dressed) -> Outgoing:
        if dressed.page is not None:
            return Outgoing([dressed.page.encode()], kind="text/html; charset=utf-8")
        return self.api.reply(seen, dressed)

    def _fault(self, received: Received) -> Fault:
        script = self.behaviour.script
        if callable(script):
            return read_fault(script(received))
        return read_fault(script[received.number] if received.number < len(script) else None)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: Server) -> None:
        super().__init__(address, _Handler)
        self.owner = owner
        self.open: set[socket.socket] = set()
        self.torn: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        if request in self.torn:
            # A proper goodbye before it would make the reset an ordinary end.
            self.torn.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may leave when they like; what is wrong with the server itself is shown."""
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def drop_all(self) -> None:
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    @property
    def _owner(self) -> Server:
        return cast(_Http, self.server).owner

    def log_message(self, format: str, *args: Any) -> None:
        """Tests keep quiet."""

    def do_GET(self) -> None:  # noqa: N802
        self._owner.note(f"GET {self.path}")
        if self.path == "/_stats":
            self._send(Outgoing([json.dumps(self._owner.stats()).encode()]))
        else:
            self._other({})

    def do_POST(self) -> None:  # noqa: N802
        self._owner.note(f"POST {self.path}")
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            problem = Problem(400, "We could not parse the JSON body of your request.")
            return self._send(self._owner.api.problem(problem))
        if self.path != self._owner.api.chat:
            return self._other(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        outgoing, fault = self._owner.answer(headers, body)
        return self._send(outgoing, fault)

    def _other(self, body: dict[str, Any]) -> None:
        found = self._owner.api.get(self.path, body)
        problem = Problem(404, f"Invalid URL ({self.command} {self.path})")
        self._send(found or self._owner.api.problem(problem))

    def _send(self, outgoing: Outgoing, fault: Fault = Fault()) -> None:  # noqa: B008
        if fault.name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            cast(_Http, self.server).torn.add(self.connection)
            self.close_connection = True
            return
        if fault.name == "502html":
            page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
            outgoing = Outgoing([page], 502, "text/html")
        pieces = outgoing.pieces
        if fault.name == "unfinished":
            pieces = [outgoing.body[: len(outgoing.body) // 2]]
            if outgoing.streamed:
                pieces = outgoing.pieces[: max(1, len(outgoing.pieces) // 2)]
        self._head(outgoing, sum(map(len, pieces)))
        self._body(pieces, outgoing.streamed, fault)

    def _head(self, outgoing: Outgoing, length: int) -> None:
        self.send_response(outgoing.status)
        self.send_header("Content-Type", outgoing.kind)
        for name, value in outgoing.headers.items():
            self.send_header(name, value)
        if outgoing.streamed:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _body(self, pieces: list[bytes], streamed: bool, fault: Fault) -> None:
        pause = 0.0
        if fault.name == "slow":
            body = b"".join(pieces)
            step = max(1, -(-len(body) // 40))
            pieces = [body[i : i + step] for i in range(0, len(body), step)]
            pause = fault.seconds / len(pieces)
        elif fault.name == "cut":
            body = b"".join(pieces)
            pieces = [body[: len(body) // 2]]
            self.close_connection = True
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if streamed else piece)
            if pause:
                self.wfile.flush()
                self._owner.stopping.wait(pause)
        if streamed and fault.name != "cut":
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
