"""`keeper collect`: what the statistics agent sent and nobody received, out of its logs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tqdm import tqdm

from keeper.delivery.archive import find
from keeper.delivery.collect import Settings, collect, room_for
from keeper.delivery.report import as_json, as_table
from keeper.delivery.scan import Wanted
from keeper.formats.local_time import naive_ms
from keeper.formats.statistic_agent import SHAPES

EPILOG = """\
The folder holds: collected-unsent (ID: KEY: [data], answered but not with 200), collected-no-response ([unix.time] ID:
KEY: [data]), collected-index (times and outcomes of both), report.json, and with --with-json collected-json
(key=KEY, args={...}, every event that services handed to the agent). Nothing is overwritten.

Logs may be plain, .gz, .bz2 or .xz, in any order: keeper takes the order from their times and packet ids. --since and
--until are the log's local time and choose packets by when they were sent; the log has no zone, --zone says which.

examples:
  keeper collect /var/log/statistic_agent
  keeper collect statistic.log-201501*.gz statistic.log -o lost --since "2015-01-22 18:00"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logs", nargs="+", metavar="LOG", help="files, folders and globs")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("collected"), metavar="DIR", help="default: collected"
    )
    parser.add_argument("--with-json", action="store_true", help="write collected-json too")
    parser.add_argument("--force", action="store_true", help="rename an existing folder to DIR.1, DIR.2, ...")
    parser.add_argument("--since", type=_time, metavar="TIME", help="leave out packets sent before: 2015-01-23 15:47")
    parser.add_argument("--until", type=_time, metavar="TIME", help="leave out packets sent then or later")
    parser.add_argument(
        "--zone", type=_zone, help="zone of the log's times, such as Europe/Moscow (default: this host's)"
    )
    parser.add_argument(
        "--jobs", type=_jobs, default=os.cpu_count() or 1, metavar="N", help="logs read at the same time"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of the table")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    found = find(args.logs)
    backup = room_for(args.output, args.force)
    settings = Settings(Wanted(args.since, args.until, args.with_json), args.zone, args.jobs)
    with _bar([path.stat().st_size for path in found.logs]) as progress:
        report = collect(found, args.output, settings, progress)
    if args.json:
        print(json.dumps(as_json(report), indent=2))
    else:
        print("\n".join(as_table(report)))
    if backup:
        print(f"{args.output} was there before; it is {backup} now", file=sys.stderr)
    if not report.packets and not report.without_id:
        print("no packet was found; keeper looks for lines like", *SHAPES, sep="\n  ", file=sys.stderr)
    return 0


@contextmanager
def _bar(sizes: list[int]) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; nothing elsewhere."""
    taken = [0] * len(sizes)
    tqdm.monitor_interval = 0  # no thread of its own
    with tqdm(total=sum(sizes), unit="B", unit_scale=True, unit_divisor=1024, disable=None, leave=False) as bar:

        def progress(index: int, bytes_taken: int) -> None:
            bar.update(bytes_taken - taken[index])
            taken[index] = bytes_taken

        yield progress


def _time(text: str) -> int:
    try:
        return naive_ms(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a local time such as 2015-01-23 15:47 or 2015-01-23"
        ) from None


def _zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"there is no zone {text!r}; write one such as Europe/Moscow or UTC") from None


def _jobs(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return int(text)
