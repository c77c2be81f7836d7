"""`keeper failover`: who produces and why, and everything a person may order."""

from __future__ import annotations

import argparse
import getpass
import json
from pathlib import Path
from typing import Any

from keeper.commands.failover_drill import rehearse, there_and_back
from keeper.commands.failover_order import order, switch
from keeper.commands.failover_peers import store_of
from keeper.commands.paint import painted
from keeper.commands.status import address_of, ask
from keeper.config import load
from keeper.errors import KeeperError
from keeper.failover.lease import LeaseStore
from keeper.runtime.book import drills, history, mend_fuse, pause_here
from keeper.runtime.clock import Clock, iso
from keeper.settings import Settings

ACTS = "--not-a-drill"
GOOD = {True: "good", False: "BAD"}
EPILOG = """\
Orders only say what they would do, unless --not-a-drill is given.

examples:
  keeper failover status                            who produces, and why this host does not
  keeper failover switch --to B --not-a-drill       planned: in the gap between our windows, no block lost
  keeper failover takeover --not-a-drill            on the host that shall produce; also the very first time
  keeper failover pause --why "new kernel on A"     nothing is taken over until `keeper failover resume`
  keeper failover drill                             rehearse everything that changes nothing
  keeper failover drill --not-a-drill               hand the role over and back, timed

exit codes: 0 done, or well; 1 not done (the message says why); 3 `status`: a person must look
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")

    def word(name: str, help_line: str, *, acts: bool = False) -> argparse.ArgumentParser:
        sub = words.add_parser(name, help=help_line, description=help_line)
        sub.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
        if acts:
            sub.add_argument(ACTS, dest="acts", action="store_true", help="do it; without this it is only explained")
        return sub

    word("status", "how this host and the others stand, and why").add_argument("--json", action="store_true")
    past = word("history", "what was decided and done on this host")
    past.add_argument("-n", type=int, default=50, metavar="N", help="how many lines (default: 50)")
    past.add_argument("--json", action="store_true", help="one JSON object a line")
    pause = word("pause", "pause automation: with a lease on all hosts, else on this one")
    pause.add_argument("--why", required=True, metavar="TEXT", help="the reason, shown to everybody who looks")
    word("resume", "let automation go on, and mend this host's fuse")
    word("takeover", "make this host the producer", acts=True)
    word("step-down", "pause this host's node and give the lease back", acts=True)
    to = word("switch", "hand the role to another host in the gap between two windows", acts=True)
    to.add_argument("--to", required=True, metavar="HOST", help="the [keeper] name of the host that shall produce")
    to.add_argument("--within", type=float, default=180.0, metavar="SECONDS", help="give up after (default: 180)")
    drill = word("drill", "rehearse the handing over; with --not-a-drill hand over and back", acts=True)
    drill.add_argument("--to", metavar="HOST", help="the standby to try (default: this host, or the first standby)")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if settings.failover is None:
        raise KeeperError(f"{args.config} has no [failover] section: keeper hands nothing over")
    state_dir = Path(settings.keeper.state_dir)
    if args.word == "status":
        return show_status(ask(address_of(args.config)), as_json=args.json)
    if args.word == "history":
        return show_history(state_dir, args.n, as_json=args.json)
    if args.word in ("pause", "resume"):
        return automation(settings, state_dir, args.why if args.word == "pause" else "")
    if args.word == "switch":
        return switch(settings, args.to, args.within, acts=args.acts)
    if args.word == "drill":
        return there_and_back(settings, args.to) if args.acts else rehearse(settings)
    return order(settings, args.word, acts=args.acts)


def automation(settings: Settings, state_dir: Path, why: str) -> int:
    """Pause it, or with an empty `why` let it go on."""
    if settings.failover is not None and settings.failover.lease:
        store: LeaseStore = store_of(settings)
        store.pause(f"{why} ({getpass.getuser()}, {settings.keeper.name})" if why else "")
        where = "on all hosts of the cluster"
    else:
        pause_here(state_dir, why)
        where = "on this host"
    if not why:
        pause_here(state_dir, "")
        mend_fuse(state_dir, Clock().wall())
    print(f"automation is paused {where}: {why}" if why else f"automation goes on {where}")
    if why:
        print("who produces goes on producing, and is still stopped when its lease ends or somebody else signs")
    return 0


def show_status(status: dict[str, Any], *, as_json: bool) -> int:
    failover = status.get("failover") or {}
    if not failover:
        raise KeeperError("the keeper that runs has no failover yet; was it restarted after [failover] was written?")
    if as_json:
        print(json.dumps(failover))
        return 3 if failover["troubles"] else 0
    seen = {True: "un-paused", False: "paused", None: "not known"}[failover["observed"]]
    colour = {"producing": "ok", "standby": "ok", "fence_failed": "failing"}.get(failover["state"], "unknown")
    state = painted(failover["state"], colour)
    print(f"{failover['host']} role {failover['role']}: {state} since {failover['since'][:19]}")
    print(f"  why         {failover['why']}")
    print(f"  node        {seen}, wanted {'to produce' if failover['wanted'] else 'paused'}")
    if failover["why_not"]:
        print(f"  not yet     {failover['why_not']}")
        for _, sentence in failover["against"][1:]:
            print(f"              {sentence}")
    if failover["lease"]:
        ends = f", ours until {failover['lease_until'][11:19]}" if failover["lease_until"] else ""
        holder = "not known" if failover["holder"] is None else failover["holder"] or "nobody"
        print(f"  lease       held by {holder}{ends}; epoch {failover['epoch']}")
        hosts = ", ".join(f"{host} ({role})" for host, role in sorted(failover["hosts"].items()))
        print(f"  hosts       {hosts or 'none known'}")
    paused = failover["automation_paused"]
    words = "not known" if paused is None else f"paused: {paused}" if paused else "on"
    print(f"  automation  {words}; {failover['takeovers']} of {failover['fuse']} takeovers until the fuse blows")
    drill = failover["last_drill"]
    said = "never" if drill is None else f"{drill['at'][:19]} {drill['kind']}, {GOOD[drill['good']]}"
    print(f"  last drill  {said}")
    for trouble in failover["troubles"]:
        print(painted(f"  look        {trouble}", "failing"))
    print(f"promise: {failover['promise']}")
    return 3 if failover["troubles"] else 0


def show_history(state_dir: Path, limit: int, *, as_json: bool) -> int:
    lines = [(line.at, line.kind, line.text) for line in history(state_dir, limit)]
    for drill in drills(state_dir):
        lines.append((drill.at, "drill", f"{drill.kind}, {GOOD[drill.good]}, {drill.took:.1f} s: {drill.text}"))
    for at, kind, text in sorted(lines)[-limit:]:
        if as_json:
            print(json.dumps({"at": iso(at), "kind": kind, "text": text}))
        else:
            print(f"{iso(at)[:19]}Z  {kind:<16} {text}")
    return 0
