"""`keeper split`: events instead of packets."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from keeper.delivery.packet import Packet, packets
from keeper.errors import KeeperError
from keeper.formats.repr_shape import count, elements

EPILOG = """\
Each event is one line, KEY: Struct(...), on standard output; counts by type follow on standard error.

example: keeper split collected/collected-unsent | grep -c '^LoginUsers: '
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="collected-unsent, collected-no-response, or their folder"
    )
    parser.add_argument("--count", action="store_true", help="print the counts alone")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    if not args.file.exists():
        raise KeeperError(f"there is no {args.file}")
    events: Counter[str] = Counter()
    collected: Counter[str] = Counter()
    wrong = 0
    out = sys.stdout.buffer
    for packet in packets(args.file):
        if not isinstance(packet, Packet) or count(packet.data) is None:
            wrong += 1
            print(f"keeper: {packet.place.file}, byte {packet.place.offset}: not a packet", file=sys.stderr)
            continue
        collected[packet.key] += 1
        key = packet.key.encode("utf-8", "surrogateescape")
        for element in elements(packet.data):
            events[packet.key] += 1
            if not args.count:
                out.write(b"%b: %b\n" % (key, element))
    out.flush()
    for name, number in events.most_common():
        print(f"{number:>12,}  {name}  (in {collected[name]:,} packets)", file=sys.stderr)
    print(f"{events.total():>12,}  events in {collected.total():,} packets", file=sys.stderr)
    return 1 if wrong else 0
