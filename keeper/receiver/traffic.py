"""Counts of what came in, for page and metrics. Written in the event loop, read from other threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.receiver.settings import SourceSettings
from keeper.receiver.standing import CODES, INPUTS, Traffic


@dataclass(slots=True)
class Counted:
    requests: int = 0
    packets: int = 0
    events: int = 0
    bytes: int = 0
    wrong: int = 0
    last: float = 0.0
    since: float = 0.0  # when it became known
    silent_after: float = 0.0

    def add(self, at: float, packets: int, events: int, size: int, wrong: int) -> None:
        self.requests += 1
        self.packets += packets
        self.events += events
        self.bytes += size
        self.wrong += wrong
        self.last = at

    def traffic(self) -> Traffic:
        return Traffic(
            requests=self.requests, packets=self.packets, events=self.events, bytes=self.bytes, wrong=self.wrong
        )


class Tally:
    """Everything known from the start is there from the start; nothing else is added but sources of a reload."""

    def __init__(self, sources: Sequence[SourceSettings], at: float) -> None:
        self.inputs = {name: Counted() for name in INPUTS}
        self.sources: dict[str, Counted] = {}
        self.answers = dict.fromkeys(CODES, 0)
        self._named: frozenset[str] = frozenset()
        self.know(sources, at)

    def know(self, sources: Sequence[SourceSettings], at: float) -> None:
        """These may send now. Those that no longer may keep their counts, as what they sent may still be on its way,
        and may be silent."""
        known = dict(self.sources)  # another thread may be walking through what there was, and see each step of this
        named = frozenset(source.name for source in sources)
        for name in self._named - named:
            known[name].silent_after = 0.0
        for source in sources:
            counted = known.setdefault(source.name, Counted())
            if source.name not in self._named:
                counted.since = at
            counted.silent_after = source.silent_after
        self._named = named
        self.sources = known

    def took(self, name: str, source: str, at: float, packets: int, events: int, size: int, wrong: int) -> None:
        """What is durable now."""
        self.inputs[name].add(at, packets, events, size, wrong)
        self.sources[source].add(at, packets, events, size, wrong)

    def answered(self, status: int) -> None:
        self.answers[status] += 1

    def traffic(self) -> Mapping[str, Traffic]:
        return {name: counted.traffic() for name, counted in self.inputs.items()}

    def by_source(self) -> Mapping[str, Traffic]:
        return {name: counted.traffic() for name, counted in self.sources.items()}

    def seen(self) -> Mapping[str, float]:
        return {name: counted.last for name, counted in self.sources.items()}

    def silent_after(self) -> Mapping[str, float]:
        return {name: counted.silent_after for name, counted in self.sources.items()}

    def known_since(self) -> Mapping[str, float]:
        return {name: counted.since for name, counted in self.sources.items()}
