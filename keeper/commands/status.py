"""`keeper status`: what a running keeper knows now."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import requests

from keeper.commands.paint import painted
from keeper.config import load
from keeper.errors import KeeperError

EXIT = {"ok": 0, "failing": 3, "unknown": 4}
MAX_BYTES = 8 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, help="the configuration of the running keeper")
    parser.add_argument("--address", help="HOST:PORT instead of the configuration's [keeper] listen")
    parser.add_argument("--all", action="store_true", help="show rules that are well, too")
    parser.add_argument("--json", action="store_true", help="print the status as the keeper serves it")
    parser.epilog = (
        "exit code: 0 all well, 3 something fails, 4 something is unknown, 1 no keeper answers\n\n"
        "example: keeper status -c config.ini"
    )


def run(args: argparse.Namespace) -> int:
    status = ask(args.address or address_of(args.config))
    if args.json:
        print(json.dumps(status))
    else:
        show(status, everything=args.all)
    states = [subject["state"] for subject in status["subjects"]]
    overall = "failing" if "failing" in states else "unknown" if "unknown" in states else "ok"
    return EXIT[overall]


def address_of(config: Path | None) -> str:
    """Where the keeper of this configuration can be asked from the same host."""
    listen = load(config).keeper.listen if config is not None else "127.0.0.1:9877"
    host, _, port = listen.rpartition(":")
    return f"{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{port}"  # noqa: S104  # compared, not bound


def ask(address: str) -> dict[str, Any]:
    """The status of the keeper that listens there. KeeperError when none answers."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"http://{address}/api/v1/status", timeout=5, stream=True, allow_redirects=False)
            body = answer.raw.read(MAX_BYTES, decode_content=True)
        status: dict[str, Any] = json.loads(body)
        status["keeper"]["name"], status["subjects"]  # the shape decides whether this is a keeper
    except (requests.RequestException, OSError) as error:
        raise KeeperError(f"no keeper answers at {address}; is it running? ({type(error).__name__})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeeperError(f"what answers at {address} is not a keeper") from error
    return status


def show(status: dict[str, Any], *, everything: bool) -> None:
    keeper = status["keeper"]
    print(f"keeper {keeper['name']} {keeper['version']}, {keeper['now'][:19]} UTC, up since {keeper['started'][:19]}")
    for trouble in keeper["troubles"]:
        print(painted(f"  {trouble}", "failing"))
    for subject in status["subjects"]:
        role = f" role {subject['role']}" if subject["role"] else ""
        print(
            f"{subject['kind']} {subject['name']}{role}: {painted(subject['state'], subject['state'])}{facts(subject)}"
        )
        for rule in subject["rules"]:
            if everything or rule["state"] != "ok":
                held = f" ({rule['held']})" if rule["held"] else ""
                state = painted(f"{rule['state']:<8}", rule["state"])
                print(f"  {state} {rule['rule']:<18} since {rule['since'][11:19]}  {rule['reason']}{held}")
    for alert in status["alerts"]:
        held = f", {alert['held']}" if alert["held"] else ""
        print(f"alert {alert['phase']}: {alert['subject']} {alert['rule']} since {alert['started'][:19]}{held}")
    for target in status["targets"]:
        if target["error"]:
            print(painted(f"target {target['target']}: {target['error']}, {target['waiting']} waiting", "failing"))
    for silence in status["silences"]:
        what = f"{silence['subject'] or 'all'} {silence['rule'] or 'all rules'}"
        print(f"silence {silence['id']}: {what} until {silence['until'][:19]}: {silence['why']}")


def facts(subject: dict[str, Any]) -> str:
    known = subject["facts"]
    words = []
    if known.get("head") is not None:
        words.append(f"head {known['head']:,} ({known['head_age']} s old)")
    if known.get("lib") is not None:
        words.append(f"LIB {known['lib']:,}")
    if known.get("peers") is not None:
        words.append(f"{known['peers']} peers")
    if known.get("paused") is not None:
        words.append("paused" if known["paused"] else "not paused")
    return f"  {', '.join(words)}" if words else ""
