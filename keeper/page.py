"""The status page: one status value in, one HTML text out. No scripts, nothing loaded from anywhere."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any

from keeper.page_collectors import render_collectors
from keeper.page_failover import render_failover
from keeper.page_style import STYLE

REFRESH_SECONDS = 3
STRIP_SECONDS = 1800
STRIP_WIDTH = 240
ANSWERS_HEIGHT = 36


def render(status: dict[str, Any]) -> str:
    """The whole page for one status."""
    keeper = status["keeper"]
    subjects = status["subjects"]
    states = [s["state"] for s in subjects]
    overall = "failing" if "failing" in states else "unknown" if "unknown" in states else "ok"
    words = {"ok": "all well", "failing": "something is wrong", "unknown": "not everything can be seen"}
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<meta http-equiv=refresh content={REFRESH_SECONDS}><meta name=viewport content='width=device-width'>",
        f"<title>{escape(overall)}: keeper {escape(keeper['name'])}</title><style>{STYLE}</style>",
        f"<h1>keeper {escape(keeper['name'])} <span class='pill {overall}'>{words[overall]}</span> "
        f"<span class=dim>{escape(keeper['now'][:19])} UTC</span></h1>",
    ]
    parts += [_alert(alert) for alert in status["alerts"]]
    parts += [f"<p class=firing>{escape(trouble)}</p>" for trouble in keeper["troubles"]]
    parts.append(render_failover(status["failover"]))
    parts.append(render_collectors(status["collectors"]))
    for subject in subjects:
        parts.append(_subject(subject, keeper["now"]))
    parts.append(_targets(status["targets"]))
    parts.append(_silences(status["silences"]))
    parts.append(_journal(status["journal"]))
    parts.append(
        f"<p class=dim>keeper {escape(keeper['version'])}, up since {escape(keeper['started'][:19])} UTC. "
        "Also: <a href=/metrics>/metrics</a>, <a href=/api/v1/status>/api/v1/status</a></p></html>"
    )
    return "\n".join(parts)


def _alert(alert: dict[str, Any]) -> str:
    held = f" <span class=dim>(held back: {escape(alert['held'])})</span>" if alert["held"] else ""
    return (
        f"<div class=firing><b>{escape(alert['subject'])}: {escape(alert['rule'])}</b> "
        f"<span class=dim>{escape(alert['phase'])}, {escape(alert['severity'])}, since "
        f"{escape(alert['started'][11:19])}</span>{held}<br>{escape(alert['reason'])}</div>"
    )


def _subject(subject: dict[str, Any], now: str) -> str:
    kind = subject["kind"]
    name = kind if kind == subject["name"] else f"{kind} {subject['name']}"
    role = f" role {escape(subject['role'])}" if subject["role"] else ""
    ours = f" <span class=dim>{escape(', '.join(subject['producers']))}</span>" if subject["producers"] else ""
    rows = "".join(_rule(rule, now) for rule in subject["rules"])
    sources = " ".join(
        f"<span class='pill {'ok' if s['up'] else 'failing'}'>{escape(s['source'])}</span>"
        + ("" if s["up"] else f" <span class=dim>{escape(s['reason'])}</span>")
        for s in subject["sources"]
    )
    return (
        f"<h2>{escape(name)}{role} "
        f"<span class='pill {subject['state']}'>{subject['state']}</span>{ours}</h2>"
        f"{_facts(subject['facts'])}{_delivery(subject['delivery'])}<div>{sources}</div>"
        f"{_windows(subject['windows'], subject['producers'])}"
        f"<table><tr><th>rule<th>state<th>since<th>reason<th>last 30 min</tr>{rows}</table>"
    )


def _facts(facts: dict[str, Any]) -> str:
    shown = {
        "head": facts.get("head"),
        "LIB": facts.get("lib"),
        "head age": _seconds(facts.get("head_age")),
        "peers": facts.get("peers"),
        "paused": {True: "yes", False: "no"}.get(facts.get("paused")),  # type: ignore[arg-type]
        "our last block": _seconds(facts.get("own_block_age"), " ago"),
        "version": facts.get("version"),
    }
    spans = [
        f"<span><span class=dim>{name}</span> <b>{escape(f'{value:,}' if isinstance(value, int) else str(value))}</b>"
        "</span>"
        for name, value in shown.items()
        if value is not None
    ]
    return f"<div class=facts>{''.join(spans)}</div>" if spans else ""


def _delivery(delivery: dict[str, Any] | None) -> str:
    """An agent's backlog, why it is not being sent again, and the answers of the last hour as bars."""
    if delivery is None:
        return ""
    shown = {
        "open": delivery["open"],
        "due": delivery["due"],
        "held": delivery["held"],
        "refused": delivery["refused"],
        "events undelivered": delivery["events"],
        "oldest": _seconds(delivery["oldest_age"], " ago"),
    }
    spans = "".join(
        f"<span><span class=dim>{name}</span> <b>{escape(f'{value:,}' if isinstance(value, int) else str(value))}</b>"
        "</span>"
        for name, value in shown.items()
        if value is not None
    )
    word = "being sent again" if delivery["resending"] else "not sent again: " + delivery["why_not"]
    state = f"<span class=dim>{escape(word)}</span>" if delivery["due"] or delivery["held"] else ""
    return f"<div class=facts>{spans}</div><div>{state}</div>{_answers(delivery['minutes'])}"


def _answers(minutes: list[list[Any]]) -> str:
    """A bar a minute: accepted below, not accepted on top, in the colours of the verdicts."""
    most = max((accepted + failed for _, accepted, failed in minutes), default=0)
    if not most:
        return ""
    bars = []
    for place, (at, accepted, failed) in enumerate(minutes):
        good, bad = ANSWERS_HEIGHT * accepted / most, ANSWERS_HEIGHT * failed / most
        top = ANSWERS_HEIGHT - good
        bars.append(
            f"<g><title>{escape(at[11:16])}: {accepted} accepted, {failed} not</title>"
            f"<rect x={place * 6} y={top:.1f} width=5 height={good:.1f} fill='var(--ok)'/>"
            f"<rect x={place * 6} y={top - bad:.1f} width=5 height={bad:.1f} fill='var(--failing)'/></g>"
        )
    width = 6 * len(minutes)
    return (
        f"<svg class=answers width={width} height={ANSWERS_HEIGHT} role=img aria-label='answers in the last hour'>"
        f"{''.join(bars)}</svg><span class=dim>answers in the last hour, a bar a minute: accepted, and not</span>"
    )


def _seconds(value: float | None, suffix: str = "") -> str | None:
    return None if value is None else f"{value:,.1f} s{suffix}"


def _windows(windows: list[dict[str, Any]], ours: list[str]) -> str:
    """A picture of the last windows: a bar of twelve slots each, ours with a frame."""
    drawn = []
    for window in windows:
        cells = "".join(
            f"<rect x={place * 4} y=0 width=3 height=14 fill='{'var(--ok)' if mark == '#' else 'var(--failing)'}'/>"
            for place, mark in enumerate(window["slots"])
        )
        own = window["producer"] in ours
        frame = "<rect x=-2 y=-2 width=51 height=18 fill=none stroke=currentColor />" if own else ""
        signed = window["slots"].count("#")
        drawn.append(
            f"<svg width=54 height=30 viewBox='-3 -3 54 30' role=img>"
            f"<title>{escape(window['producer'])} {escape(window['start'][11:19])}: {signed} of 12 blocks</title>"
            f"{cells}{frame}<text x=0 y=25 font-size=8 fill=currentColor>{escape(window['producer'])}</text></svg>"
        )
    return f"<div class=windows>{''.join(drawn)}</div>" if drawn else ""


def _rule(rule: dict[str, Any], now: str) -> str:
    held = f" <span class=dim>({escape(rule['held'])})</span>" if rule["held"] else ""
    return (
        f"<tr><td>{escape(rule['rule'])}<td><span class='pill {rule['state']}'>{rule['state']}</span>{held}"
        f"<td class=num>{escape(rule['since'][11:19])}<td>{escape(rule['reason'])}<td>{_strip(rule, now)}</tr>"
    )


def _strip(rule: dict[str, Any], now: str) -> str:
    """The rule's states over the last half hour as a coloured strip, newest at the right."""
    end = _epoch(now)
    begin = end - STRIP_SECONDS
    scale = STRIP_WIDTH / STRIP_SECONDS
    history = [(_epoch(at), state) for at, state in rule["history"]]
    rects = []
    for index, (at, state) in enumerate(history):
        until = history[index + 1][0] if index + 1 < len(history) else end
        if until > begin:
            left = (max(at, begin) - begin) * scale
            width = max((until - max(at, begin)) * scale, 1)
            rects.append(f"<rect x={left:.1f} width={width:.1f} height=10 fill='var(--{state})'/>")
    return f"<svg width={STRIP_WIDTH} height=10>{''.join(rects)}</svg>"


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _targets(targets: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(t['target'])}<td>{t['sent']:,}<td>{t['failed']:,}<td>{t['waiting']:,}"
        f"<td>{escape(t['error'] or '')}</tr>"
        for t in targets
    )
    head = "<h2>where alerts go</h2><table><tr><th>target<th>accepted<th>failed<th>waiting<th>last error</tr>"
    return f"{head}{rows}</table>" if rows else ""


def _silences(silences: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(s['until'][:19])}<td>{escape(s['subject'] or 'all')}<td>{escape(s['rule'] or 'all')}"
        f"<td>{escape(s['why'])}</tr>"
        for s in silences
    )
    return f"<h2>silences</h2><table><tr><th>until<th>of<th>rule<th>why</tr>{rows}</table>" if rows else ""


def _journal(entries: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td class=num>{escape(e['at'][:19])}<td>{escape(e['subject'])}<td>{escape(e['kind'])}"
        f"<td>{escape(e['text'])}</tr>"
        for e in entries
    )
    return f"<h2>journal</h2><table>{rows}</table>" if rows else ""
