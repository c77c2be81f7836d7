"""How a receiver may stand: lively, new and empty, and in trouble."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from keeper.receiver.spread import DURABLE_BOUNDS, STORE_BOUNDS, Spreading
from keeper.receiver.standing import (
    CODES,
    INPUTS,
    LOOPING,
    RESTING,
    RUNNING,
    Standing,
    Traffic,
    WorkerStands,
)

NOW = 1_795_714_262.5  # 2026-11-26 17:31:02 UTC
HOUR = 3600
SOURCES = ("agent-tokyo", "agent-osaka", "shop", "collectors")
TYPES = ("LoginUsers", "ChatMessages", "TalentChange", "GoldSpent", "BattleEnded", "MailSent")


def worker(number: int, **changed: object) -> WorkerStands:
    stands = WorkerStands(
        number=number,
        pid=4000 + number,
        state=RUNNING,
        since=NOW - 93_000,
        deaths=0,
        fresh=912_345,
        events=8_123_456,
        repeated=1_204,
        returned=0,
        last=NOW - 0.4,
        dead=0,
        trouble="",
    )
    return replace(stands, **changed)  # type: ignore[arg-type]


EMPTY = Standing(
    version="0.1.0",
    name="tokyo-1",
    started=NOW - 42,
    now=NOW,
    listen="127.0.0.1:8016",
    lines_listen="",
    connections=0,
    turned_away=0,
    pending_bytes=0,
    queue="segments",
    records=0,
    queue_bytes=0,
    oldest=0.0,
    lost=0,
    trouble="",
    store="sqlite:/var/lib/keeper/packets.db",
    inputs={name: Traffic() for name in INPUTS},
    answers=dict.fromkeys(CODES, 0),
    sources={"default": Traffic()},
    seen={"default": 0.0},
    workers=[worker(1, since=NOW - 40, fresh=0, events=0, repeated=0, last=0.0)],
    dead_records=0,
    dead_file="/var/lib/keeper/dead.jsonl",
    queue_most=1 << 30,
    silent_after={"default": 0.0},
    known_since={"default": NOW - 42},
)


def counted(sources: tuple[str, ...] = SOURCES, types: tuple[str, ...] = TYPES) -> list[tuple[int, str, str, int, int]]:
    """48 hours with days, nights, and one outage."""
    rng = random.Random(1)
    now_hour = int(NOW) // HOUR * HOUR
    counts = []
    for back in range(47, -1, -1):
        hour = now_hour - back * HOUR
        day = 1.2 + math.sin((hour / HOUR % 24 - 9) / 24 * 2 * math.pi)
        for place, source in enumerate(sources):
            if source == "shop" and 20 <= back <= 23:
                continue
            for kind_place, kind in enumerate(types):
                packets = int(day * rng.randint(200, 400) / (1 + place) / (1 + kind_place) * (0.5 if back == 0 else 1))
                if packets:
                    counts.append((hour, source, kind, packets, packets * rng.randint(4, 12)))
    return counts


def _times(bounds: tuple[float, ...], most: float) -> Spreading:
    spreading = Spreading(bounds)
    rng = random.Random(2)
    for _ in range(1000):
        spreading.took(rng.expovariate(4 / most))
    return spreading


LIVELY = replace(
    EMPTY,
    started=NOW - 93_600,
    lines_listen="0.0.0.0:1738",
    connections=67,
    pending_bytes=183_000,
    records=412,
    queue_bytes=1_840_112,
    oldest=NOW - 0.7,
    inputs={
        "thrift": Traffic(requests=1_204_441, packets=1_204_441, events=12_004_118, bytes=1_908_443_118),
        "json": Traffic(requests=80_112, packets=240_336, events=480_672, bytes=88_443_118),
        "lines": Traffic(requests=10_771, packets=32_313, events=10_771_553, bytes=1_108_443_118, wrong=41),
        "put": Traffic(requests=5_760, packets=5_760, events=1_152_000, bytes=74_000_100),
        "tcp": Traffic(requests=0, packets=0, events=0, bytes=0),
    },
    answers={**dict.fromkeys(CODES, 0), 200: 1_300_912, 400: 17, 401: 4, 404: 1_208, 408: 3, 503: 112},
    sources={
        name: Traffic(requests=300_000 // n, packets=370_000 // n, events=6_100_000 // n, bytes=820_443_118 // n)
        for n, name in enumerate(SOURCES, 1)
    },
    seen={"agent-tokyo": NOW - 0.2, "agent-osaka": NOW - 3, "shop": NOW - 4 * HOUR, "collectors": NOW - 14},
    silent_after=dict.fromkeys(SOURCES, 0.0),
    known_since=dict.fromkeys(SOURCES, NOW - 93_600),
    workers=[worker(1), worker(2, fresh=570_112, events=7_000_128, last=NOW - 1.2)],
    counts=counted(),
    durable=_times(DURABLE_BOUNDS, 0.01).spread(),
    stored=_times(STORE_BOUNDS, 0.1).spread(),
)

TROUBLE = replace(
    LIVELY,
    trouble="no space left on device: 12.0 MiB are free, 256.0 MiB must stay free (/var/lib/keeper/queue)",
    records=1_904_112,
    queue_bytes=1_048_000_000,
    oldest=NOW - 8_400,
    lost=4_096,
    turned_away=61,
    workers=[
        worker(1, trouble="the store is locked: database is locked (/var/lib/keeper/packets.db)", last=NOW - 8_300),
        worker(2, state=LOOPING, deaths=11, trouble="ended with signal 9", last=NOW - 9_000),
        worker(3, state=RESTING, deaths=2, returned=3, dead=7),
    ],
    dead_records=7,
    counts=(),
    counts_trouble="the store is locked: database is locked",
)

HOSTILE = "</title><script>alert(1)</script>'\"&"
NASTY = replace(
    LIVELY,
    name=HOSTILE,
    store=HOSTILE,
    trouble=HOSTILE,
    dead_file=HOSTILE,
    dead_records=1,
    queue=HOSTILE,
    version=HOSTILE,
    counts=counted((HOSTILE, "a"), (HOSTILE, "b\udcff", "x" * 200)),
    sources={HOSTILE: Traffic()},
    seen={HOSTILE: NOW - 60},
    silent_after={HOSTILE: 30.0},
    known_since={HOSTILE: NOW - 93_600},
    workers=[worker(1, trouble=HOSTILE)],
)
