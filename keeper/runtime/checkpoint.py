"""Keeps the write-ahead log of the state database short without the loop waiting for the disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from keeper.core.source import Wait
from keeper.runtime.schema import BUSY_MS, connect

EVERY_SECONDS = 60.0


def keep_short(path: Path, wait: Wait) -> None:
    """Body of a thread: move what was committed into the database itself, once a minute.

    That waits for the disk (fsync), on the disk of a busy node for seconds; a PASSIVE checkpoint on a connection of its
    own lets the loop commit meanwhile. Where it fails, the loop's own checkpoint (schema.WAL_PAGES) is the bound.
    """
    while not wait(EVERY_SECONDS):
        with suppress(sqlite3.Error), closing(connect(path, "mode=rw", BUSY_MS)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
