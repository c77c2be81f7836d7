"""`keeper parse`: what keeper makes of a log, for people whose log looks different."""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import get_args

from keeper.core.batch import Parsed
from keeper.core.event import Event, LinesSeen
from keeper.core.lines import LineSplitter
from keeper.errors import KeeperError
from keeper.formats.nodeos import NodeosFormat
from keeper.runtime.clock import Clock, iso

CHUNK = 1 << 17  # bytes: small enough that what is made of a chunk is dropped before it leaves the processor's cache
SHAPES = 5  # different unrecognised lines shown
SHAPE_LENGTH = 160

KINDS = {event: re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower() for event in get_args(Event)}

EPILOG = """\
Every event is one JSON object a line on standard output; times are UTC, durations seconds. At the end standard error
tells how many lines were recognised, and shows some that were not. A recognised line need not make an event.

examples:
  keeper parse nodeos /var/log/nodeos.log.1.gz | grep not_producing
  docker logs nodeos 2>&1 | keeper parse nodeos -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=("nodeos",), help="the kind of log")
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="plain, .gz or .xz; - or nothing for standard input"
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    if args.file == "-":
        chunks, seen = _standard_input(), Clock().now()
    else:
        path = Path(args.file)
        chunks, seen = chunks_of(path), _modified(path)
    unrecognized = Unrecognized()
    splitter = LineSplitter()
    form = NodeosFormat(unrecognized)
    counts: Counter[str] = Counter()
    lines = recognized = 0
    try:
        for parsed in _parsed(chunks, splitter, form, seen):
            lines += parsed.lines
            recognized += parsed.recognized
            for event in parsed.events:
                if isinstance(event, LinesSeen):
                    continue  # a mark for the rules that the log was not silent
                counts[kind(event)] += 1
                print(json_line(event))
    finally:  # an archive that ends too early still shows what it had
        if lines:
            _tell(lines, recognized, splitter.cut, counts, unrecognized)
    return 0


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield a file's content in pieces of at most CHUNK bytes, unpacked if it is gzip or xz (told by its first bytes).

    Raises KeeperError with one sentence if it cannot be read, also after pieces of a torn archive were handed out.
    """
    try:
        with path.open("rb") as file:
            yield from _unpacked(file, str(path))
    except OSError as error:
        raise KeeperError(f"cannot read {path}: {error.strerror or error}") from error


def _standard_input() -> Iterator[bytes]:
    with open(sys.stdin.fileno(), "rb", closefd=False) as file:
        yield from _unpacked(file, "standard input")


def kind(event: Event) -> str:
    """The event's name as it stands in the JSON: `block_received` of BlockReceived."""
    return KINDS[type(event)]


def json_line(event: Event) -> str:
    """One event as a JSON object: its name, its time, then its other fields."""
    fields = event._asdict()
    shown = {name: iso(value) if name in ("at", "slot_time") else value for name, value in fields.items()}
    return json.dumps({"event": kind(event)} | shown, ensure_ascii=False)


class Unrecognized:
    """Collects shapes of unrecognised lines: digits as N, long hexadecimals as H, the first SHAPES different ones."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.others = 0

    def __call__(self, line: bytes) -> None:
        text = line[:SHAPE_LENGTH].decode("utf-8", "replace")
        shape = ascii(re.sub(r"\d+", "N", re.sub(r"\b[0-9a-f]{8,}\b", "H", text)))[1:-1]  # nothing for the terminal
        if shape in self.counts or len(self.counts) < SHAPES:
            self.counts[shape] = self.counts.get(shape, 0) + 1
        else:
            self.others += 1


def _parsed(chunks: Iterable[bytes], splitter: LineSplitter, form: NodeosFormat, seen: float) -> Iterator[Parsed]:
    for data in chunks:
        yield form.parse(splitter.feed(data), seen)
    yield form.parse(splitter.flush(), seen)
    yield Parsed(form.flush(seen), 0, 0, 0)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError as error:
        raise KeeperError(f"cannot read {path}: {error.strerror or error}") from error


def _unpacked(file: BufferedReader, name: str) -> Iterator[bytes]:
    with _torn(name), _opened(file) as plain:
        while data := plain.read1(CHUNK):  # what a pipe has, without waiting for a full chunk
            yield data


def _opened(file: BufferedReader) -> BufferedReader | gzip.GzipFile | lzma.LZMAFile:
    head = file.peek(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    return lzma.LZMAFile(file) if head.startswith(b"\xfd7zXZ\x00") else file


@contextmanager
def _torn(name: str) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise KeeperError(f"{name} is damaged or not complete ({error}); what came before is shown above") from error


def _tell(lines: int, recognized: int, cut: int, counts: Counter[str], unrecognized: Unrecognized) -> None:
    """Print the summary to standard error."""
    share = f" ({100 * recognized / lines:.1f} %)" if lines else ""
    told = [f"{lines:,} lines: {recognized:,} recognised{share}, {lines - recognized:,} not"]
    if cut:
        told.append(f"{cut:,} lines were longer than 1 MiB and were cut")
    told.append(f"{counts.total():,} events" + "".join(f"\n  {n:>9,} {name}" for name, n in counts.most_common()))
    if unrecognized.counts:
        told.append("not recognised (N stands for a number, H for hexadecimal digits):")
        told += [f"  {n:>9,}  {shape}" for shape, n in unrecognized.counts.items()]
        if unrecognized.others:
            told.append(f"  {unrecognized.others:>9,}  other lines")
    print("\n".join(told), file=sys.stderr)
