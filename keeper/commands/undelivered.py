"""`keeper undelivered`: what of an agent has not arrived, as the daemon keeps it."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from keeper.config import load
from keeper.delivery.account import reasons
from keeper.delivery.ledger import made
from keeper.delivery.parcel import Parcel, Stand
from keeper.delivery.written import write_folder
from keeper.errors import KeeperError
from keeper.runtime.clock import iso
from keeper.runtime.records import read_beside
from keeper.runtime.store import FILE
from keeper.settings import Settings

MEANING = {
    Stand.OPEN: "sent by the agent, its answer may still come",
    Stand.DUE: "keeper sends them again when the server takes packets again",
    Stand.HELD: "wait for a person",
    Stand.REFUSED: "will never be taken as they are",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("--agent", metavar="NAME", help="only this [agent:NAME] (default: all)")
    parser.add_argument("--stand", choices=[stand.value for stand in Stand], help="only those that stand like this")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="write them to this new folder, for resend")
    parser.add_argument("--json", action="store_true", help="print one JSON object a packet")
    parser.epilog = (
        "Nothing is changed: the daemon goes on as it would. To decide on packets that are held, write them out and\n"
        "send them by hand; the ledger both use tells the daemon what was delivered.\n\nexample:\n"
        "  keeper undelivered -c config.ini --agent stats --stand held -o held\n"
        "  keeper resend held -c config.ini --agent stats --unknown resend"
    )


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    agents = chosen(settings, args.agent)
    if args.output is not None and len(agents) > 1:
        raise KeeperError(f"which agent? --agent {' or --agent '.join(agents)}")
    records = read_beside(Path(settings.keeper.state_dir) / FILE)
    try:
        for agent in agents:
            found = [p for p in records.parcels(agent) if args.stand in (None, p.stand.value)]
            if args.json:
                for parcel in found:
                    print(json.dumps({"agent": agent, **parcel._asdict()}))
            else:
                print("\n".join(table(agent, found)))
            if args.output is not None:
                written = write_folder(empty(args.output), found, lambda n, agent=agent: records.parcel_text(agent, n))  # type: ignore[misc]
                print(f"{written:,} packets are written to {args.output}", file=sys.stderr)
    finally:
        records.close()
    return 0


def chosen(settings: Settings, name: str | None) -> list[str]:
    """The agents whose logs the daemon follows, or the one that was asked for. Raises KeeperError."""
    watched = [agent.name for agent in settings.agents if agent.log]
    if not watched:
        raise KeeperError("no [agent:NAME] of the configuration has a log that the daemon follows")
    if name is not None and name not in watched:
        raise KeeperError(f"there is no [agent:{name}] with a log; known are {', '.join(watched)}")
    return watched if name is None else [name]


def empty(folder: Path) -> Path:
    """A new folder. Raises KeeperError when something is there: nothing is ever overwritten."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KeeperError(f"{folder} exists; choose another name")
    return made(folder)


def table(agent: str, parcels: list[Parcel]) -> list[str]:
    """How many stand how, since when and why."""
    lines = [f"{agent}: {len(parcels):,} packets ({sum(p.events for p in parcels):,} events)"]
    for stand in Stand:
        those = [parcel for parcel in parcels if parcel.stand is stand]
        if those:
            lines.append(f"  {len(those):>9,}  {stand.value}: {MEANING[stand]}, the first of {iso(those[0].at)[:19]}Z")
            lines += [f"  {line}" for line in reasons("why", Counter(p.why for p in those if p.why))]
    return lines
