"""The HTTP part: connections that stay open, as clients expect, and faults done to them."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast

from llm_server.api import Api, Outgoing
from llm_server.faults import Fault, ProblemError

_FINE = Fault()
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_PIECES = 40
"""Into which a slow answer is cut."""


class Answerer(Protocol):
    """What stands behind it."""

    def answer(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[Outgoing, Fault]: ...
    def stats(self) -> dict[str, Any]: ...
    def note(self, path: str) -> None: ...


class Http:
    """Listens on loopback from its construction on."""

    def __init__(self, port: int, api: Api, answerer: Answerer) -> None:
        self.stopping = threading.Event()
        self._server = _Server(port, api, answerer, self.stopping)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_all()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, api: Api, answerer: Answerer, stopping: threading.Event) -> None:
        self.api, self.answerer, self.stopping = api, answerer, stopping
        self._open: set[socket.socket] = set()
        self.torn: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        if request in self.torn:
            # A proper goodbye before it would make the reset an ordinary end.
            self.torn.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients may leave when they like; what is wrong with the server itself is shown.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def drop_all(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    @property
    def _here(self) -> _Server:
        return cast(_Server, self.server)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests keep quiet."""

    def do_GET(self) -> None:
        self._here.answerer.note(f"GET {self.path}")
        if self.path == "/_stats":
            self._send(Outgoing([json.dumps(self._here.answerer.stats()).encode()]))
        else:
            self._other({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        here = self._here
        here.answerer.note(f"POST {self.path}")
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            problem = ProblemError(400, "We could not parse the JSON body of your request.")
            self._send(here.api.problem(problem))
        elif self.path != here.api.chat:
            self._other(body)
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(*here.answerer.answer(headers, body))

    def _other(self, body: dict[str, Any]) -> None:
        found = self._here.api.get(self.path, body)
        problem = ProblemError(404, f"Invalid URL ({self.command} {self.path})")
        self._send(found or self._here.api.problem(problem))

    def _send(self, outgoing: Outgoing, fault: Fault = _FINE) -> None:
        if self._here.stopping.is_set():
            # A client that waits for a server that ends is left alone, not answered early.
            self.close_connection = True
            return
        if fault.name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._here.torn.add(self.connection)
            self.close_connection = True
            return
        if fault.name == "502html":
            outgoing = Outgoing([_BAD_GATEWAY], 502, "text/html")
        pieces, pause = _done_to(outgoing, fault)
        whole = outgoing if fault.name == "cut" else Outgoing(pieces)
        self._head(outgoing, len(whole.body))
        if self.command == "HEAD":
            return
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if outgoing.streamed else piece)
            if pause:
                self.wfile.flush()
                self._here.stopping.wait(pause)
        if fault.name == "cut":
            self.close_connection = True
        elif outgoing.streamed:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

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


def _done_to(outgoing: Outgoing, fault: Fault) -> tuple[list[bytes], float]:
    """The pieces that are sent, and the seconds between two of them."""
    body = outgoing.body
    if fault.name == "slow":
        step = max(1, -(-len(body) // _PIECES))
        pieces = [body[i : i + step] for i in range(0, len(body), step)]
        return pieces, fault.seconds / max(len(pieces), 1)
    if fault.name == "cut" or (fault.name == "unfinished" and not outgoing.streamed):
        return [body[: len(body) // 2]], 0.0
    if fault.name == "unfinished":
        return outgoing.pieces[: max(1, len(outgoing.pieces) // 2)], 0.0
    return outgoing.pieces, 0.0
