"""`keeper export`: what the receiver's store holds, event by event."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from keeper.commands import stored
from keeper.errors import KeeperError
from keeper.receiver.stores.rule import EARLIEST, LATEST
from keeper.receiver.stores.store import Reader, Row
from keeper.runtime.clock import Clock, iso

FIELDS = ("time", "at", "source", "type", "id", "fields")
ROWS_AT_ONCE = 1000
EPILOG = """\
One line an event, oldest first: its own time, when its packet came, source, type, the packet's id if it has one, and
its fields as JSON. --since and --until are of the event's own time. In CSV times are 2026-11-20T15:47:03.250Z, and the
name of a type that a spreadsheet would run as a formula begins with '; in JSON times are seconds since the epoch, and
all is exact. FILE is written beside its place and moved there when it is whole.

examples:
  keeper export -c config.ini --since 2026-11-20 --until 2026-11-21 -o friday.csv
  keeper export -c config.ini --json --type LoginUsers | jq -r .fields.login
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stored.add_arguments(parser, since=None)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--csv", action="store_true", help="for a spreadsheet (the default)")
    shape.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to (default: standard output)")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    since, until = stored.window(args, Clock().wall(), EARLIEST, LATEST)
    with stored.reader_of(args.config) as reader:
        rows = reader.rows(since, until, args.source, args.type)
        total = None if args.since or args.until else about(reader, args.source, args.type)
        if args.output is None:
            export(rows, sys.stdout.buffer, args.json, total, sys.stdout.isatty())
            sys.stdout.buffer.flush()
        else:
            with whole_file(args.output) as file:
                number = export(rows, file, args.json, total, False)
            print(f"{number:,} events are written to {args.output}", file=sys.stderr)
    return 0


def export(rows: Iterable[Row], out: BinaryIO, as_json: bool, total: int | None, quiet: bool) -> int:
    """Write them as they come; never more than some thousands are in memory. Returns how many there were."""
    tqdm.monitor_interval = 0  # no thread of its own
    number = 0
    with tqdm(total=total, unit=" events", unit_scale=True, disable=quiet or None, leave=False) as progress:
        if not as_json:
            out.write(lines_of_csv([FIELDS]))
        for part in parts(rows):
            out.write(b"".join(map(line_of_json, part)) if as_json else lines_of_csv(map(cells, part)))
            number += len(part)
            progress.update(len(part))
    return number


def about(reader: Reader, source: str | None, kind: str | None) -> int:
    """How many events there are, for the progress alone."""
    every = reader.counts(EARLIEST, LATEST)
    return sum(count.events for count in every if source in (None, count.source) and kind in (None, count.type))


def parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == ROWS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def cells(row: Row) -> tuple[object, ...]:
    return (iso(row.time), iso(row.at), stored.cell(row.source), stored.cell(row.type), row.id, row.fields)


def lines_of_csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def line_of_json(row: Row) -> bytes:
    """The fields stand in the store as JSON, and stay as they are."""
    source, kind, number = _quoted(row.source), _quoted(row.type), "null" if row.id is None else row.id
    head = f'{{"time":{row.time!r},"at":{row.at!r},"source":{source},"type":{kind},"id":{number}'
    return f'{head},"fields":{row.fields}}}\n'.encode("utf-8", "backslashreplace")


@lru_cache(1024)  # there are few sources and types
def _quoted(text: str) -> str:
    return json.dumps(text)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all; what was there before stays until then. Raises KeeperError."""
    place = path.resolve()  # a link stays a link
    if place.exists() and not place.is_file():
        raise KeeperError(f"{path} is no file")
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    except OSError as error:
        raise KeeperError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
