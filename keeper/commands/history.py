"""`keeper history`: what happened, from the journal of a keeper that may be running."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from keeper.commands.paint import painted
from keeper.config import load
from keeper.core.options import read_duration
from keeper.errors import KeeperError
from keeper.runtime.clock import Clock, iso
from keeper.runtime.store import FILE, Entry, Store

COLOURS = {"firing": "failing", "lost": "failing", "source_down": "failing", "resolved": "ok", "source_up": "ok"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("-n", "--limit", type=int, default=50, help="newest entries shown (default 50)")
    parser.add_argument("--since", metavar="DURATION", help="only the last so long, such as 2h")
    parser.add_argument("--subject", help="only of this node, log, endpoint, or keeper")
    parser.add_argument(
        "--kind", action="append", default=[], help="only this kind: firing, resolved, verdict, lost, ..."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.epilog = "example: keeper history -c config.ini --since 12h --kind firing --kind resolved"


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    since = float("-inf")
    if args.since:
        try:
            since = Clock().wall() - read_duration(args.since)
        except ValueError as error:
            raise KeeperError(f"--since: {error}") from error
    records = Store.read(Path(settings.keeper.state_dir) / FILE)
    for entry in records.history(limit=max(args.limit, 1), since=since, subject=args.subject, kinds=args.kind):
        print(as_json(entry) if args.json else as_text(entry))
    return 0


def as_json(entry: Entry) -> str:
    return json.dumps(
        {"at": iso(entry.at), "kind": entry.kind, "subject": entry.subject, "text": entry.text, **entry.detail}
    )


def as_text(entry: Entry) -> str:
    kind = f"{entry.kind:<12}"
    kind = painted(kind, COLOURS[entry.kind]) if entry.kind in COLOURS else kind
    return f"{iso(entry.at)[:19]}Z {kind} {entry.subject:<10} {entry.text}"
