"""`keeper demo`: a recorded incident through the real pipeline. No configuration, no network beyond loopback."""

from __future__ import annotations

import argparse
import sys

from prometheus_client import CollectorRegistry

from keeper import __version__
from keeper.build import forms, pipeline, subjects
from keeper.config import parse
from keeper.metrics import Metrics
from keeper.replay import Moment
from keeper.runtime.clock import Clock, iso
from keeper.runtime.inbox import Inbox
from keeper.runtime.loop import Limits, Loop, Turned
from keeper.runtime.measure import Measure
from keeper.runtime.playback import Playback, PlayClock, recording
from keeper.runtime.publish import Publisher
from keeper.runtime.serve import Pages, Server
from keeper.runtime.watch import Thread

RECORDINGS = {"A": "A", "B": "B", "C": "C", "F": "net"}
CONFIG = """
[keeper]
name = demo
listen = {listen}
[node:A]
producer = eosstore
role = A
log = file:/recorded
[node:B]
producer = eosstore
role = B
log = file:/recorded
[node:C]
producer = eosstore
role = C
log = file:/recorded
[node:F]
producer = eosstore
role = F
log = file:/recorded
[rule:peers_low]
min = 1     ; the recorded network has four nodes
[rule:own_silent]
window_c = 200s   ; the recording ends before C's 780 s are over
window_f = 200s
"""
WHAT = """\
A network of 21 producers, recorded on 2026-11-20. Hosts A, B and C hold the key of `eosstore`; A produces.
  20:22:48  a schedule of 21 producers takes effect
  20:34:43  A is paused by hand, and nobody produces for `eosstore`
  20:36:12  its next window of twelve blocks stays empty, and so does the one at 20:38:18
Watch keeper find it, from four hosts at once.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--speed", type=float, default=40.0, help="times live speed (default 40: half a minute)")
    parser.add_argument("--listen", default="127.0.0.1:9877", help="where page and metrics are served")
    parser.add_argument("--exit", action="store_true", help="exit at the end (the default without a terminal)")
    parser.epilog = "example: keeper demo --speed 1"


def run(args: argparse.Namespace) -> int:
    settings = parse(CONFIG.format(listen=args.listen), "demo", {})
    if not 0.1 <= args.speed <= 1000:
        print("keeper demo: --speed must be between 0.1 and 1000", file=sys.stderr)
        return 2
    recorded = {name: recording(file) for name, file in RECORDINGS.items()}
    start = min(cut[0].at for cut in recorded.values())
    end = max(cut[-1].at for cut in recorded.values())
    world = Clock()
    clock = PlayClock(world, start, end, args.speed)
    metrics = Metrics(CollectorRegistry())
    metrics.build.info({"version": __version__})
    publisher = Publisher(settings.keeper.name, "", start)
    measure = Measure(metrics)
    failed: list[str] = []

    def settle(turned: Turned) -> None:
        publisher.journal.extend(turned.entries)
        for entry in turned.entries:
            if entry.kind in ("firing", "resolved"):
                show(Moment(entry.at, entry.kind.upper(), entry.subject, "", entry.text))
        measure.levels(loop.pipelines.values(), turned.now)
        metrics.loop_last.set(turned.now)
        publisher.publish(turned.now, loop.pipelines.values(), [], [], [])

    inbox = Inbox(lambda subject: metrics.inbox_dropped.labels(subject).inc())
    limits = Limits(late=settings.keeper.late * args.speed, clock_jump=60.0)
    loop = Loop(clock, inbox, limits, measure, settle)
    made = forms(settings)
    loop.adopt(
        [
            pipeline(subject, settings, made.get(subject.name), {}, lambda _s, _r, _now: None, start)
            for subject in subjects(settings)
        ]
    )
    server = Server(
        settings.keeper.listen, Pages(metrics.registry, lambda: publisher.status, lambda: None, lambda: None)
    )
    threads = [Thread("server", lambda _wait: server.run(), failed.append)]
    for name, cut in recorded.items():
        playback = Playback(f"{name}/log", cut, clock)
        emit = inbox.poster(name, "log")
        threads.append(Thread(playback.name, lambda wait, p=playback, e=emit: p.run(e, wait), failed.append))  # type: ignore[misc]
    print(WHAT)
    print(f"page     http://{server.address}/\nmetrics  http://{server.address}/metrics\n")
    hold = sys.stdin.isatty() and not args.exit
    for thread in threads:
        thread.start()
    try:
        told = False
        while not failed:
            loop.turn(1.0)
            if clock.now() >= end and not told and len(inbox) == 0:
                told = True
                print(f"\nthe recording ends at {iso(end)[:-5]}Z.", end=" ")
                print("The page stays until Ctrl-C." if hold else "", flush=True)
            if told and not hold:
                break
    except KeyboardInterrupt:
        pass
    finally:
        inbox.close()
        server.close()
        for thread in threads:
            thread.stop()
    return 1 if failed else 0


def show(moment: Moment) -> None:
    print(f"{iso(moment.at)[11:-5]}  {moment.subject:<2} {moment.kind:<9} {moment.text}", flush=True)
