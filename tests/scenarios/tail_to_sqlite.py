"""A consumer that does what the daemon does: what a chunk led to and its position are one transaction.

    python -m tests.scenarios.tail_to_sqlite PATTERN DATABASE SETTINGS-JSON PAUSE

`PAUSE` are seconds it takes over each chunk. It never stops by itself: it is there to be killed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading

from keeper.core.batch import Chunk, Item, Lost
from keeper.runtime.clock import Clock
from keeper.sources.file_tail import FileTail, FileTailSettings


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=OFF")  # kill -9 takes the process, not the machine
    database.execute("CREATE TABLE IF NOT EXISTS lines (number INTEGER PRIMARY KEY, line BLOB)")
    database.execute(
        "CREATE TABLE IF NOT EXISTS told (number INTEGER PRIMARY KEY, at REAL, kind TEXT, size INTEGER, what TEXT)"
    )
    database.execute("CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT)")
    return database


def die_with_parent() -> None:
    """Standard input is a pipe from whoever started this: it ends when he does."""
    sys.stdin.buffer.read()
    os._exit(1)


def main(pattern: str, path: str, settings: str, pause: str) -> None:
    database = open_database(path)
    saved = database.execute("SELECT text FROM position").fetchone()
    never = threading.Event()
    threading.Thread(target=die_with_parent, daemon=True).start()
    now = Clock().now

    def emit(item: Item) -> None:
        database.execute("BEGIN IMMEDIATE")
        if isinstance(item, Chunk):
            rows = [(line,) for line in item.data.split(b"\n")[:-1]]
            database.executemany("INSERT INTO lines (line) VALUES (?)", rows)
        size = item.size if isinstance(item, Lost) else 0
        told = f"{item.data[:60]!r} {item.position}" if isinstance(item, Chunk) else repr(item)
        database.execute(
            "INSERT INTO told (at, kind, size, what) VALUES (?, ?, ?, ?)", (now(), type(item).__name__, size, told)
        )
        if isinstance(item, Chunk | Lost) and item.position is not None:
            database.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (item.position,))
        database.execute("COMMIT")
        never.wait(float(pause))

    tail = FileTail("node/log", pattern, saved[0] if saved else None, now, FileTailSettings(**json.loads(settings)))
    tail.run(emit, never.wait)


if __name__ == "__main__":
    main(*sys.argv[1:])
