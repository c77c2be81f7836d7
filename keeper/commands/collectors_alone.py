"""`keeper collectors run-all`: the scripts without the rest of keeper, as tcollector runs them."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from types import FrameType
from uuid import uuid4

from keeper.collectors.dedup import Dedup
from keeper.collectors.known import read_series
from keeper.collectors.plan import added_tags, terms_of
from keeper.collectors.settings import CollectorsSettings
from keeper.core.point import Point, line
from keeper.errors import KeeperError
from keeper.formats.datapoint import Datapoints
from keeper.opentsdb.settings import OpentsdbSettings
from keeper.runtime.clock import Clock, since_boot
from keeper.runtime.collecting import LEVELS
from keeper.runtime.forwarding import Forwarding
from keeper.runtime.own_log import set_up
from keeper.runtime.runner_process import Message, RunnerProcess
from keeper.settings import Settings

log = logging.getLogger("keeper")

HEARTBEAT = 600.0  # seconds between two lines that say that all is well
SENDING = 30.0  # seconds without any success that what came by standard input is tried to be sent
LOOK = 0.5
PIECE = 1 << 16


def add_alone_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the points instead of sending them")
    parser.add_argument("--stdin", action="store_true", help="take points from standard input, not scripts, then end")
    parser.add_argument("--all", action="store_true", help="with --dry-run: print repetitions, too")
    parser.add_argument(
        "--pid-file", type=Path, metavar="FILE", help="write the process id there, remove it at the end"
    )


def run_all(settings: Settings, args: argparse.Namespace) -> int:
    """Until SIGTERM or SIGINT, or the end of standard input."""
    set_up(settings.keeper.log_level)
    general = settings.collectors or CollectorsSettings()
    if settings.collectors is None and not args.stdin:
        raise KeeperError(f"{args.config} has no [collectors] section: there are no scripts to run")
    if settings.opentsdb is None and not args.dry_run:
        raise KeeperError(f"{args.config} has no [opentsdb] section, where the points go; or use --dry-run")
    over = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        over.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with PidFile(args.pid_file):
        if settings.opentsdb is None or args.dry_run:
            printed = Printed(general, everything=args.all)
            if args.stdin:
                return from_stdin(general, printed.take, lambda: None, over)
            return from_scripts(settings, general, printed.take, lambda: None, over)
        # The daemon may run beside this, and a spool is for one.
        folder = Path(settings.keeper.state_dir) / "collectors" / ("opentsdb-stdin" if args.stdin else "opentsdb")
        return send(settings, settings.opentsdb, general, folder, over, from_standard_input=args.stdin)


def send(
    settings: Settings,
    opentsdb: OpentsdbSettings,
    general: CollectorsSettings,
    folder: Path,
    over: threading.Event,
    *,
    from_standard_input: bool,
) -> int:
    """Until all is sent, of standard input; else until it is over. 1 when points wait for another time."""
    broken: list[str] = []

    def failed(thread: str) -> None:
        broken.append(thread)
        over.set()

    out = Forwarding(opentsdb, added_tags(general), folder, Clock(), SystemRandom().random, failed, None)
    out.start()
    try:
        if not from_standard_input:
            from_scripts(settings, general, out.take, out.tick, over)
            return 1 if broken else 0

        def in_time() -> None:
            out.tick()
            if out.spool.bytes > opentsdb.spool // 2:  # no more is read before the half of it is sent
                sending(out, over, lambda: out.spool.bytes > opentsdb.spool // 2)

        code = from_stdin(general, out.take, in_time, over)
        out.store()
        sending(out, over, lambda: out.spool.points > 0)
        if out.spool.dropped:
            raise KeeperError(f"{out.spool.dropped} points fell out of {folder}, which is full: {out.trouble}")
        if out.spool.points:
            raise KeeperError(f"{out.spool.points} points wait in {folder}, the next run sends them: {out.trouble}")
        return code
    finally:
        out.close(1.0)


def sending(out: Forwarding, over: threading.Event, more: Callable[[], bool]) -> None:
    """Wait while there is more to send and something is sent."""
    sent, until = out.sender.sent, since_boot() + SENDING
    while more() and since_boot() < until and not over.wait(0.05):
        if out.sender.sent != sent:
            sent, until = out.sender.sent, since_boot() + SENDING


class PidFile:
    """Written with `with`, and removed at its end. Refuses to start where another of us lives."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> None:
        if self._path is None:
            return
        try:
            pid = int(self._path.read_text())
            os.kill(pid, 0)
            raise KeeperError(f"{self._path} names process {pid}, which runs; end it first, or give another --pid-file")
        except (OSError, ValueError):
            pass  # none, or of one that is gone
        try:
            self._path.write_text(f"{os.getpid()}\n")
        except OSError as error:
            raise KeeperError(f"{self._path} cannot be written: {error.strerror}") from error

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Printed:
    """Prints points as they would be sent."""

    def __init__(self, general: CollectorsSettings, *, everything: bool) -> None:
        self._tags = added_tags(general)
        self._dedup = Dedup(0.0 if everything else 300.0)

    def take(self, _collector: str, points: list[Point]) -> None:
        for point in self._dedup.take(points):
            print(line(point, self._tags))
        sys.stdout.flush()


Take = Callable[[str, list[Point]], None]


def from_stdin(general: CollectorsSettings, take: Take, tick: Callable[[], None], over: threading.Event) -> int:
    """3 when a line was rejected; each is told on standard error."""
    output, clock = Datapoints(10**6, general.max_tags, len(added_tags(general))), Clock()
    while not over.is_set():
        tick()
        if not select.select([0], [], [], LOOK)[0]:
            continue
        if not (data := os.read(0, PIECE)):
            break
        before = sum(output.rejected.values())
        take("stdin", output.feed(data, clock.wall()))
        complain(output, before)
    before = sum(output.rejected.values())
    take("stdin", output.flush(clock.wall()))
    complain(output, before)
    return 3 if output.rejected else 0


def complain(output: Datapoints, before: int) -> None:
    new = sum(output.rejected.values()) - before
    if new and output.bad is not None:
        others = f" and {new - 1} more before it" if new > 1 else ""
        log.warning("stdin=rejected%s reason=%s line=%r why=%r", others, *output.bad)


def from_scripts(
    settings: Settings, general: CollectorsSettings, take: Take, tick: Callable[[], None], over: threading.Event
) -> int:
    folder = Path(settings.keeper.state_dir) / "collectors"
    terms = terms_of(general, settings.collector, folder)._replace(cookie=f"alone-{uuid4().hex}")
    runner = RunnerProcess(terms, since_boot)
    beat = since_boot() + HEARTBEAT
    living = 0
    try:
        while not over.is_set():
            for message in runner.hear(LOOK):
                living = message[1] if message[0] == "sees" else living
                told(message, take)
            tick()
            if since_boot() >= beat:
                beat = since_boot() + HEARTBEAT
                log.info("collectors=heartbeat scripts=%d", living)
    finally:
        for message in runner.end(5.0):
            told(message, take)
    return 0


def told(message: Message, take: Take) -> None:
    kind, *words = message
    if kind == "points":
        take(words[0], [Point(read_series(text), at, value) for text, at, value in words[2]])
    elif kind == "said":
        log.log(LEVELS[words[1]], "collector=%s said=%r", words[0], words[2])
    elif kind == "complaints":
        for complaint in words[0]:
            log.warning("collectors=complaint reason=%r", complaint)
