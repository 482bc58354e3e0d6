"""A hub on this machine: repositories of several states; it may break off, refuse, or be false."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

Files = dict[str, bytes]
LARGE = (".safetensors", ".bin", ".pt", ".pth")
"""Kept as LFS has them: their sha256 is announced."""


@dataclass
class Repository:
    """One repository."""

    states: dict[str, Files]
    """Commit -> name -> content."""
    names: dict[str, str]
    """Branch or tag -> commit."""
    gated: bool = False


@dataclass
class Hub:
    """What the hub has and does; tests change it while it runs."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    served: Files = field(default_factory=dict)
    """Name of a file -> what is sent instead of what was announced."""
    broken_off: Counter[str] = field(default_factory=Counter)
    """Name of a file -> how many times its download breaks off in the middle."""
    refused: set[str] = field(default_factory=set)
    """Names of files that cannot be had for now, which is said once the other large ones came."""
    says_token: bool = False
    """Whether it answers with what it was sent as authorization."""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range of every request."""
    endpoint: str = ""

    def add(self, name: str, files: Files, commit: str | None = None, **names: str) -> str:
        """A state of a repository, which `main` then means; its commit."""
        commit = commit or hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        repository = self.repositories.setdefault(name, Repository({}, {}))
        repository.states[commit] = files
        repository.names |= {"main": commit, **dict.fromkeys(names, commit)}
        return commit

    def got(self, name: str) -> list[str | None]:
        """The ranges with which a file was asked for, None where it was all of it."""
        return [
            part for method, path, part in self.requests if method == "GET" and path.endswith(name)
        ]


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    """The hub, reachable at its `endpoint`."""

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.state.requests.append((self.command, path, self.headers.get("Range")))
        if self.state.says_token:
            said = f"you are {self.headers.get('Authorization')}"
            return self._refuse(400, "BadRequest", said)
        owner, name, *rest = [*path.removeprefix("/api/models").strip("/").split("/"), "", ""]
        repository = self.state.repositories.get(f"{owner}/{name}")
        if repository is None:
            return self._refuse(401, "RepoNotFound")
        verb, revision = rest[:2] if any(rest) else ("", "main")
        commit = repository.names.get(revision, revision)
        if commit not in repository.states:
            return self._refuse(404, "RevisionNotFound")
        files = repository.states[commit]
        if verb == "tree":
            return self._json([_entry(file, content) for file, content in files.items()])
        if verb != "resolve":
            siblings = [_sibling(file, content) for file, content in files.items()]
            return self._json({"id": f"{owner}/{name}", "sha": commit, "siblings": siblings})
        if repository.gated:
            return self._refuse(403, "GatedRepo")
        file = "/".join(rest[2:]).rstrip("/")
        if file not in files:
            return self._refuse(404, "EntryNotFound")
        if file in self.state.refused:
            others = [name for name in files if name.endswith(LARGE) and name != file]
            until = time.monotonic() + 20
            while not all(map(self.state.got, others)) and time.monotonic() < until:
                time.sleep(0.01)
            return self._refuse(403, "Forbidden")
        self._file(file, files[file], commit)

    def _file(self, name: str, announced: bytes, commit: str) -> None:
        content = self.state.served.get(name, announced)
        start = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{_oid(name, announced)}"')
        self.send_header("X-Linked-Size", str(len(announced)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.state.broken_off[name]:
            self.state.broken_off[name] -= 1
            self.wfile.write(content[start : len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def _json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, said: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", said)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _oid(name: str, content: bytes) -> str:
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sibling(name: str, content: bytes) -> dict[str, object]:
    said: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
    if name.endswith(LARGE):
        size = len(content)
        said["lfs"] = {"sha256": _oid(name, content), "size": size, "pointerSize": 134}
    return said


def _entry(name: str, content: bytes) -> dict[str, object]:
    size = len(content)
    said: dict[str, object] = {"type": "file", "path": name, "size": size, "oid": "0" * 40}
    if name.endswith(LARGE):
        said["lfs"] = {"oid": _oid(name, content), "size": size, "pointerSize": 134}
    return said
