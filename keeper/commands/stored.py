"""What `keeper stats` and `keeper export` have in common: which store is asked, and about which time."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from keeper.commands.bars import printable
from keeper.config import load
from keeper.core.options import read_duration
from keeper.errors import KeeperError
from keeper.receiver.stores.store import Reader
from keeper.receiver.stores.table import open_reader

FORMULA = ("=", "+", "-", "@")  # what spreadsheets take for the beginning of one


def add_arguments(parser: argparse.ArgumentParser, since: str | None) -> None:
    default = f" (default {since})" if since else ""
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("--since", metavar="TIME", default=since, help=f"such as 24h or 2026-11-20T15:47{default}")
    parser.add_argument("--until", metavar="TIME", help="the same; that moment itself is not in it")
    parser.add_argument("--source", metavar="NAME", help="only what this source sent")
    parser.add_argument("--type", metavar="TYPE", help="only of this type")


@contextmanager
def reader_of(config: Path) -> Iterator[Reader]:
    """The store of the [receiver] in this configuration, for looking. Raises KeeperError."""
    settings = load(config)
    if settings.receiver is None:
        raise KeeperError(f"{config} has no [receiver], so there is no store to look into")
    reader = open_reader(settings.receiver, settings.keeper.state_dir)
    try:
        yield reader
    finally:
        reader.close()


def moment(option: str, text: str, now: float) -> float:
    """So long ago, or a date with or without a time, UTC unless it names another zone. Seconds since the epoch."""
    try:
        return now - read_duration(text)
    except ValueError:
        pass  # it is no duration
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise KeeperError(
            f"{option}: {text!r} is neither so long ago, such as 24h, nor a time, such as 2026-11-20T15:47"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def window(args: argparse.Namespace, now: float, first: float, last: float) -> tuple[float, float]:
    """Since when and until when; `first` and `last` are what they are when they are not given."""
    since = moment("--since", args.since, now) if args.since else first
    until = moment("--until", args.until, now) if args.until else last
    if since >= until:
        raise KeeperError("there is no time between --since and --until")
    return since, until


def cell(name: str) -> str:
    """A name that a sender chose, as a cell of CSV: one that a spreadsheet would run as a formula begins with a '."""
    name = printable(name)
    return f"'{name}" if name.startswith(FORMULA) else name
