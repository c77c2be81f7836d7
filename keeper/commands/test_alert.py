"""`keeper test-alert`: one alert through every channel, and what each of them said."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from keeper.commands.paint import painted
from keeper.config import load
from keeper.core.notice import Origin, trial
from keeper.errors import KeeperError, Rejected, SendError
from keeper.notifiers import target_of_webhook, targets_of_alertmanager
from keeper.runtime.clock import Clock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("--json", action="store_true", help="one JSON object a target")
    parser.epilog = (
        "Sends the alert KeeperTest (severity info) to every Alertmanager and webhook; it ends by itself.\n"
        "exit code: 0 every target took it, 1 one did not\n\nexample: keeper test-alert -c config.ini"
    )


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    clock = Clock()
    targets = targets_of_alertmanager(settings.alertmanager, clock.now) if settings.alertmanager else []
    targets += [target_of_webhook(webhook, clock.now) for webhook in settings.webhooks]
    if not targets:
        raise KeeperError("nobody would be told: add [alertmanager] urls = ... or a [webhook:NAME]")
    runbook = settings.alertmanager.runbook_url if settings.alertmanager else ""
    page = f"http://{settings.keeper.listen}/"
    origin = Origin(settings.keeper.name, settings.keeper.role, node="", producer="", page=page, runbook=runbook)
    refused = 0
    for target in targets:
        began = clock.now()
        said = "took it"
        try:
            target.notifier.send([trial(origin, began)])
        except (SendError, Rejected) as error:
            said = str(error)
            refused += 1
        millis = (clock.now() - began) * 1000
        if args.json:
            print(json.dumps({"target": target.name, "ok": said == "took it", "said": said, "ms": round(millis, 1)}))
        else:
            print(painted(f"{target.name}: {said} ({millis:.0f} ms)", "ok" if said == "took it" else "failing"))
    return 1 if refused else 0
