"""A consumer that does what the daemon does: the lines of a chunk and its position are one transaction.

    python -m tests.scenarios.docker_to_sqlite CONTAINER DATABASE SETTINGS-JSON PAUSE

`PAUSE` are seconds it takes over each chunk. It never stops by itself: it is there to be killed.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading

from keeper.core.batch import Chunk, Item, Lost
from keeper.runtime.clock import Clock
from keeper.sources.docker_logs import DockerLogs, DockerLogsSettings


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=OFF")  # kill -9 takes the process, not the machine
    database.execute(
        "CREATE TABLE IF NOT EXISTS lines (number INTEGER PRIMARY KEY, line BLOB, container TEXT, told INTEGER)"
    )
    database.execute("CREATE TABLE IF NOT EXISTS told (number INTEGER PRIMARY KEY, kind TEXT, place TEXT, reason TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT)")
    return database


def main(container: str, path: str, settings: str, pause: str) -> None:
    database = open_database(path)
    saved = database.execute("SELECT text FROM position").fetchone()
    never = threading.Event()

    def emit(item: Item) -> None:
        database.execute("BEGIN IMMEDIATE")
        if isinstance(item, Chunk):
            assert not item.data or item.data.endswith(b"\n")
            told = database.execute("SELECT max(number) FROM told").fetchone()[0]
            container_id = json.loads(item.position)["id"][:12]
            database.executemany(
                "INSERT INTO lines (line, container, told) VALUES (?, ?, ?)",
                [(line, container_id, told) for line in item.data.split(b"\n")[:-1]],
            )
        else:
            place, reason = (item.where, item.reason) if isinstance(item, Lost) else ("", getattr(item, "reason", ""))
            database.execute(
                "INSERT INTO told (kind, place, reason) VALUES (?, ?, ?)", (type(item).__name__, place, reason)
            )
        if isinstance(item, Chunk | Lost) and item.position is not None:
            database.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (item.position,))
        database.execute("COMMIT")
        if float(pause):
            never.wait(float(pause))

    DockerLogs(
        "node/log", container, saved[0] if saved else None, Clock().now, DockerLogsSettings(**json.loads(settings))
    ).run(emit, never.wait)


if __name__ == "__main__":
    main(*sys.argv[1:])
