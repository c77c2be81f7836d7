"""The body of `keeper reconcile`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import SystemRandom
from threading import Event
from typing import NamedTuple

from tqdm import tqdm

from keeper.commands.resend import agent_of, counted
from keeper.config import load
from keeper.core.options import shown_url
from keeper.delivery.appended import Appended, Unchanged
from keeper.delivery.ledger import Ledger, agent_home, home, made
from keeper.delivery.missing import FILE as MISSING
from keeper.delivery.missing import write_missing
from keeper.delivery.outfit_confirm import confirming_of, imprint_of
from keeper.delivery.packet import Packet, Place, WrongLine, packets
from keeper.delivery.parcel import Stand
from keeper.delivery.plan import Item, text_of
from keeper.delivery.reconcile import Reconciled, ask, check_ledger, judged, note, survey
from keeper.delivery.reconcile_summary import summary_lines
from keeper.errors import KeeperError, SendError
from keeper.runtime.clock import Clock, iso
from keeper.runtime.records import Records, read_beside
from keeper.runtime.store import FILE as DATABASE
from keeper.settings import AgentSettings, Settings, read_confirm

PROVEN, SOME_LOST, SOME_UNKNOWN = 0, 3, 4


class Held(NamedTuple):
    """Where packets are, and how their text is read again. `beside` is the folder for what is missing."""

    found: Iterator[Packet | WrongLine]
    text: Callable[[Item], bytes | None]
    beside: Path


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    agent = chosen(settings, args)
    state_dir = settings.keeper.state_dir
    if args.what is None or agent.log:
        work = args.work or agent_home(state_dir, agent.name)
    else:
        work = args.work or home(args.what)
    clock = Clock()
    with held(args.what, settings, agent, work) as those:
        if not args.dry_run:
            made(work)
        ledger = Ledger.open(work, lambda: iso(clock.wall()), args.ids, Unchanged if args.dry_run else Appended)
        try:
            ledger.bind(agent.name, shown_url(agent.url or agent.confirm))
            for remark in ledger.remarks:
                print(remark, file=sys.stderr)
            return compared(args, agent, ledger, those, clock)
        finally:
            ledger.close()


def chosen(settings: Settings, args: argparse.Namespace) -> AgentSettings:
    """Raises KeeperError."""
    if not settings.agents:
        raise KeeperError(f"{args.config} has no [agent:NAME]")
    agent = agent_of(settings.agents, args.agent)
    if args.confirm:
        try:
            agent = replace(agent, confirm=read_confirm(args.confirm))
        except ValueError as error:
            raise KeeperError(f"--confirm: {error}") from error
    if not agent.confirm:
        raise KeeperError(f"[agent:{agent.name}] has no confirm, the address of keeper's receiver; or give --confirm")
    return agent


@contextmanager
def held(what: Path | None, settings: Settings, agent: AgentSettings, work: Path) -> Iterator[Held]:
    """The packets that were named, or else those the daemon keeps."""
    if what is not None:
        yield Held(packets(what), text_of, what if what.is_dir() else what.parent)
        return
    if not agent.log:
        raise KeeperError(f"which packets? The daemon keeps none of [agent:{agent.name}], which has no log: give DIR")
    records = read_beside(Path(settings.keeper.state_dir) / DATABASE)
    try:
        yield Held(kept(records, agent.name), lambda item: records.parcel_text(agent.name, item.place.offset), work)
    finally:
        records.close()


def kept(records: Records, agent: str) -> Iterator[Packet | WrongLine]:
    """What the daemon keeps, but for those whose answer may still come. What is gone meanwhile is not owed any more."""
    for parcel in records.parcels(agent):
        data = None if parcel.stand is Stand.OPEN else records.parcel_text(agent, parcel.number)
        if data is not None:
            place = Place("", parcel.number)
            yield Packet(parcel.id, parcel.key, parcel.at, data, parcel.outcome, parcel.code, place)


def compared(args: argparse.Namespace, agent: AgentSettings, ledger: Ledger, those: Held, clock: Clock) -> int:
    shown = sys.stderr.isatty() and not args.json
    receiver = confirming_of(agent, args.wait, clock.now, Event().wait, SystemRandom().random)
    tqdm.monitor_interval = 0  # no thread of its own
    try:
        found = survey(counted(those.found) if shown else those.found, ledger, imprint_of(agent), frozenset(agent.skip))
        with tqdm(total=len(found.asked), unit=" packets", disable=not shown, leave=False) as bar:
            source, there = ask(found, receiver, bar.update)
        result, notes = judged(found, source, there)
        check_ledger(ledger, found, receiver, result)
    except SendError as error:
        raise KeeperError(f"{error}; nothing is known, and nothing was changed") from error
    finally:
        receiver.close()
    place = those.beside / MISSING
    if not args.dry_run:
        note(ledger, notes)
        write_missing(place, result.missing, those.text)
    if args.json:
        print(json.dumps({"reconciled": result.as_json() | {"receiver": receiver.shown}}))
    else:
        *lines, sums = summary_lines(result, receiver.shown)
        print("\n".join([*lines, *next_steps(result, args, place), sums]))
    return code_of(result)


def next_steps(result: Reconciled, args: argparse.Namespace, place: Path) -> list[str]:
    """What a person may do about it."""
    how = f"-c {args.config}" + (f" --agent {args.agent}" if args.agent else "")
    steps = []
    if args.dry_run:
        steps.append("nothing was written; without --dry-run the ledger has it")
    elif result.parts()["lost"] and args.what is not None:
        steps.append(f"next: keeper resend {args.what} {how}")
    if result.missing and not args.dry_run:
        steps.append(f"acknowledged but missing: {place}; to send them: keeper resend {place} {how} --work again")
    return steps


def code_of(result: Reconciled) -> int:
    parts = result.parts()
    if parts["lost"] or parts["acknowledged but missing"] or parts["refused and missing"] or result.ids_missing:
        return SOME_LOST
    return SOME_UNKNOWN if parts["unknown"] or parts["unfit"] or result.ids_unknown else PROVEN
