"""`keeper demo`: a recorded incident through the real pipeline. No configuration, no network beyond loopback."""

from __future__ import annotations

import argparse
import logging
import sys

from prometheus_client import CollectorRegistry

from keeper import __version__
from keeper.build import forms, pipeline, subjects
from keeper.config import parse
from keeper.core.batch import Chunk, SourceUp
from keeper.metrics import Metrics
from keeper.page import render
from keeper.replay import FOREVER_SEEN
from keeper.runtime.clock import Clock, iso
from keeper.runtime.inbox import Inbox
from keeper.runtime.loop import Limits, Loop, Turned
from keeper.runtime.measure import Measure
from keeper.runtime.playback import PlayClock, recording, scenes
from keeper.runtime.publish import Publisher
from keeper.runtime.serve import Pages, Server, routes_of
from keeper.runtime.watch import Thread

RECORDINGS = ("A", "B", "C")
PUBLISH_EVERY = 0.2  # seconds of the world: the recording may turn the loop a thousand times in one
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
[rule:peers_low]
min = 1     ; the recorded network has four nodes
[rule:own_silent]
window_c = 200s   ; the recording ends before C's 780 s are over
"""
WHAT = """\
A network of 21 producers, recorded on 2026-11-20. Hosts A, B and C hold the key of `eosstore`; A produces.
  20:22:48  a schedule of 21 producers takes effect
  20:34:43  A is paused by hand, and nobody produces for `eosstore`
  20:36:12  its next window of twelve blocks stays empty, and so does the one at 20:38:18
Watch keeper find it, from three hosts at once.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--speed", type=float, default=40.0, help="times live speed (default 40: half a minute)")
    parser.add_argument("--listen", default="127.0.0.1:9877", help="where page and metrics are served")
    parser.add_argument("--stay", action="store_true", help="keep the page at the end, also without a terminal")
    parser.epilog = "example: keeper demo --speed 1"


def run(args: argparse.Namespace) -> int:
    if not 0.1 <= args.speed <= 1000:
        print("keeper demo: --speed must be between 0.1 and 1000", file=sys.stderr)
        return 2
    logging.getLogger("keeper").setLevel(logging.CRITICAL)  # the demo says the same in its own words
    demo = Demo(args.listen, args.speed)
    print(WHAT)
    print(f"page     http://{demo.server.address}/\nmetrics  http://{demo.server.address}/metrics\n", flush=True)
    return demo.play(hold=sys.stdin.isatty() or args.stay)


class Demo:
    """The real loop, rules, metrics and page, fed by recordings instead of sources, on a clock that runs faster."""

    def __init__(self, listen: str, speed: float) -> None:
        settings = parse(CONFIG.format(listen=listen), "demo", {})
        recorded = {name: recording(name) for name in RECORDINGS}
        self.scenes = scenes(recorded)
        start = self.scenes[0].at
        self.world = Clock()
        self.published_at = 0.0
        self.clock = PlayClock(self.world, start, speed)
        self.metrics = Metrics(CollectorRegistry())
        self.metrics.build.info({"version": __version__})
        self.measure = Measure(self.metrics)
        self.publisher = Publisher(settings.keeper.name, "", start)
        self.inbox = Inbox(lambda subject: self.metrics.inbox_dropped.labels(subject).inc())
        limits = Limits(late=settings.keeper.late * speed, clock_jump=60.0)
        self.loop = Loop(self.clock, self.inbox, limits, self.measure, self.settle)
        made = forms(settings)
        self.loop.adopt([pipeline(s, settings, made.get(s.name), {}, not_silenced, start) for s in subjects(settings)])
        pages = Pages(
            routes_of(self.metrics.registry, lambda: self.publisher.status, render, lambda: None, lambda: None)
        )
        self.server = Server(settings.keeper.listen, pages)
        self.posters = {name: self.inbox.poster(name, "log") for name in recorded}
        self.failed: list[str] = []

    def settle(self, turned: Turned) -> None:
        """What the daemon stores and pushes, the demo prints; the page and the metrics are the same."""
        self.publisher.journal.extend(turned.entries)
        for entry in turned.entries:
            if entry.kind in ("firing", "resolved"):
                print(f"{iso(entry.at)[11:19]}  {entry.subject:<2} {entry.kind.upper():<9} {entry.text}", flush=True)
        if self.world.now() < self.published_at + PUBLISH_EVERY:
            return
        self.published_at = self.world.now()
        self.measure.levels(self.loop.pipelines.values(), turned.now)
        self.metrics.loop_last.set(turned.now)
        self.publisher.publish(turned.now, self.loop.pipelines.values(), [], [], [])

    def play(self, *, hold: bool) -> int:
        """Play to the end; then, when a person watches, keep the page until Ctrl-C."""
        server = Thread("server", lambda _wait: self.server.run(), self.failed.append)
        server.start()
        try:
            for name, emit in self.posters.items():
                emit(SourceUp(f"{name}/log", self.clock.now()))
                emit(SourceUp(f"{name}/log", FOREVER_SEEN))
            for scene in self.scenes:
                self.clock.limit = scene.at
                while (ahead := scene.at - self.clock.now()) > 0 and not self.failed:
                    self.loop.turn(ahead)
                self.posters[scene.subject](Chunk(f"{scene.subject}/log", scene.data, scene.at, position=""))
                self.loop.turn(0.0)
            ending = "the page stays until Ctrl-C" if hold else "good bye"
            print(f"\nthe recording ends at {iso(self.clock.now())[11:19]}; {ending}", flush=True)
            while hold and not self.failed:
                self.loop.turn(3600.0)
        except KeyboardInterrupt:
            print()
        finally:
            self.inbox.close()
            self.server.close()
        return 1 if self.failed else 0


def not_silenced(_subject: str, _rule: str, _now: float) -> None:
    """Nothing is silenced in a demo."""
