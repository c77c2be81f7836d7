"""`keeper check-config`: every mistake of a configuration file in one run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from keeper.actions.outfit import why_unsendable
from keeper.config import load
from keeper.errors import ConfigError
from keeper.failover.plan import notes
from keeper.settings import AgentSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", help="default: /etc/keeper/config.ini")
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"), help="the same as FILE")
    parser.add_argument("--json", action="store_true", help="print {ok, problems} for machines")
    parser.epilog = "exit code: 0 the file is good, 1 it has mistakes\n\nexample: keeper check-config config.ini"


def unsendable(agent: AgentSettings) -> str | None:
    """What keeps an agent that is to be sent from being sent: an IDL, a script."""
    return why_unsendable(agent) if agent.url or agent.script else None


def run(args: argparse.Namespace) -> int:
    path = args.file or args.config
    problems: list[str] = []
    try:
        settings = load(path)
        problems = [f"{path}: [agent:{a.name}]: {why}" for a in settings.agents if (why := unsendable(a))]
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
    on = sum(rule.enabled for rule in settings.rules.values())
    targets = (list(settings.alertmanager.urls) if settings.alertmanager else []) + [w.name for w in settings.webhooks]
    print(f"{path} is good: watches {', '.join(watched)} with {on} rules")
    for agent in settings.agents:
        if agent.log and not (agent.url or agent.script):
            print(f"note: [agent:{agent.name}] has neither url nor script: what it loses is kept, and not sent again")
    for note in notes(settings):
        print(f"note: {note}")
    if not targets:
        print("note: no [alertmanager] and no [webhook:NAME]: alerts are only shown on the page and in /metrics")
    return 0
