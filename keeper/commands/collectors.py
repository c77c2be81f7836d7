"""`keeper collectors`: how the collector scripts fare, and everything a person may say to them."""

from __future__ import annotations

import argparse
import getpass
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keeper.collectors.orders import Orders, Said, alone, read_orders, write_orders
from keeper.commands.collectors_alone import add_alone_arguments, run_all
from keeper.commands.collectors_run import run_once, scripts, unknown
from keeper.commands.collectors_try import try_folder
from keeper.commands.paint import painted
from keeper.commands.status import address_of, ask
from keeper.config import load
from keeper.core.options import read_duration
from keeper.errors import KeeperError
from keeper.runtime.clock import Clock
from keeper.settings import Settings

ILL = ("resting", "looping", "stuck", "refused")
CONFIG = Path("/etc/keeper/config.ini")
EPILOG = """\
examples:
  keeper collectors list                          how each script of the running keeper stands
  keeper collectors run df.py                     run it once, here; show its points and what is wrong with them
  keeper collectors disable df.py --why "broken"  leave it alone until `keeper collectors enable df.py`
  keeper collectors enable df.py                  run it again, at once
  keeper collectors try /some/collectors          run a whole folder for half a minute and print a table
  keeper collectors run-all --dry-run             print the points of all scripts, for ever
  ... | keeper collectors run-all --stdin         send points from standard input, then end

exit codes: 0 done, or well; 1 not done (the message says why); 3 `list`, `run`, `try`: something is wrong
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")

    def word(name: str, help_line: str, *, config: bool = True) -> argparse.ArgumentParser:
        sub = words.add_parser(name, help=help_line, description=help_line)
        if config:
            sub.add_argument("-c", "--config", type=Path, default=CONFIG)
        return sub

    word("list", "how each script of the running keeper stands").add_argument("--json", action="store_true")
    word("enable", "run a script again, at once").add_argument("name", metavar="NAME")
    disable = word("disable", "end a script, and leave it alone, also after a restart")
    disable.add_argument("name", metavar="NAME")
    disable.add_argument("--why", required=True, metavar="TEXT", help="the reason, shown to everybody who looks")
    once = word("run", "run a script once, here, and show what keeper makes of it")
    once.add_argument("name", metavar="NAME", help="the name of its file in the folder, or a path")
    once.add_argument("--for", dest="seconds", type=_seconds, metavar="TIME", help="stop one that runs longer (10s)")
    once.add_argument("--json", action="store_true", help="one JSON object")
    tries = word("try", "run all scripts of a folder for a while and print a table", config=False)
    tries.add_argument("folder", type=Path, metavar="FOLDER")
    tries.add_argument("--for", dest="seconds", type=_seconds, default=30.0, metavar="TIME", help="how long (30s)")
    tries.add_argument("--json", action="store_true", help="one JSON object")
    add_alone_arguments(word("run-all", "run all scripts without the rest of keeper, as tcollector does"))


def _seconds(text: str) -> float:
    try:
        return read_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    if args.word == "try":
        return try_folder(args.folder, args.seconds, as_json=args.json)
    settings = load(args.config)
    if args.word == "run-all":
        return run_all(settings, args)
    if settings.collectors is None:
        raise KeeperError(f"{args.config} has no [collectors] section: keeper runs no scripts")
    if args.word == "list":
        return show(ask(address_of(args.config))["collectors"], as_json=args.json)
    if args.word == "run":
        return run_once(settings, args.name, args.seconds, as_json=args.json)
    return say(settings, args.name, args.why if args.word == "disable" else None)


def say(settings: Settings, name: str, why: str | None) -> int:
    """Disable for this reason, or enable. A running keeper sees it within a second."""
    folder = Path(settings.keeper.state_dir) / "collectors"
    if why is not None and name not in (known := scripts(settings)):
        raise unknown(name, known)
    with alone(folder):
        return _say(folder, name, why)


def _say(folder: Path, name: str, why: str | None) -> int:
    orders, now = read_orders(folder), Clock().wall()
    disabled = {key: said for key, said in orders.disabled.items() if key != name}
    if why is not None:
        disabled[name] = Said(now, getpass.getuser(), why)
        write_orders(folder, Orders(disabled, orders.again))
        print(f"{name} is disabled")
        return 0
    write_orders(folder, Orders(disabled, {**orders.again, name: now}))
    print(f"{name} is enabled{'' if name in orders.disabled else ' (it was not disabled)'}, and runs again now")
    return 0


def show(status: dict[str, Any], *, as_json: bool) -> int:
    """A table of all scripts; 3 when one does not work."""
    found = status.get("collectors", [])
    ill = [one for one in found if one["stage"] in ILL]
    if as_json:
        print(json.dumps(status))
        return 3 if ill or status.get("complaints") else 0
    rows = [("name", "every", "stage", "since", "runs", "points", "series", "rejected", "memory", "")]
    for one in found:
        every = f"{one['interval']:g} s" if one["interval"] else "runs on"
        rejected = sum(one["rejected"].values())
        rows.append(
            (
                one["name"], every, one["stage"], one["since"][:19], f"{one['runs']}", f"{one['points']}",
                f"{one['series']}", f"{rejected}", size_of(one["memory"]),
                said_of(one),
            )
        )  # fmt: skip
    for row, one in zip(aligned(rows), [None, *found], strict=True):
        print(painted(row, "failing" if one in ill else "ok") if one else row)
    for complaint in status.get("complaints", []):
        print(painted(complaint, "failing"))
    if not found:
        print("there are no scripts")
    return 3 if ill or status.get("complaints") else 0


def size_of(memory: int) -> str:
    """0 is not known, as it is less than the process has that started it."""
    return f"{memory / 2**20:.0f} MiB" if memory else "small"


def said_of(one: dict[str, Any]) -> str:
    """The last thing that was wrong, in words."""
    never = "has never worked: " if one["stage"] in ("resting", "looping") and not one["worked"] else ""
    words = [f"{never}{one['why']}"] if one["why"] else []
    if one["bad"]:
        reason, line, why = one["bad"]
        words.append(f"last bad line ({reason}): {line!r}: {why}")
    return "; ".join(words)


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns under each other, the last as long as it is."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]
