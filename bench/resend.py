"""Resending beside a live agent, in virtual time: `adaptive` against `classic`, against a model of the server.

    python -m bench.resend [SEED]

The server takes 800 events a second, one packet after the other; the live agent sends 160 events a second, as a burst
of packets on each tick, as statistic_agent does. Prints throughput, live answer times, and probes during a stall.
"""

from __future__ import annotations

import heapq
import random
import sys
from dataclasses import dataclass, field
from math import inf

from keeper.delivery.outcome import Result
from keeper.delivery.pacing import Adaptive, Answered, Classic, Pacing

RATE = 800.0  # events a second
LIVE_PACKETS = 8  # a tick
LIVE_EVENTS = (8, 32)  # of each: 20 on average, 160 a second
PACKET_EVENTS = (1, 40)  # of those resent
TRIP = 0.01  # seconds to the server and back
TIMEOUT = 300.0


@dataclass
class Run:
    """What one simulated run came to. Times in seconds."""

    seconds: float
    events: int = 0
    packets: int = 0
    live: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        return self.events / self.seconds

    @property
    def live_p95(self) -> float:
        return sorted(self.live)[int(len(self.live) * 0.95)]


def simulate(
    pacing: Pacing | None, seed: int, seconds: float = 300.0, workers: int = 1, stall: tuple[float, float] | None = None
) -> Run:
    """Play the server, the live agent and, unless `pacing` is None, the resender. While it stalls the server takes
    connections and answers nothing; `stall` is from when to when."""
    chance = random.Random(seed)
    run = Run(seconds)
    free = [0.0] * workers  # when each worker of the server is free
    happenings: list[tuple[float, int, str, float, int]] = []  # time, tie, what, begun, events
    tie = 0

    def push(at: float, what: str, begun: float, events: int) -> None:
        nonlocal tie
        tie += 1
        heapq.heappush(happenings, (at, tie, what, begun, events))

    def serve(now: float, what: str, events: int) -> None:
        begins = max(now + TRIP / 2, heapq.heappop(free))
        if stall and stall[0] <= begins < stall[1]:
            begins = stall[1]
        ends = begins + events * workers / RATE
        if stall and begins < stall[0] < ends:
            ends += stall[1] - stall[0]
        heapq.heappush(free, ends)
        push(ends + TRIP / 2, what, now, events)

    for tick in range(int(seconds)):
        for _ in range(LIVE_PACKETS):
            push(tick + chance.uniform(0, 0.005), "send", 0.0, chance.randint(*LIVE_EVENTS))
    if pacing is not None:
        push(0.0, "look", 0.0, 0)
    looking = 0.0
    while happenings:
        now, _, what, begun, events = heapq.heappop(happenings)
        if now > seconds:
            break
        if what == "send":
            serve(now, "live", events)
        elif what == "live":
            run.live.append(now - begun)
        elif pacing is not None:
            if what == "answer":
                run.events += events
                run.packets += 1
                pacing = pacing.answered(Answered(begun, events, Result.ACCEPTED), now)
            while pacing.opens(now) <= now:
                pacing = pacing.started(now)
                run.starts.append(now)
                serve(now, "answer", chance.randint(*PACKET_EVENTS))
            opens = pacing.opens(now)
            if opens < inf and (opens < looking or looking <= now):
                looking = opens
                push(opens, "look", 0.0, 0)
    return run


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}; {RATE:.0f} events/s, of which the live agent takes 160; 300 s")
    for workers in (1, 4):
        quiet = simulate(None, seed, workers=workers)
        classic = simulate(Classic(), seed, workers=workers)
        adaptive = simulate(Adaptive(), seed, workers=workers)
        print(f"server with {workers} worker{'s' if workers > 1 else ''}")
        print(f"  without resend  live p95 {quiet.live_p95 * 1000:6.0f} ms")
        for name, run in (("classic", classic), ("adaptive", adaptive)):
            slower = run.live_p95 / quiet.live_p95
            print(
                f"  {name:<14}  live p95 {run.live_p95 * 1000:6.0f} ms ({slower:.2f}x)  {run.throughput:5.0f} events/s"
            )
        print(f"  adaptive / classic: {adaptive.throughput / classic.throughput:.1f}x the throughput")
    stalled = simulate(Adaptive(), seed, stall=(120.0, 180.0))
    probes = sum(121.0 <= start < 180.0 for start in stalled.starts)
    print(f"a stall of 60 s: {probes} probes meanwhile")


if __name__ == "__main__":
    main()
