"""The parts of the receiver's page: what came, and how what takes it in fares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from keeper.receiver.chart import COLOURS, OTHERS, Series, legend, stacked
from keeper.receiver.spread import DURABLE_BOUNDS, STORE_BOUNDS
from keeper.receiver.standing import COUNTED_HOURS, LOOPING, RESTING, RUNNING
from keeper.receiver.stores.store import HOUR
from keeper.receiver.words import filled, silent, span

MOST = 30  # types and sources beyond these are summed up
MEANING = {
    200: "taken, durable",
    400: "not a packet, or not a line",
    401: "no or wrong token, user or network",
    404: "no such path",
    405: "no such method there",
    408: "not whole in time",
    411: "no length given",
    413: "too large",
    415: "no such type or encoding of content",
    429: "not taken now: queue or disk full",
    431: "head too large",
    500: "a fault of keeper's",
    503: "not taken now: queue away, or too much in memory",
}
PILLS = {RUNNING: "ok", RESTING: "unknown", LOOPING: "failing"}


def came(standing: dict[str, Any]) -> str:
    """Counts over time, by type and by source."""
    parts = [f"<h2>what came <span class=dim>into the store, the last {COUNTED_HOURS} hours</span></h2>"]
    counts = standing["counts"]
    if counts:
        first = int(standing["now"]) // HOUR * HOUR - (COUNTED_HOURS - 1) * HOUR
        packets, events = _by_source(counts, first, 3), _by_source(counts, first, 4)
        parts.append(f"<div class=charts>{stacked('packets an hour', first, packets)}")
        parts.append(f"{stacked('events an hour', first, events)}</div>{legend(packets)}")
        parts.append(_types(counts))
    else:
        why = standing["counts_trouble"] or "nothing yet"
        parts.append(f"<p class=dim>{escape(why)}</p>")
    parts.append(_sources(standing))
    return "".join(parts)


def inside(standing: dict[str, Any]) -> str:
    """Queue and store, workers, inputs and answers."""
    return f"{_flow(standing)}{_workers(standing)}{_inputs(standing)}{_answers(standing)}"


def _by_source(counts: Sequence[Sequence[Any]], first: int, column: int) -> list[Series]:
    """The largest sources each with a colour, all others with one."""
    sums: Counter[str] = Counter()
    for count in counts:
        sums[count[1]] += count[4]
    named = [name for name, _ in sums.most_common(len(COLOURS))]
    numbers = {name: [0] * COUNTED_HOURS for name in [*named, ""]}
    for count in counts:
        place = (count[0] - first) // HOUR
        if 0 <= place < COUNTED_HOURS:
            numbers[count[1] if count[1] in numbers else ""][place] += count[column]
    series = [Series(name, colour, numbers[name]) for name, colour in zip(named, COLOURS, strict=False)]
    others = len(sums) - len(named)
    return [*series, Series(f"{others} more", OTHERS, numbers[""])] if others else series


def _types(counts: Sequence[Sequence[Any]]) -> str:
    packets: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for _, _, kind, some_packets, some_events in counts:
        packets[kind] += some_packets
        events[kind] += some_events
    most = max(events.values())
    rows = [
        [_name(kind), _number(packets[kind]), _number(number), f"<td class=bar>{_bar(number, most)}"]
        for kind, number in events.most_common(MOST)
    ]
    if rest := events.most_common()[MOST:]:
        both = sum(packets[kind] for kind, _ in rest), sum(number for _, number in rest)
        rows.append([f"<td class=dim>{len(rest):,} more types", *map(_number, both), "<td>"])
    return table(["type", "#packets", "#events", ""], rows)


def _sources(standing: dict[str, Any]) -> str:
    """Since the receiver started. Those that are silent for too long stand first, then the one that was heard last;
    those never heard stand last."""
    seen, quiet, after = standing["seen"], silent(standing), standing["silent_after"]
    heard = sorted(standing["sources"], key=lambda name: (name not in quiet, -seen.get(name, 0), name))
    rows = [
        [
            _name(name),
            _heard(seen.get(name, 0), standing["now"], name in quiet),
            f"<td class='since dim'>{span(after[name]) if after.get(name) else ''}",
            *_traffic(standing["sources"][name]),
        ]
        for name in heard[:MOST]
    ]
    if more := heard[MOST:]:
        rows.append([f"<td class=dim>{len(more):,} more that were heard less lately", *["<td>"] * 7])
    head = ["source", "last heard", "silent after", "#requests", "#packets", "#events", "#received", "#left out"]
    return f"<h2>sources <span class=dim>since the receiver started</span></h2>{table(head, rows)}"


def _inputs(standing: dict[str, Any]) -> str:
    rows = [[_name(name), *_traffic(one)] for name, one in standing["inputs"].items()]
    head = ["input", "#requests", "#packets", "#events", "#received", "#lines left out"]
    return f"<h2>inputs</h2>{table(head, rows)}"


def _answers(standing: dict[str, Any]) -> str:
    given = {int(code): number for code, number in standing["answers"].items()}
    rows = [
        [f"<td>{code}", _number(number), f"<td class=dim>{escape(MEANING.get(code, ''))}"]
        for code, number in sorted(given.items())
        if number or code == 200
    ]
    return f"<h2>answers by HTTP</h2>{table(['code', '#times', ''], rows)}"


def _flow(standing: dict[str, Any]) -> str:
    share = filled(standing)
    shown = {
        "waiting": f"{standing['records']:,}",
        "the oldest": _age(standing["oldest"], standing["now"]) if standing["records"] else "",
        "queue": standing["queue"],
        "holds": size(standing["queue_bytes"]) + (f" ({share:.0%})" if share is not None else ""),
        "durable within": within(standing["durable"]["counts"], DURABLE_BOUNDS),
        "stored within": within(standing["stored"]["counts"], STORE_BOUNDS),
        "store": standing["store"],
        "dead letters": f"{standing['dead_records']:,} in {standing['dead_file']}"
        if standing["dead_records"]
        else "none",
        "connections": f"{standing['connections']:,}",
        "in memory": size(standing["pending_bytes"]),
        "listens on": standing["listen"],
        "and for lines on": standing["lines_listen"],
    }
    spans = " ".join(
        f"<span><span class=dim>{name}</span> <b>{escape(str(value))}</b></span>"
        for name, value in shown.items()
        if value
    )
    return f"<h2>queue and store</h2><div class=facts>{spans}</div>"


def _workers(standing: dict[str, Any]) -> str:
    now = standing["now"]
    rows = [
        [
            f"<td>{one['number']}",
            f"<td><span class='pill {PILLS.get(one['state'], 'failing')}'>{one['state'].replace('_', ' ')}</span>",
            _ago(one["since"], now, ""),
            *(_number(one[key]) for key in ("deaths", "fresh", "events", "repeated", "returned", "dead")),
            _ago(one["last"], now),
            f"<td class=why>{escape(one['trouble'])}",
        ]
        for one in standing["workers"]
    ]
    head = [
        "worker",
        "state",
        "for",
        "#ends",
        "#stored",
        "#events",
        "#repeated",
        "#ids again",
        "#dead",
        "last stored",
        "",
    ]
    return f"<h2>workers</h2>{table(head, rows)}" if rows else ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Heads of columns of numbers begin with #; rows hold whole cells."""
    heads = "".join(f"<th class=num>{name[1:]}" if name.startswith("#") else f"<th>{name}" for name in head)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{heads}</tr>{body}</table></div>"


def within(counts: Sequence[int], bounds: Sequence[float]) -> str:
    """The bound that 99 of 100 stay under; empty as long as there are none."""
    total = sum(counts)
    under = 0
    for number, bound in zip(counts, bounds, strict=False):
        under += number
        if total and under >= total * 0.99:
            return f"{bound * 1000:g} ms" if bound < 1 else f"{bound:g} s"
    return f"more than {bounds[-1]:g} s" if total else ""


def size(number: int) -> str:
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:,.1f} {unit}"


def _traffic(one: dict[str, int]) -> list[str]:
    return [*(_number(one[key]) for key in ("requests", "packets", "events")), f"<td class=num>{size(one['bytes'])}",
            _number(one["wrong"])]  # fmt: skip


def _name(name: str) -> str:
    return f"<td class=name>{escape(name)}"


def _number(number: int) -> str:
    return f"<td class=num>{number:,}"


def _age(at: float, now: float) -> str:
    return span(now - at) if at else ""


def _ago(at: float, now: float, suffix: str = " ago") -> str:
    if not at:
        return "<td class='since dim'>never"
    return f"<td class=since>{span(now - at)}{suffix}"


def _heard(at: float, now: float, too_long_ago: bool) -> str:
    if not too_long_ago:
        return _ago(at, now)
    return f"<td class=since><span class='pill failing'>{f'{span(now - at)} ago' if at else 'never'}</span>"


def _bar(number: int, most: int) -> str:
    return f"<i style='width:{100 * number / most if most else 0:.1f}%'></i>"
