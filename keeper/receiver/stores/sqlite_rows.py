"""Writing many rows into SQLite. A statement that brings a hundred costs half as much as one for each."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

SIZES = (100, 10, 1)  # rows of one statement: few different ones, as SQLite keeps what it made of them


def insert(db: sqlite3.Connection, table: str, columns: Sequence[str], values: Sequence[object]) -> None:
    """`values` are those of all rows, one row behind the other. What cannot be ends the transaction, or raises with
    some of the rows written: all or none is the caller's. (A statement that could take back its own rows alone would
    keep a copy of each page that it touches.)"""
    into = f"INSERT OR ROLLBACK INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608  # ours
    row = f"({', '.join('?' * len(columns))})"
    begin = 0
    for size in SIZES:
        step = size * len(columns)
        while begin + step <= len(values):
            db.execute(into + ", ".join([row] * size), values[begin : begin + step])
            begin += step
