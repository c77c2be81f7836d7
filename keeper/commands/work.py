"""`keeper work`: bring what was received into the store. `keeper receive` starts as many as its configuration says."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from keeper.config import load
from keeper.errors import KeeperError
from keeper.receiver.order import read_order
from keeper.receiver.outfit import packages
from keeper.receiver.report import Report
from keeper.runtime.own_log import set_up

log = logging.getLogger("keeper")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)  # by the receiver: see order
    parser.epilog = (
        "Needed by hand only where the queue is another machine's (beanstalkd, JetStream), to have more workers than\n"
        "the receivers start. May be killed at any moment: what it took and did not store comes again, each packet is\n"
        "stored once. SIGTERM lets it store what it took.\n"
        "exit code: 0 stopped; 1 wrong configuration or unusable state\n\n"
        "example: keeper work -c config.ini"
    )


def run(args: argparse.Namespace) -> int:
    try:
        from keeper.receiver.work import say, work  # noqa: PLC0415
    except ImportError as error:
        if (error.name or "").startswith("keeper"):
            raise
        raise KeeperError(f"a worker needs extra packages ({error.name}): pip install 'keeper[receiver]'") from error
    gc.set_threshold(50_000, 20, 50)  # a batch leaves no ring behind, and is many objects to look through
    if args.number:
        if line := sys.stdin.buffer.readline():  # else the receiver has ended already
            order = read_order(line)
            set_up(order.log_level)
            try:
                work(order.own, order.state_dir, say, child=True)
            except KeeperError as error:
                say(Report(trouble=str(error)))
                raise
        return 0
    settings = load(args.config)
    set_up(settings.keeper.log_level)
    if settings.receiver is None:
        raise KeeperError(f"{args.config}: there is no [receiver]; `keeper work` needs one")
    for option, why in packages(settings.receiver):
        raise KeeperError(f"[receiver]{option and ' '}{option}: {why}")
    told = _Told()
    work(settings.receiver, settings.keeper.state_dir, told.hear, child=False)
    print(
        f"stored {told.fresh:,} packets, {told.events:,} events; {told.repeated:,} were there, {told.dead:,} set aside"
    )
    return 0


@dataclass(slots=True)
class _Told:
    """What a worker of a person's own did."""

    fresh: int = 0
    events: int = 0
    repeated: int = 0
    dead: int = 0
    trouble: str = ""

    def hear(self, report: Report) -> None:
        self.fresh += report.fresh
        self.events += report.events
        self.repeated += report.repeated
        self.dead += report.dead
        if report.trouble != self.trouble:
            self.trouble = report.trouble
            log.info("worker=own trouble=%r", report.trouble)
