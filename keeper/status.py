"""What keeper knows at one moment, as plain values: the JSON of /api/v1/status, the page and `keeper status` show it.

Pure: built by the loop from its own memory, handed to the server as a finished value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keeper.core.alert import Alert, Phase
from keeper.core.event import InfoAnswer, PacketAnswered, PausedAnswer, PeerCount, WindowClosed
from keeper.core.memory import Memory
from keeper.core.slots import FULL_WINDOW
from keeper.core.verdict import FOREVER, State
from keeper.delivery.arrears import ACCEPTED
from keeper.delivery.delivery import Delivery
from keeper.delivery.parcel import Stand
from keeper.rules.judge import Judged
from keeper.runtime.clock import iso

MINUTES_SHOWN = 60  # of an agent's answers
WINDOWS_SHOWN = 42  # two rounds of a schedule of 21


def subject_status(
    memory: Memory,
    judged: Mapping[str, Judged],
    alerts: Mapping[str, Alert],
    strips: Mapping[str, Sequence[tuple[float, State]]],
    now: float,
    delivery: Delivery | None = None,
) -> dict[str, Any]:
    """One subject: its facts, sources, windows and verdicts; an agent's delivery."""
    subject = memory.subject
    return {
        "name": subject.name,
        "kind": subject.kind,
        "role": subject.role if subject.kind == "node" else None,
        "producers": sorted(subject.producers),
        "state": worst(judged.values()),
        "facts": node_facts(memory, now) if subject.kind == "node" else {},
        "sources": [
            {
                "source": source,
                "up": sight.blind(now) is None,
                "since": iso(sight.since),
                "reason": sight.blind(now) or "",
            }
            for source, sight in memory.sights.items()
        ],
        "delivery": None if delivery is None else delivery_facts(memory, delivery, now),
        "windows": windows(memory) if subject.kind == "node" else [],
        "rules": [
            rule_status(judged[name], alerts.get(name), strips.get(name, ()))
            for name in judged
            if judged[name].verdict.state is not State.UNKNOWN or judged[name].verdict.until != FOREVER
        ],
    }


def rule_status(judged: Judged, alert: Alert | None, strip: Sequence[tuple[float, State]]) -> dict[str, Any]:
    return {
        "rule": judged.rule.name,
        "state": judged.verdict.state.value,
        "since": iso(judged.since),
        "reason": judged.verdict.reason,
        "number": judged.verdict.number,
        "severity": judged.rule.severity,
        "alert": alert.phase.value if alert is not None else Phase.INACTIVE.value,
        "held": alert.held if alert is not None else None,
        "history": [[iso(at), state.value] for at, state in strip],
    }


def worst(judged: Iterable[Judged]) -> str:
    """`failing` if any rule fails, else `unknown` if any that could know does not, else `ok`."""
    states = {j.verdict.state for j in judged if j.verdict.until != FOREVER or j.verdict.state is not State.UNKNOWN}
    if State.FAILING in states:
        return State.FAILING.value
    return State.UNKNOWN.value if State.UNKNOWN in states else State.OK.value


def node_facts(memory: Memory, now: float) -> dict[str, Any]:
    """Head, LIB, peers and so on; None for what is not known."""
    chain = memory.chain
    info = memory.ring(InfoAnswer).last
    paused = memory.ring(PausedAnswer).last
    peers = memory.ring(PeerCount).last
    own = [signed for producer, signed in chain.signed.items() if producer in chain.ours]
    last_own = max(own, key=lambda signed: signed.slot_time, default=None)
    return {
        "head": chain.head,
        "head_time": iso(chain.head_time) if chain.head is not None else None,
        "head_age": round(now - chain.head_time, 1) if chain.head is not None else None,
        "lib": chain.lib,
        "version": info.version if isinstance(info, InfoAnswer) else None,
        "chain_id": info.chain_id if isinstance(info, InfoAnswer) else None,
        "peers": peers.clients + peers.peers if isinstance(peers, PeerCount) else None,
        "paused": paused.paused if isinstance(paused, PausedAnswer) else None,
        "schedule": list(chain.schedule.producers),
        "own_block": last_own.number if last_own else None,
        "own_block_time": iso(last_own.slot_time) if last_own else None,
        "own_block_age": round(now - last_own.slot_time, 1) if last_own else None,
    }


def delivery_facts(memory: Memory, delivery: Delivery, now: float) -> dict[str, Any]:
    """What an agent sends and what of it has not arrived; a bar for each of the last minutes."""
    arrears = delivery.arrears
    stands = {stand.value: arrears.totals(stand).packets for stand in Stand}
    oldest = arrears.oldest()
    answered = memory.rings.get(PacketAnswered)
    minutes: dict[int, list[int]] = {int(now // 60) - age: [0, 0] for age in reversed(range(MINUTES_SHOWN))}
    for event in reversed(answered) if answered is not None else ():
        minute = minutes.get(int(event.at // 60))
        if minute is None:
            break
        minute[not (isinstance(event, PacketAnswered) and event.code == ACCEPTED)] += 1
    return {
        **stands,
        "events": arrears.totals(Stand.DUE).events + arrears.totals(Stand.HELD).events,
        "oldest": iso(oldest.at) if oldest else None,
        "oldest_age": round(now - oldest.at, 1) if oldest else None,
        "resending": delivery.running,
        "why_not": delivery.why_not(now) or "",
        "forgotten": arrears.forgotten,
        "skipped": arrears.skipped,
        "unpairable": arrears.unpaired + arrears.without_id,
        "minutes": [[iso(minute * 60.0), *counts] for minute, counts in minutes.items()],
    }


def windows(memory: Memory) -> list[dict[str, Any]]:
    """The newest closed windows, oldest first; `slots` is twelve characters, # for a block and . for none."""
    ring = memory.rings.get(WindowClosed)
    shown = []
    for event in reversed(ring) if ring is not None else ():
        if isinstance(event, WindowClosed):
            marks = "".join("#" if event.slots >> place & 1 else "." for place in range(FULL_WINDOW.bit_length()))
            shown.append({"start": iso(event.start), "producer": event.producer, "slots": marks})
        if len(shown) == WINDOWS_SHOWN:
            break
    shown.reverse()
    return shown
