"""`keeper check-config`: every mistake of a configuration file in one run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from keeper.actions.outfit import why_unsendable
from keeper.config import load
from keeper.errors import ConfigError
from keeper.failover.plan import notes
from keeper.receiver.outfit import unready
from keeper.receiver.settings import ReceiverSettings, shown_store
from keeper.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", help="default: /etc/keeper/config.ini")
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"), help="the same as FILE")
    parser.add_argument("--json", action="store_true", help="print {ok, problems} for machines")
    parser.epilog = "exit code: 0 the file is good, 1 it has mistakes\n\nexample: keeper check-config config.ini"


def of_this_host(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """What keeps the receiver from starting, or an agent's packets from being sent: a file, a package, a script."""
    yield from unready(settings)
    for agent in settings.agents:
        if (agent.url or agent.script) and (why := why_unsendable(agent)):
            yield f"agent:{agent.name}", "", f"[agent:{agent.name}]: {why}"


def receives(own: ReceiverSettings, settings: Settings) -> str:
    """What becomes of what comes, from the listener to the store."""
    where = f"takes packets and lines on {own.listen}" + (f" and {own.lines_listen}" if own.lines_listen else "")
    who = "from " + ", ".join(one.name for one in settings.sources) if settings.sources else "from this host alone"
    bring = f"{own.workers} worker{'s' if own.workers > 1 else ''}" if own.workers else "workers elsewhere"
    return f"{where} {who}, queue {own.queue[0]}, {bring}, store {shown_store(own, settings.keeper.state_dir)}"


def run(args: argparse.Namespace) -> int:
    path = args.file or args.config
    problems: list[str] = []
    try:
        settings = load(path, further=of_this_host)
    except ConfigError as error:
        problems = error.problems
    if args.json:
        print(json.dumps({"ok": not problems, "problems": problems}))
        return 1 if problems else 0
    if problems:
        for problem in problems:
            print(problem, file=sys.stderr)
        print(f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}", file=sys.stderr)
        return 1
    watched = [f"node {n.name} (role {n.role})" for n in settings.nodes]
    watched += [f"log {n.name}" for n in settings.logs] + [f"endpoint {n.name}" for n in settings.endpoints]
    watched += [f"agent {a.name}" for a in settings.agents if a.log]
    if settings.collectors is not None:
        folder, own = settings.collectors.dir, ", ".join(settings.collectors.shipped)
        watched.append("collectors " + " and ".join(filter(None, (folder, own and f"keeper's {own}"))))
    if settings.receiver is not None:
        watched.append(f"the receiver on {settings.receiver.listen}")
    on = sum(rule.enabled for rule in settings.rules.values())
    targets = (list(settings.alertmanager.urls) if settings.alertmanager else []) + [w.name for w in settings.webhooks]
    print(f"{path} is good: " + (f"watches {', '.join(watched)} with {on} rules" if watched else "nothing is watched"))
    if settings.receiver is not None:
        print(f"`keeper receive` {receives(settings.receiver, settings)}")
    for agent in settings.agents:
        if agent.log and not (agent.url or agent.script):
            print(f"note: [agent:{agent.name}] has neither url nor script: what it loses is kept, and not sent again")
    for note in notes(settings):
        print(f"note: {note}")
    if not targets and watched:
        print("note: no [alertmanager] and no [webhook:NAME]: alerts are only shown on the page and in /metrics")
    return 0
