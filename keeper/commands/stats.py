"""`keeper stats`: how much of what the receiver's store holds."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
from collections.abc import Iterable

from keeper.commands import bars, stored
from keeper.receiver.stores.store import HOUR, Count
from keeper.receiver.sums import DAY, LENGTHS, Sum, Sums, shortened, sums
from keeper.runtime.clock import Clock, iso

MOST = 20  # types and sources in one of several tables
HOURS_SHOWN = 3 * DAY  # longer than that is shown by day
EPILOG = """\
Packets are counted in the hour in which they came, once each, however often they were sent. Hours and days are of UTC.

examples:
  keeper stats -c config.ini                             the last day, by type, source and hour
  keeper stats -c config.ini --since 30d --by day --type LoginUsers
  keeper stats -c config.ini --since 2026-11-01 --csv    one line an hour, source and type
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stored.add_arguments(parser, since="24h")
    parser.add_argument("--by", choices=("type", "source", "hour", "day"), help="one table only, and all of it")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object")
    shape.add_argument("--csv", action="store_true", help="lines for a spreadsheet")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    now = Clock().wall()
    since, until = stored.window(args, now, 0, now)
    since = since // HOUR * HOUR
    with stored.reader_of(args.config) as reader:
        counts = (
            count
            for count in reader.counts(since, until)
            if args.source in (None, count.source) and args.type in (None, count.type)
        )
        if args.csv and not args.by:
            write_counts(counts)
            return 0
        by = (args.by,) if args.by else ("type", "source", "day" if until - since > HOURS_SHOWN else "hour")
        found = sums(counts, by)
    if args.json:
        print(json.dumps(as_json(found, since, until)))
    elif args.csv:
        write_table(args.by, found)
    else:
        show(found, since, until, sys.maxsize if args.by else MOST)
    return 0


def show(found: Sums, since: float, until: float, most: int) -> None:
    say([f"what came from {day_and_time(since)} to {day_and_time(until)} UTC"])
    if not found.total.packets:
        say(["nothing is in the store of that time"])
        return
    tty = sys.stdout.isatty()
    blocks = (bars.EIGHTHS if can_print(bars.EIGHTHS) else " #") if tty else ""
    width = shutil.get_terminal_size().columns if tty else 120
    for key, table in found.by.items():
        named, more, rest = (table, 0, Sum(0, 0)) if key in LENGTHS else shortened(table, most)
        rows = [bars.Row(named_key(key, value), *both) for value, both in named.items()]
        if more:
            rows.append(bars.Row(f"({more:,} more)", *rest))
        say(["", *bars.table(key, rows, bars.Row("total", *found.total), width, blocks)])


def say(lines: Iterable[str]) -> None:
    """Names are of senders: what this terminal has no letters for is shown as its number."""
    for line in lines:
        print(line.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))


def as_json(found: Sums, since: float, until: float) -> dict[str, object]:
    tables = {
        key: [{key: iso(value) if isinstance(value, int) else value, **both._asdict()} for value, both in table.items()]
        for key, table in found.by.items()
    }
    return {"since": iso(since), "until": iso(until), **found.total._asdict(), "by": tables}


def write_counts(counts: Iterable[Count]) -> None:
    """As they stand in the store."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(Count._fields)
    for count in counts:
        out.writerow((iso(count.hour), stored.cell(count.source), stored.cell(count.type), count.packets, count.events))


def write_table(key: str, found: Sums) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow((key, *Sum._fields))
    for value, both in found.by[key].items():
        out.writerow((iso(value) if isinstance(value, int) else stored.cell(value), *both))


def named_key(key: str, value: str | int) -> str:
    if isinstance(value, str):
        return value
    return iso(value)[:10] if key == "day" else day_and_time(value)


def day_and_time(at: float) -> str:
    return iso(at)[:16].replace("T", " ")


def can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True
