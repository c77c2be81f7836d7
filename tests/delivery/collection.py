"""Collected packets as files, made by code that knows nothing of keeper's readers."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import NamedTuple

TEXTS = ("Да", "it's", 'say "hi"', "a), packet_id=5", "x], packet_id=7", "", "\\", "tab\there", "日本")


class Made(NamedTuple):
    """One packet and what must arrive of it: method and one tuple (auid, timestamp, channel, message) an event."""

    id: int
    key: str
    data: str
    events: list[tuple[int, int, str, str]]


def python2(text: str) -> str:
    """How Python 2 prints the UTF-8 bytes of a text."""
    return repr(text.encode())[1:]


def packet(chance: Random, number: int) -> Made:
    events = [
        (chance.randrange(-(2**63), 2**63), chance.randrange(2**31), chance.choice(TEXTS), chance.choice(TEXTS) * 3)
        for _ in range(chance.randint(1, 6))
    ]
    shown = []
    for auid, timestamp, channel, message in events:
        fields = [f"auid={auid}L", f"timestamp={timestamp}", f"channel={python2(channel)}"]
        fields.append(f"message={python2(message)}")
        chance.shuffle(fields)
        shown.append(f"ChatMessageInfo({', '.join(fields)})")
    return Made(number, "ChatMessages", f"[{', '.join(shown)}]", events)


def write(path: Path, packets: list[Made]) -> None:
    path.write_text("".join(f"{made.id}: {made.key}: {made.data}\n" for made in packets))
