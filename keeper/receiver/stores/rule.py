"""Which packets of a batch are new: the rule of `Store.store`, pure, for one source at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from keeper.receiver.packet import CONTENT_BYTES, Packet, Poison
from keeper.receiver.stores.store import HOUR

SMALLEST_ID, LARGEST_ID = -(1 << 63), (1 << 63) - 1  # what the columns of all stores can hold
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_800.0  # years 1 to 9999: what dates and databases can say


@dataclass(slots=True)
class There:
    """What is there of one source, as far as a batch asks for it.

    `by_id` holds the contents of each id, and their types. `contents` leads to the number of the packet that has this
    content and no id, None when packets with ids have it; it is filled only for sources that send packets without ids.
    """

    bare: bool
    by_id: dict[int, dict[bytes, str]] = field(default_factory=dict)
    contents: dict[bytes, int | None] = field(default_factory=dict)


class Sorted(NamedTuple):
    """`fresh` packets are to be stored, `adopted` are numbers of packets that get an id."""

    fresh: list[Packet]
    adopted: list[tuple[int, int]]
    repeated: int
    returned: list[tuple[str, int]]


class Numbered(NamedTuple):
    """A new packet, and the numbers it and its words have in the database."""

    number: int
    source: int
    type: int
    packet: Packet


def sort_out(packets: Sequence[Packet], there: There) -> Sorted:
    """Packets of one source in the order they came; `there` is used up."""
    fresh: list[Packet] = []
    adopted: list[tuple[int, int]] = []
    returned: list[tuple[str, int]] = []
    by_id, contents, bare = there.by_id, there.contents, there.bare
    for packet in packets:
        source, id, type, _, content, _ = packet
        if id is None:
            if content not in contents:
                contents[content] = -1 - len(fresh)  # its place among the fresh, as it has no number yet
                fresh.append(packet)
            continue
        known = by_id.get(id)
        if known is None:
            known = by_id[id] = {}
        elif content in known:
            continue
        if bare:
            nameless = contents.get(content)
            contents[content] = None
            if nameless is not None:
                known[content] = type
                if nameless < 0:
                    fresh[-1 - nameless] = fresh[-1 - nameless]._replace(id=id)
                else:
                    adopted.append((nameless, id))
                continue
        if known and type in known.values():  # one body may bring packets of several types under one id
            returned.append((source, id))
        known[content] = type
        fresh.append(packet)
    return Sorted(fresh, adopted, len(packets) - len(fresh), returned)


def by_source(packets: Sequence[Packet]) -> dict[str, list[Packet]]:
    """In the order of names, so that who locks them one after the other meets nobody who does it the other way round.
    Raises Poison for what no store can hold."""
    found: defaultdict[str, list[Packet]] = defaultdict(list)
    for packet in packets:
        source, id, _, at, content, _ = packet
        if id is not None and not SMALLEST_ID <= id <= LARGEST_ID:
            raise Poison(f"the id {id} of a packet from {source} does not fit into 64 bits")
        if len(content) != CONTENT_BYTES:
            raise Poison(f"a packet from {source} has {len(content)} bytes for its content's name")
        if not EARLIEST <= at < LATEST:
            raise Poison(f"a packet from {source} came at {at}, which is no time")
        found[source].append(packet)
    return {source: found[source] for source in sorted(found)}


def time_of(time: float | None, at: float) -> float:
    """When an event was: its own time, or when its packet came if it has none that can be."""
    return time if time is not None and EARLIEST <= time < LATEST else at


def counted(new: Sequence[Numbered]) -> list[tuple[int, int, int, int, int]]:
    """What there is to be counted: the hour packets came in, as in `Count`, their source, their type, how many they
    were and how many events they had. In order."""
    found: defaultdict[tuple[float, int, int], list[int]] = defaultdict(list)
    for _, source, type, packet in new:
        found[packet.at // HOUR, source, type].append(len(packet.events))
    return [
        (int(hours) * HOUR, source, type, len(events), sum(events))
        for (hours, source, type), events in sorted(found.items())
    ]
