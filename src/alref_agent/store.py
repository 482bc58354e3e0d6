"""What a workspace keeps on disk: documents and masks by id, and the calls that made them.

One SQLite file, because it is safe against `kill -9`, gives random access to masks without holding
them, and lets the tools be called from one process after another.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alref_agent.errors import BackendError, ConfigError, OutputError, unknown
from alref_agent.media.masks import Rle

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS masks (
    id TEXT, frame_idx INTEGER, obj_id INTEGER, height INTEGER, width INTEGER, counts BLOB,
    score REAL, area INTEGER, PRIMARY KEY (id, frame_idx, obj_id)
) WITHOUT ROWID;
"""


class Store:
    """The file `workspace.sqlite`; one process at a time, any thread, one after the other.

    Raises (every method):
        OutputError: Another process has it, the disk is full, the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Agents call tools from threads of their own. What one thread does in a transaction must
        # not mix with what another does: they wait for each other.
        self._lock = threading.RLock()
        with self._guard():
            # Autocommit, so that `transaction` alone decides what belongs together.
            self._connection = sqlite3.connect(
                path, timeout=0.5, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)

    def close(self) -> None:
        """Let other processes in."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside stays, or nothing does."""
        with self._guard():
            self._connection.execute("BEGIN EXCLUSIVE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk has already rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def fact(self, name: str) -> Any:
        """A fact about the workspace, None if it was never set."""
        with self._guard():
            row = self._one("SELECT json FROM facts WHERE name = ?", name)
        return json.loads(row[0]) if row else None

    def set_fact(self, name: str, value: Any) -> None:
        """Set a fact about the workspace."""
        with self._guard():
            self._connection.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value))
            )

    def add(self, kind: str, document: Any) -> str:
        """Keep a JSON document under a new id, `kind-1`, `kind-2` and so on."""
        with self._guard():
            new = self._new_id(kind)
            self._connection.execute(
                "INSERT INTO documents VALUES (?, ?)", (new, json.dumps(document))
            )
        return new

    def get(self, kind: str, item: str) -> Any:
        """The document under an id.

        Raises:
            ConfigError: There is none of that kind with that id.
        """
        with self._guard():
            row = self._one("SELECT json FROM documents WHERE id = ?", item)
            if row is None or item.rpartition("-")[0] != kind:
                known = [i for (i,) in self._connection.execute("SELECT id FROM documents")]
                known = [i for i in known if i.rpartition("-")[0] == kind]
                raise ConfigError(unknown(f"{kind} id", item, known))
        return json.loads(row[0])

    def call(self, key: str) -> str | None:
        """What was kept of a call under a key."""
        with self._guard():
            row = self._one("SELECT json FROM calls WHERE key = ?", key)
        return row[0] if row else None

    def calls(self) -> list[str]:
        """All calls, in the order in which they ended."""
        with self._guard():
            rows = self._connection.execute("SELECT json FROM calls ORDER BY rowid").fetchall()
        return [text for (text,) in rows]

    def add_call(self, key: str, text: str) -> None:
        """Keep a call under its key."""
        with self._guard():
            self._connection.execute("INSERT OR REPLACE INTO calls VALUES (?, ?)", (key, text))

    def add_mask(
        self, masks: str, frame_idx: int, obj_id: int, rle: Rle, score: float, area: int
    ) -> None:
        """Keep one object's mask on one frame.

        Raises:
            BackendError: There is one already.
        """
        row = (masks, frame_idx, obj_id, rle.height, rle.width, rle.counts, score, area)
        with self._guard():
            try:
                self._connection.execute("INSERT INTO masks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                raise BackendError(
                    f"The segmenter gave two masks for object {obj_id} on frame {frame_idx}."
                ) from error

    def masks_on(self, masks: str, frame_idx: int) -> dict[int, Rle]:
        """`obj_id` -> mask, of the objects that are on a frame."""
        query = "SELECT obj_id, height, width, counts FROM masks WHERE id = ? AND frame_idx = ?"
        with self._guard():
            rows = self._connection.execute(query, (masks, frame_idx)).fetchall()
        return {obj_id: Rle(h, w, counts) for obj_id, h, w, counts in rows}

    def masks_summary(self, masks: str) -> dict[int, tuple[int, int, int]]:
        """`obj_id` -> number of frames with a mask, the first and the last of them."""
        query = (
            "SELECT obj_id, COUNT(*), MIN(frame_idx), MAX(frame_idx) FROM masks"
            " WHERE id = ? AND area > 0 GROUP BY obj_id"
        )
        with self._guard():
            rows = self._connection.execute(query, (masks,)).fetchall()
        return {obj_id: (n, first, last) for obj_id, n, first, last in rows}

    def _one(self, query: str, value: str) -> Any:
        return self._connection.execute(query, (value,)).fetchone()

    def _new_id(self, kind: str) -> str:
        query = "SELECT COUNT(*) FROM documents WHERE id LIKE ? || '-%'"
        return f"{kind}-{self._one(query, kind)[0] + 1}"

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                message = f"{self._path.parent} is in use by another process; wait for it to end."
            else:
                message = f"Cannot write {self._path}: {error}."
            raise OutputError(message) from error
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{self._path} is damaged ({error}): start again with --overwrite."
            ) from error
