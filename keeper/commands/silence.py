"""`keeper silence`: hold back new alerts for a while. It is over by itself."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from keeper.build import subjects
from keeper.config import load
from keeper.core.options import read_duration
from keeper.core.silence import Silence
from keeper.errors import KeeperError
from keeper.runtime.clock import Clock, iso
from keeper.runtime.silences import add_silence, end_silence
from keeper.runtime.store import FILE, Store

LONGEST = 30 * 86400.0  # a silence nobody remembers is an alert nobody gets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("--for", dest="duration", metavar="DURATION", help="how long, such as 2h")
    parser.add_argument("--why", metavar="TEXT", help="the reason, shown to everybody who looks")
    parser.add_argument("--rule", help="only this rule (default: all)")
    parser.add_argument("--subject", help="only this node, log or endpoint (default: all)")
    parser.add_argument("--list", action="store_true", help="show the silences in force and to come")
    parser.add_argument("--end", type=int, metavar="ID", help="end this silence now")
    parser.epilog = (
        "A silence holds back alerts that begin to fire. What was sent already stays alive, so nobody is told that it\n"
        "is over while it is not, and its true end is sent. What still fails when the silence ends is sent then.\n\n"
        'example: keeper silence -c config.ini --for 2h --why "new kernel"'
    )


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    path = Path(settings.keeper.state_dir) / FILE
    now = Clock().wall()
    if args.list:
        return show(path, now)
    if args.end is not None:
        if not end_silence(path, args.end, now):
            raise KeeperError(f"no silence {args.end} is in force or to come; see keeper silence --list")
        print(f"silence {args.end} is over")
        return 0
    if not args.duration or not args.why:
        raise KeeperError("a silence needs --for and --why; or use --list, --end ID")
    try:
        seconds = read_duration(args.duration)
    except ValueError as error:
        raise KeeperError(f"--for: {error}") from error
    if not 0 < seconds <= LONGEST:
        raise KeeperError("--for: a silence lasts more than nothing and at most 30d")
    if args.rule is not None and args.rule not in settings.rules:
        raise KeeperError(f"--rule: there is no rule {args.rule!r}")
    known = [subject.name for subject in subjects(settings)]
    if args.subject is not None and args.subject not in known:
        raise KeeperError(f"--subject: nothing is called {args.subject!r}; known are {', '.join(known)}")
    silence = Silence(0, now, now + seconds, args.why, getpass.getuser(), args.rule, args.subject)
    number = add_silence(path, silence, now)
    what = f"{args.rule or 'all rules'} on {args.subject or 'everything'}"
    print(f"silence {number}: {what} until {iso(now + seconds)[:19]}Z")
    return 0


def show(path: Path, now: float) -> int:
    for silence in Store.read(path).silences_at(now):
        what = f"{silence.rule or 'all rules'} on {silence.subject or 'everything'}"
        print(f"{silence.id:>4}  until {iso(silence.until)[:19]}Z  {what}  by {silence.who}: {silence.why}")
    return 0
