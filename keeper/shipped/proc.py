"""The collectors keeper brings along: what the kernel tells in /proc, as lines for a time series database.

Run by its path, `python -I .../keeper/shipped/proc.py`: it needs nothing but Python and the files beside it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

if not __package__:  # run by its path, in isolated mode: nothing else says where keeper is
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from keeper.shipped.disk import Disks
from keeper.shipped.load import load
from keeper.shipped.memory import memory
from keeper.shipped.network import Interfaces
from keeper.shipped.process import Processes
from keeper.shipped.rounds import Complaints, Rounds, Subject
from keeper.shipped.tcp import Tcp

SUBJECTS = ("load", "memory", "disk", "network", "tcp")
PROCESS = "process:"

LONGEST = 86_400  # seconds between two rounds

HELP = """\
subjects, one or more:
  load          load averages, CPU time by type, pressure on the CPUs
  memory        what /proc/meminfo tells, in bytes, and memory pressure
  disk          bytes and inodes of the local file systems, and I/O pressure
  network       bytes, packets, errors and drops of the interfaces to other hosts
  tcp           sockets by state
  process:NAME  the processes of this name (as in /proc/PID/comm, or the file name in argv[0]): how many, CPU time,
                memory, threads, open files, uptime, restarts

Prints `metric timestamp value tag=value ...` on stdout and what is wrong on stderr. Ends with 0 on SIGTERM, when
stdout is closed and when its parent dies; with 13 when this host has nothing to tell; with 2 on wrong arguments.

to see what it would send:      proc.py --once load memory disk
to watch a node with the host:  proc.py --every 15 load memory disk network tcp process:nodeos process:keosd
"""


class Arguments(argparse.ArgumentParser):
    """Says what to do about a wrong argument, not how all of them are written."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n{self.prog} --help shows what it takes\n")


def arguments() -> Arguments:
    takes = Arguments(
        prog="proc.py",
        description=f"Prints what /proc tells about this host every so many seconds.\n\n{HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="proc.py [--every SECONDS | --once] [--all-disks] [--all-interfaces] SUBJECT ...",
        allow_abbrev=False,
    )
    takes.add_argument("subjects", nargs="*", type=subject, metavar="SUBJECT", help=argparse.SUPPRESS)
    pace = takes.add_mutually_exclusive_group()
    pace.add_argument("--every", type=seconds, default=15, metavar="SECONDS", help="between two rounds (15)")
    pace.add_argument("--once", action="store_true", help="print one round and end")
    takes.add_argument("--all-disks", action="store_true", help="network and FUSE file systems too")
    takes.add_argument("--all-interfaces", action="store_true", help="loopback, containers' and bridges too")
    return takes


def subject(word: str) -> str:
    name = word.removeprefix(PROCESS)
    if word in SUBJECTS or (word != name and name and "/" not in name):
        return word
    if word in ("process", PROCESS):
        raise argparse.ArgumentTypeError("process needs a name: process:nodeos")
    if word != name:
        raise argparse.ArgumentTypeError(f"{word}: a name without its folder: process:{name.rpartition('/')[2]}")
    raise argparse.ArgumentTypeError(f"no subject {word!r}: use {', '.join(SUBJECTS)} or process:NAME")


def seconds(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= LONGEST):
        raise argparse.ArgumentTypeError(f"{word!r} is no whole number of seconds from 1 to {LONGEST}")
    return int(word)


def subjects(asked: argparse.Namespace, say: Complaints) -> dict[str, Subject]:
    """Return what asks the kernel, by name; all processes together, as one walk through /proc finds them."""
    names = [word.removeprefix(PROCESS) for word in dict.fromkeys(asked.subjects) if word.startswith(PROCESS)]
    known: dict[str, Subject] = {
        "load": load,
        "memory": memory,
        "disk": Disks(asked.all_disks, say),
        "network": Interfaces(asked.all_interfaces, say),
        "tcp": Tcp(),
    }
    chosen = {name: read for name, read in known.items() if name in asked.subjects}
    return chosen | ({"process": Processes(names, say)} if names else {})


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    takes = arguments()
    asked = takes.parse_intermixed_args()  # subjects may stand before, between and after options
    if not asked.subjects:
        takes.error(f"what shall it tell of? Name one or more of {', '.join(SUBJECTS)}, process:NAME")
    say = Complaints()
    rounds = Rounds(subjects(asked, say), say)
    return rounds.once() if asked.once else rounds.forever(asked.every)


if __name__ == "__main__":
    sys.exit(main())
