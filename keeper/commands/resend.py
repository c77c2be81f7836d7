"""`keeper resend`: deliver what was collected, each packet once."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

from keeper.config import load
from keeper.core.options import read_url, shown_url
from keeper.delivery.account import Account
from keeper.delivery.appended import Appended, Unchanged
from keeper.delivery.exchange import Line
from keeper.delivery.ledger import Ledger, agent_home, home, made
from keeper.delivery.outfit import ask_receiver, headers_of, limits_of, line_of, pacing_of, wire_of
from keeper.delivery.packet import Packet, WrongLine, packets
from keeper.delivery.plan import Item, Plan, plan, text_of
from keeper.delivery.rejects import FILE as REJECTED
from keeper.delivery.rejects import Rejects
from keeper.delivery.resend_log import ResendLog, open_log
from keeper.delivery.sender import Sender, Told
from keeper.delivery.summary import plan_lines, progress_line, summary_lines
from keeper.delivery.wire import Wire, events_of
from keeper.errors import KeeperError
from keeper.runtime.clock import Clock, iso
from keeper.settings import AgentSettings, read_name

ALL, SOME, STOPPED = 0, 3, 4
EPILOG = """\
Work files: resend.ledger (what became of each packet), ids.ok (delivered ids, one a line; read, and only ever
appended to) and resend.log stand beside the folder that `keeper collect` made, or in the folder of any other FILE, or
where --work says; keep them as long as there are logs to collect from. Of an agent whose log the daemon follows they
stand in the state directory, where the daemon writes them, too. collected-rejected (what cannot be sent, with
reasons) stands with the packets. Ctrl-C and SIGTERM finish what is in flight; the next run goes on, after a kill -9
too, and sends nothing again that was acknowledged.

exit code: 0 everything is delivered or skipped; 3 some packets are rejected, held or failed; 4 stopped before the end;
           1 wrong configuration or input

examples:
  keeper resend collected -c config.ini --dry-run
  keeper resend collected -c config.ini --agent stats --unknown hold
  keeper resend only-logins -c config.ini --skip ClientPing --pacing classic
  keeper resend collected --url http://127.0.0.1:8020 --idl /etc/keeper/statistics.thrift
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", type=Path, metavar="DIR|FILE", help="what `keeper collect` wrote, or a file like it")
    parser.add_argument("-c", "--config", type=Path, help="the configuration with the [agent:NAME]")
    parser.add_argument("--agent", metavar="NAME", help="which [agent:NAME] (default: the only one)")
    parser.add_argument("--url", help="the server, instead of the configuration's")
    parser.add_argument("--wire", choices=("thrift", "json"))
    parser.add_argument("--idl", type=Path, help="the site's .thrift file")
    parser.add_argument("--skip", action="append", default=[], metavar="TYPE", help="a type not to send (repeatable)")
    parser.add_argument(
        "--unknown", choices=("resend", "hold", "if_deduplicates", "ask"), help="packets the server may have"
    )
    parser.add_argument("--pacing", choices=("adaptive", "classic"))
    parser.add_argument("--in-flight", type=int, metavar="N", help="the most packets under way at once")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where ledger, ids.ok and log are; default: see below")
    parser.add_argument("--ids", type=Path, metavar="FILE", help="the list of delivered ids (default: ids.ok there)")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, send and write nothing")
    parser.add_argument("--json", action="store_true", help="print plan and summary as one JSON object each")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    settings = chosen(args)
    wire = wire_of(settings)
    work = args.work or work_of(args, settings)
    if not args.dry_run:
        made(work)
    clock = Clock()
    ledger = Ledger.open(work, lambda: iso(clock.wall()), args.ids, Unchanged if args.dry_run else Appended)
    rejects = Rejects((args.what if args.what.is_dir() else args.what.parent) / REJECTED)
    try:
        ledger.bind(settings.name, shown_url(settings.url))
        for remark in ledger.remarks:
            print(remark, file=sys.stderr)
        reject = (lambda packet, why: None) if args.dry_run else rejects.add
        shown = sys.stderr.isatty() and not args.json
        if unsaid := ask_receiver(packets(args.what), ledger, settings, clock.now, Event().wait):
            print(f"the receiver was asked: {unsaid}", file=sys.stderr)
        found = counted(packets(args.what)) if shown else packets(args.what)
        planned = plan(found, ledger, wire, settings, reject)
        show_plan(planned, settings, args)
        if args.dry_run:
            return SOME if planned.account.all_rejected or planned.account.held else ALL
        return send(planned, settings, wire, ledger, rejects, work, clock, json_wanted=args.json)
    finally:
        rejects.close()
        ledger.close()


def work_of(args: argparse.Namespace, settings: AgentSettings) -> Path:
    """Where the ledger is: with a daemon that follows this agent's log, the one it writes, too, so that neither sends
    what the other has delivered."""
    if args.config and settings.log:
        return agent_home(load(args.config).keeper.state_dir, settings.name)
    return home(args.what)


def chosen(args: argparse.Namespace) -> AgentSettings:
    """The agent of the configuration, with what the command line says instead. Raises KeeperError."""
    agents = load(args.config).agents if args.config else (AgentSettings(name=args.agent or "agent"),)
    if not agents:
        raise KeeperError(f"{args.config} has no [agent:NAME] to say where to send; or give --url")
    found = agent_of(agents, args.agent)
    given: dict[str, Any] = {"wire": args.wire, "pacing": args.pacing, "unknown_outcome": args.unknown}
    given["idl"] = str(args.idl) if args.idl else None
    try:
        given["url"] = read_url(args.url) if args.url else None
        given["name"] = read_name(found.name)
    except ValueError as error:
        raise KeeperError(f"--url or --agent: {error}") from error
    if args.in_flight is not None and not 1 <= args.in_flight <= 64:
        raise KeeperError("--in-flight: from 1 to 64")
    given["in_flight"] = args.in_flight
    changed = {name: value for name, value in given.items() if value is not None}
    settings = replace(found, **changed, skip=(*found.skip, *args.skip))
    if not settings.url:
        raise KeeperError("where to? Give --url, or url in [agent:NAME] of the configuration")
    return settings


def agent_of(agents: Sequence[AgentSettings], name: str | None) -> AgentSettings:
    """The one that is meant, the only one if none is named. Raises KeeperError."""
    found = [agent for agent in agents if name in (None, agent.name)]
    if not found:
        raise KeeperError(f"there is no [agent:{name}]; known are {', '.join(agent.name for agent in agents)}")
    if len(found) > 1:
        raise KeeperError(f"which agent? --agent {' or --agent '.join(agent.name for agent in found)}")
    return found[0]


def send(
    made: Plan,
    settings: AgentSettings,
    wire: Wire,
    ledger: Ledger,
    rejects: Rejects,
    work: Path,
    clock: Clock,
    *,
    json_wanted: bool,
) -> int:
    account = made.account
    began = clock.now()

    def connect() -> Line:
        return line_of(settings, wire, clock.now)

    connect().close()  # wrong certificates are said before the first packet is under way
    with open_log(work) as opened:
        log = ResendLog(opened, lambda: iso(clock.wall()), settings.id_shift)
        sender = Sender(
            ledger=ledger,
            pacing=pacing_of(settings),
            limits=limits_of(settings),
            now=clock.now,
            packed=lambda item: wire.encode(item.key, events_of(text_of(item))),
            headers=lambda item: headers_of(settings, item),
            connect=connect,
            refused=lambda item, why: rejects.add(_again(item), why),
            sending=log.sending,
            answered=log.answered,
            watch=bar(clock.now) if sys.stderr.isatty() and not json_wanted else lambda told: None,
        )
        with stopping(sender.stop) if made.items else nullcontext():
            sender.run(made.items, account)
    if sys.stderr.isatty() and not json_wanted:
        print("\r\x1b[K", end="", file=sys.stderr)
    if log.lost:
        print(f"resend.log: {log.lost:,} lines could not be written", file=sys.stderr)
    lost = len(sender.unrecorded)
    if json_wanted:
        print(json.dumps({"summary": account.as_json() | {"unrecorded": lost}}))
    else:
        print("\n".join(summary_lines(account, clock.now() - began, lost)))
    return SOME if lost else code_of(account)


def code_of(account: Account) -> int:
    if account.ended or account.untried:
        return STOPPED
    return SOME if account.all_rejected or account.held or account.failed else ALL


def show_plan(made: Plan, settings: AgentSettings, args: argparse.Namespace) -> None:
    target = shown_url(settings.url)
    if args.json:
        print(json.dumps({"plan": made.account.as_json() | {"url": target, "pacing": settings.pacing}}))
    else:
        print("\n".join(plan_lines(made, settings, target)), flush=True)


def counted(found: Iterator[Packet | WrongLine]) -> Iterator[Packet | WrongLine]:
    """The same, and a person sees that something is happening."""
    for number, one in enumerate(found, 1):
        if number % 1000 == 0:
            print(f"\r\x1b[Klooking at packets: {number:,}", end="", file=sys.stderr, flush=True)
        yield one
    print("\r\x1b[K", end="", file=sys.stderr)


def bar(now: Callable[[], float]) -> Callable[[Told], None]:
    """Draws the progress, ten times a second at most."""
    drawn = 0.0

    def show(told: Told) -> None:
        nonlocal drawn
        if told.packets < told.of and now() - drawn < 0.1:
            return
        drawn = now()
        line = progress_line(told, shutil.get_terminal_size().columns)
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    return show


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop instead of killing."""

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _again(item: Item) -> Packet:
    return Packet(item.id, item.key, None, text_of(item), None, None, item.place)
