"""How long nobody produces: A's host is killed at a random moment, in a schedule of 21; planned switches, in one of 5.

Real nodes, keepers and an etcd of three members, each on a host of its own. Beside each kill stands what the script
that operators used before would have done in the same minutes: it counts 250 answers of get_info, one a second, without
our producer, and then un-pauses the standby; so it loses every window of ours that begins until then.

What is counted goes on until who took over has signed a window: a switch happens in a gap between two, where no slot is
ours. In a schedule of five each switch has a window before and behind it within a minute.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from keeper.core.slots import CHAIN_EPOCH, SLOT_SECONDS, SLOTS_PER_WINDOW, scheduled, slot_of, window_of
from tests.failover.real.fleet import Fleet, fleet
from tests.peers.chain import kept_chain
from tests.peers.network import OURS, PRODUCERS

OTHERS = tuple(f"bp{letter}" for letter in "abcdefghijklmnopqrst")  # 20, and ours
KILLS, SWITCHES = 8, 20
PREDECESSOR = 260.0  # seconds until it un-pauses the standby
SHELF = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "keeper-bench"


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    producers = PRODUCERS if quick else (*OTHERS, OURS)
    SHELF.mkdir(parents=True, exist_ok=True)
    with fleet(directory / "kills", kept_chain(SHELF, producers), producers=producers) as hosts:
        hosts.begin("A", 3 * hosts.network.round_seconds + 60)
        yield from kills(hosts, 1 if quick else KILLS)
        hosts.check()
    with fleet(directory / "switches", kept_chain(SHELF, PRODUCERS)) as hosts:
        hosts.begin("A")
        yield from switches(hosts, 2 if quick else SWITCHES)
        hosts.check()
    yield Figure("two un-paused at once, by an observer at 20 Hz", "never", "never", True)


def kills(hosts: Fleet, count: int) -> Iterator[Figure]:
    """The host that produces loses its power; the other has to notice and take over."""
    took, lost, before = [], [], []
    for _ in range(count):
        active = hosts.producer()
        other = next(name for name in hosts.hosts if name != active)
        hosts.await_ready(other, 3 * hosts.network.round_seconds + 60)
        time.sleep(random.uniform(0, hosts.network.round_seconds))
        killed = time.time()
        with hosts.counting("host lost") as blocks:
            hosts[active].kill_all()
            took.append(hosts.await_producer(other, 120)[1])
            hosts.pass_window()
        lost.append(blocks())
        before.append(by_predecessor(hosts, killed))
        hosts.heal()
    yield Figure("un-paused again after the host was lost, worst", f"{max(took):.1f} s", "< 30 s", max(took) < 30.0)
    yield Figure("un-paused again after the host was lost, average", f"{sum(took) / count:.1f} s")
    yield Figure("blocks lost, worst", f"{max(lost)}", f"<= {SLOTS_PER_WINDOW}", max(lost) <= SLOTS_PER_WINDOW)
    yield Figure("blocks lost, all", f"{sum(lost)} in {count} kills: {lost}")
    yield Figure("blocks the predecessor loses in the same minutes", f"{sum(before)}: {before}")


def by_predecessor(hosts: Fleet, killed: float) -> int:
    """Our slots from the kill until the script would have un-paused the standby."""
    schedule = hosts.network.producers
    signed = [CHAIN_EPOCH + one.slot * SLOT_SECONDS for one in hosts.observer.signed()]
    last = max((at for at in signed if at <= killed), default=killed)
    slots = range(slot_of(killed), slot_of(last + PREDECESSOR))
    return sum(scheduled(window_of(slot), schedule) == OURS for slot in slots)


def switches(hosts: Fleet, count: int) -> Iterator[Figure]:
    lost, took = [], []
    for _ in range(count):
        other = next(name for name in hosts.hosts if name != hosts.producer())
        hosts.await_ready(other, 3 * hosts.network.round_seconds + 60)
        time.sleep(random.uniform(0, 10))
        began = time.monotonic()
        with hosts.counting(f"switch to {other}") as blocks:
            hosts.switch_to(other)
            took.append(time.monotonic() - began)
            hosts.pass_window()
        lost.append(blocks())
    good = sum(not blocks for blocks in lost)
    yield Figure("planned switches without a lost block", f"{good} of {count}", f"{count} of {count}", good == count)
    yield Figure("a planned switch, with waiting for the gap, worst", f"{max(took):.1f} s")
