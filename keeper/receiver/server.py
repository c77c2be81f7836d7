"""The receiver's composition root: settings become listeners, a queue and workers here, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from functools import partial
from pathlib import Path
from random import SystemRandom

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from keeper import __version__
from keeper.config import load
from keeper.errors import ConfigError, KeeperError
from keeper.receiver.crew import Crew
from keeper.receiver.dead_letters import FILE as DEAD
from keeper.receiver.dead_letters import Letters
from keeper.receiver.door import Door
from keeper.receiver.gate import Gate
from keeper.receiver.home import home
from keeper.receiver.http_connection import Connection, Limits
from keeper.receiver.inputs.table import inputs
from keeper.receiver.line_reception import LineReception
from keeper.receiver.listening import address, allow_files, serve, tls_of
from keeper.receiver.metrics import Exposed
from keeper.receiver.openapi import description
from keeper.receiver.order import Order
from keeper.receiver.pages import ReceiverPages
from keeper.receiver.questions import Questions
from keeper.receiver.queues.table import make_queue, refuse_to_forget
from keeper.receiver.reception import Reception, sweep
from keeper.receiver.report import Report
from keeper.receiver.settings import ReceiverSettings, senders, shown_store
from keeper.receiver.spread import STORE_BOUNDS, Spreading
from keeper.receiver.standing import COUNTED_HOURS, RUNNING, Standing
from keeper.receiver.stores.store import Count, Reader
from keeper.receiver.stores.table import open_reader
from keeper.receiver.traffic import Tally
from keeper.runtime.clock import Clock
from keeper.runtime.serve import Server as StatusServer
from keeper.runtime.systemd import ServiceManager
from keeper.runtime.watch import Thread
from keeper.settings import Settings

log = logging.getLogger("keeper")

LATE = 5.0  # seconds without a turn of the loop before /-/healthy says so
FINISH = 5.0  # seconds for what is owed at a stop
COUNTS_EVERY = 10.0  # seconds between two looks at the store's counts


class Receiver:
    """One running receiver. Made and run in an event loop; `run` returns its exit code."""

    def __init__(self, settings: Settings, path: Path) -> None:
        if settings.receiver is None:
            raise ConfigError([f"{path}: there is no [receiver]; `keeper receive` needs one"])
        self.own: ReceiverSettings = settings.receiver
        self.settings = settings
        self.clock = Clock()
        self.started = self.clock.wall()
        state_dir = settings.keeper.state_dir
        self.dead = home(state_dir) / DEAD
        self.letters = Letters(self.dead)
        self.path = path
        self.store = shown_store(self.own, state_dir)
        self.gate = gate = Gate(settings.sources)
        self.tally = Tally(senders(settings.sources), self.started)
        self.queue = make_queue(self.own, state_dir, self.clock.now, self._on_failed)
        self.questions = Questions(self.queue, gate, lambda: open_reader(self.own, state_dir))
        door = Door(self.own, gate, inputs(self.own))
        self.reception = Reception(
            door,
            self.queue,
            self.tally,
            self.questions.ask,
            json.dumps(description(self.own)).encode(),
            self.clock.wall,
            self.clock.now,
            most_connections=self.own.max_connections,
            most_pending=self.own.max_pending,
        )
        self.lines = LineReception(self.own, gate, self.reception, self.tally, self.clock.wall)
        self.crew = Crew(
            self.own.workers,
            lambda number: [sys.executable, "-m", "keeper", "work", "-c", str(path), "--number", str(number)],
            Order(self.own, state_dir, settings.keeper.log_level).line(),
            self.clock.wall,
            self.clock.now,
            SystemRandom().random,
            self._heard,
        )
        self.stored = Spreading(STORE_BOUNDS)
        self.counts: list[Count] = []
        self.counts_trouble = ""
        self.turned_at = self.clock.now()
        self.listen = self.lines_listen = ""
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        self.failed = ""
        self.service = ServiceManager(os.environ)

    # -- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Receive until SIGTERM or SIGINT. 0 after an orderly stop, 1 when a part failed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._on_stop, number)
        self.loop.add_signal_handler(signal.SIGHUP, self.reload)
        allow_files(self.own.max_connections)
        registry = CollectorRegistry()
        registry.register(Exposed(self.standing))
        ProcessCollector(registry=registry)
        status = StatusServer(self.own.status_listen, self._pages(registry), option="[receiver] status_listen")
        shown = Thread("status", lambda _wait: status.run(), self._on_failed)
        refuse_to_forget(self.own, self.settings.keeper.state_dir)
        await self.queue.open()
        servers = await self._listen()
        shown.start()
        own = [asyncio.create_task(body, name=name) for name, body in self._bodies().items()]
        tasks = [*self.crew.start(), *own]
        for task in tasks:
            task.add_done_callback(self._on_ended)
        log.info(
            "receiver=%s state=started version=%s listen=%s%s page=http://%s/ queue=%s workers=%d store=%s",
            self.name,
            __version__,
            self.listen,
            f" lines_listen={self.lines_listen}" if self.lines_listen else "",
            status.address,
            self.own.queue[0],
            self.own.workers,
            self.store,
        )
        self.service.say(f"READY=1\nSTATUS=receiving on {self.listen}")
        await self.stopping.wait()
        self.service.say("STOPPING=1")
        await self._close(servers, tasks)
        status.close()
        shown.join(1.0)
        log.info("receiver=%s state=stopped", self.name)
        return 1 if self.failed else 0

    def _pages(self, registry: CollectorRegistry) -> ReceiverPages:
        return ReceiverPages(registry, self.standing, self.late, self.not_ready)

    @property
    def name(self) -> str:
        return self.settings.keeper.name

    def _bodies(self) -> dict[str, Coroutine[None, None, None]]:
        date = partial(_date_line, self.clock.wall)
        return {
            "sweep": sweep(self.reception, self.clock.now, date),
            "beat": self._beat(),
            "counts": self._look_at_counts(),
        }

    async def _listen(self) -> list[asyncio.Server]:
        tls = tls_of(self.own)
        limits = Limits(
            body=self.own.max_body,
            request_timeout=self.own.request_timeout,
            idle_timeout=self.own.idle_timeout,
        )
        connection = partial(Connection, self.reception, limits, self.clock.now)
        http = await serve(self.loop, connection, self.own.listen, tls, "listen")
        self.listen = address(http)
        servers = [http]
        if self.own.lines_listen:
            lines = await serve(self.loop, self.lines.connection, self.own.lines_listen, tls, "lines_listen")
            self.lines_listen = address(lines)
            servers.append(lines)
        return servers

    async def _close(self, servers: list[asyncio.Server], tasks: list[asyncio.Task[None]]) -> None:
        """Take nothing more, answer what is owed, let the workers store what they took."""
        for server in servers:
            server.close()
        until = self.clock.now() + FINISH
        for connection in list(self.reception.connections):
            connection.leave()
        for sender in list(self.lines.connections):
            sender.finish()
        while (self.reception.connections or self.lines.connections) and self.clock.now() < until:
            await asyncio.sleep(0.02)
        await self.queue.close()
        for task in tasks:
            task.remove_done_callback(self._on_ended)
        await self.crew.stop(self.own.drain)
        await self.questions.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def reload(self) -> None:
        """Take the sources of the configuration anew. Whatever else changed needs a restart, and is said; a bad file is
        refused, and those who may send stay the same."""
        self.service.say("RELOADING=1")
        try:
            settings = load(self.path)
        except ConfigError as error:
            for problem in error.problems:
                log.error("config=refused problem=%r", problem)
        else:
            if settings.receiver != self.own:
                log.warning("config=partly_taken why='[receiver] cannot change while it runs; restart it'")
            self.gate.adopt(settings.sources)
            self.tally.know(senders(settings.sources), self.clock.wall())
            self.lines.look_again()
            log.info("config=taken sources=%d", len(self.gate.names))
        self.service.say("READY=1")

    def _on_stop(self, number: int) -> None:
        log.info("signal=%s state=stopping", signal.Signals(number).name)
        self.stopping.set()

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        """Nothing of the receiver ends by itself: half of one is worse than none."""
        error = None if task.cancelled() else task.exception()
        log.error("task=%s state=failed", task.get_name(), exc_info=error)
        self.failed = task.get_name()
        self.stopping.set()

    def _on_failed(self, thread: str) -> None:
        """Of another thread."""
        self.failed = thread
        self.loop.call_soon_threadsafe(self.stopping.set)

    # -- beats -----------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Tell systemd that the loop turns."""
        while True:
            self.turned_at = self.clock.now()
            self.service.say("WATCHDOG=1")
            await asyncio.sleep(1.0)

    async def _look_at_counts(self) -> None:
        """What the store counted lately, for the page."""
        while True:
            until = (self.clock.wall() // 3600 + 1) * 3600  # the end of this hour
            try:
                self.counts = await self.questions.read(partial(_counts, until - COUNTED_HOURS * 3600, until))
                self.counts_trouble = ""
            except KeeperError as error:
                self.counts_trouble = str(error)
            await asyncio.sleep(COUNTS_EVERY)

    def _heard(self, report: Report) -> None:
        if report.seconds:
            self.stored.took(report.seconds)

    # -- looking ---------------------------------------------------------------------------------------------------

    def late(self) -> str | None:
        behind = self.clock.now() - self.turned_at
        return f"the receiver's loop has not turned for {behind:.0f} s" if behind > LATE else None

    def not_ready(self) -> str | None:
        depth = self.queue.depth()
        if depth.trouble:
            return depth.trouble
        workers = self.crew.standing()
        if workers and all(worker.state != RUNNING for worker in workers):
            return "no worker runs"
        return self.late()

    def standing(self) -> Standing:
        """From any thread."""
        depth, workers = self.queue.depth(), self.crew.standing()
        return Standing(
            version=__version__,
            name=self.name,
            started=self.started,
            now=self.clock.wall(),
            listen=self.listen,
            lines_listen=self.lines_listen,
            connections=len(self.reception.connections) + len(self.lines.connections),
            turned_away=self.reception.turned_away,
            pending_bytes=self.reception.pending,
            queue=self.own.queue[0],
            records=depth.records,
            queue_bytes=depth.bytes,
            oldest=depth.oldest or 0.0,
            lost=depth.lost,
            trouble=depth.trouble,
            store=self.store,
            inputs=self.tally.traffic(),
            answers=dict(self.tally.answers),
            silent_after=self.tally.silent_after(),  # first: all that it names is in what follows
            known_since=self.tally.known_since(),
            sources=self.tally.by_source(),
            seen=self.tally.seen(),
            workers=workers,
            dead_records=self.letters.count(),
            dead_file=str(self.dead),
            counts=self.counts,
            counts_trouble=self.counts_trouble,
            queue_most=self.own.queue_bytes,
            durable=self.reception.durable.spread(),
            stored=self.stored.spread(),
        )


def _counts(since: float, until: float, reader: Reader) -> list[Count]:
    return list(reader.counts(since, until))


def _date_line(wall: Callable[[], float]) -> bytes:
    return f"Date: {formatdate(wall(), usegmt=True)}\r\n".encode()
