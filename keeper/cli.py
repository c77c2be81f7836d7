"""The `keeper` command: finds the subcommand, sets up nothing itself. Each command is one file in keeper/commands."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from keeper import __version__
from keeper.errors import ConfigError, KeeperError

# name → one line of help. The module is imported only when its command is used, so that `keeper status` starts fast.
COMMANDS = {
    "run": "watch, judge, export metrics and push alerts until stopped",
    "check-config": "list every mistake of a configuration file",
    "status": "what a running keeper knows now",
    "history": "what happened: alerts, verdicts, losses, restarts",
    "silence": "hold back new alerts for a while, list or end silences",
    "test-alert": "send one alert through every channel and say what happened",
    "failover": "who produces: status, history, pause, resume, takeover, step-down, switch, drill",
    "collectors": "collector scripts: list, enable, disable, run, try, run-all",
    "replay": "run recorded logs through the rules and print the timeline",
    "parse": "print the events of a log as JSON lines",
    "collect": "find in a statistics agent's logs what was not delivered",
    "split": "print collected packets as one event a line, and count them by type",
    "resend": "deliver what a statistics agent lost, each packet once",
    "receive": "the other end: take in packets and lines, store each once",
    "work": "bring what was received into the store; `receive` starts its own",
    "reconcile": "ask the receiver what it has of what an agent lost, and what is truly lost",
    "letters": "what no store would take, with reasons; try it again",
    "undelivered": "what of an agent has not arrived, as the daemon keeps it",
    "ledger": "the ids of what was delivered: import, export, rebuild, show",
    "stats": "how much the receiver has stored: by type, source, hour or day",
    "export": "what the receiver has stored, event by event, as CSV or JSON lines",
    "demo": "play a recorded incident, with page and metrics on loopback",
}

EPILOG = """\
first steps:
  keeper demo                          see it work, no configuration needed
  keeper parse nodeos nodeos.log       see what keeper makes of your log
  keeper replay -c config.ini LOG...   would last night have raised an alert?
  keeper check-config config.ini       every mistake, with its line
  keeper run -c config.ini             watch

exit codes: 0 well; 1 wrong configuration, input or state (the message says what to do);
            2 wrong usage; 3 something fails or is missing, 4 something is unknown: `status`, `reconcile`, `letters`
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = parser(arguments).parse_args(arguments)
        code: int = module_of(args.command).run(args)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        count = len(error.problems)
        print(f"keeper: {count} mistake{'s' if count > 1 else ''}", file=sys.stderr)
        return 1
    except KeeperError as error:
        print(f"keeper: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output is gone (`keeper history | head`): that is its right. Keep exit from flushing to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the module of the command in use is imported to add its arguments."""
    top = argparse.ArgumentParser(
        prog="keeper",
        description="Watches what must never go quiet, says what is wrong and why, and does the safe thing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"keeper {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    used = next((a for a in arguments if not a.startswith("-")), "")
    for name, help_line in COMMANDS.items():
        sub = commands.add_parser(
            name, help=help_line, description=help_line, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == used:
            module_of(name).add_arguments(sub)
    return top


def module_of(command: str) -> Any:
    """Raises KeeperError when the command looks into what the receiver stores, and this host lacks its packages."""
    try:
        return importlib.import_module("keeper.commands." + command.replace("-", "_"))
    except ModuleNotFoundError as error:
        if error.name != "orjson":
            raise
        raise KeeperError("this needs an extra package (orjson): pip install 'keeper[receiver]'") from error
