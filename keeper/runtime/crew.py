"""The threads that work for the loop: a source for everything that speaks, a courier for every agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random

from keeper.build import RECEIVER
from keeper.core.source import Now
from keeper.pipeline import Pipeline
from keeper.runtime.courier import Courier
from keeper.runtime.inbox import Inbox, Poster
from keeper.runtime.loop import Loop
from keeper.runtime.watch import Thread
from keeper.settings import Settings
from keeper.sources import (
    Wanted,
    sources_of_agent,
    sources_of_endpoint,
    sources_of_log,
    sources_of_node,
    sources_of_receiver,
)

RUN_ENDS_WITHIN = 1.0  # seconds a reload waits for a run of an agent whose settings changed


class Crew:
    """Brought to what the settings name by `adopt`. `database` is where couriers find what they send; `failed` hears of
    a thread that broke."""

    def __init__(
        self, now: Now, random: Random, inbox: Inbox, loop: Loop, database: Path, failed: Callable[[str], None]
    ) -> None:
        self._now = now
        self._random = random
        self._inbox = inbox
        self._loop = loop
        self._database = database
        self._failed = failed
        self._sources: dict[tuple[str, str, str], tuple[Thread, Poster]] = {}
        self._couriers: dict[str, Courier] = {}

    def adopt(self, settings: Settings, positions: Mapping[str, str]) -> None:
        """Run what is wanted and nothing else; sources and couriers whose settings are the same go on."""
        wanted = {(one.subject, one.kind, one.identity): one for one in self._wanted(settings, positions)}
        for key in [key for key in self._sources if key not in wanted]:
            thread, poster = self._sources.pop(key)
            thread.stop()
            poster.close()
        for key, one in wanted.items():
            if key not in self._sources:
                source = one.make()
                poster = self._inbox.poster(one.subject, one.kind)
                thread = Thread(source.name, partial(source.run, poster), self._failed)
                self._sources[key] = (thread, poster)
                thread.start()

    def adopt_couriers(self, settings: Settings) -> None:
        """A courier for each agent whose log is followed. One whose settings changed ends its run first."""
        watched = {agent.name: agent for agent in settings.agents if agent.log}
        for name in [name for name, courier in self._couriers.items() if watched.get(name) != courier.settings]:
            courier = self._couriers.pop(name)
            courier.close("the settings of its agent changed")
            courier.join(RUN_ENDS_WITHIN)
        for name, agent in watched.items():
            if name not in self._couriers:
                self._couriers[name] = Courier(
                    agent,
                    settings.keeper.state_dir,
                    self._database,
                    self._now,
                    self._inbox.call,
                    self._loop.touch,
                    self._loop.journal,
                    self._failed,
                )

    def deliver(self, pipelines: Mapping[str, Pipeline], now: float, unstored: str | None, *, saved: bool) -> None:
        """Have every courier look at its agent; `unstored` and `saved` as in `Courier.step`."""
        for name, courier in self._couriers.items():
            courier.step(pipelines[name], now, unstored, saved=saved)

    def stop(self) -> None:
        """Ask all of them to stop; does not wait."""
        for thread, _ in self._sources.values():
            thread.stop()
        for courier in self._couriers.values():
            courier.close("keeper stops")

    def join(self, left: Callable[[], float]) -> None:
        """Wait for their end, as long as there is time left."""
        for thread, _ in self._sources.values():
            thread.join(left())
        for courier in self._couriers.values():
            courier.join(left() / 2)

    def _wanted(self, settings: Settings, positions: Mapping[str, str]) -> list[Wanted]:
        now = self._now
        wanted = [one for node in settings.nodes for one in sources_of_node(node, positions, now, self._random)]
        wanted += [one for other in settings.logs for one in sources_of_log(other, positions, now)]
        wanted += [one for agent in settings.agents for one in sources_of_agent(agent, positions, now)]
        wanted += [one for endpoint in settings.endpoints for one in sources_of_endpoint(endpoint, now)]
        wanted += [] if settings.receiver is None else sources_of_receiver(RECEIVER, settings.receiver, now)
        return wanted
