"""The part of the page about collector scripts."""

from __future__ import annotations

from html import escape
from typing import Any

COLOURS = {
    "waiting": "ok", "running": "ok", "retired": "unknown", "disabled": "unknown", "stopping": "unknown",
    "killing": "unknown",
}  # fmt: skip
MOST = 100  # well ones beyond these are only counted


def render_collectors(collectors: dict[str, Any]) -> str:
    """Empty where none are configured. Those that do not work stand first."""
    if not collectors:
        return ""
    found = collectors["collectors"]
    ordered = sorted(found, key=lambda one: (COLOURS.get(one["stage"]) == "ok" and not one["rejected"], one["name"]))
    rows = "".join(_row(one) for one in ordered[:MOST])
    more = f"<p class=dim>and {len(found) - MOST} more that are well</p>" if len(found) > MOST else ""
    complaints = "".join(f"<p class=firing>{escape(text)}</p>" for text in collectors["complaints"])
    head = "<tr><th>script<th>every<th>stage<th>since<th>runs<th>points<th>series<th>rejected<th></tr>"
    out = _out(collectors.get("out"))
    return (
        f"<h2>collector scripts <span class=dim>{len(found)}, {collectors['series']:,} series</span></h2>"
        f"{complaints}{out}<table>{head}{rows}</table>{more}"
    )


def _row(one: dict[str, Any]) -> str:
    pill = f"<span class='pill {COLOURS.get(one['stage'], 'failing')}'>{escape(one['stage'])}</span>"
    every = f"{one['interval']:g} s" if one["interval"] else "runs on"
    rejected = sum(one["rejected"].values())
    words = [escape(one["why"])] if one["why"] else []
    if one["bad"]:
        reason, line, why = one["bad"]
        words.append(f"<span class=dim>{escape(reason)}:</span> <code>{escape(line)}</code> {escape(why)}")
    numbers = "".join(f"<td class=num>{number:,}" for number in (one["runs"], one["points"], one["series"], rejected))
    return (
        f"<tr><td>{escape(one['name'])}<td class=num>{every}<td>{pill}<td class=num>{escape(one['since'][11:19])}"
        f"{numbers}<td>{'<br>'.join(words)}</tr>"
    )


def _out(out: dict[str, Any] | None) -> str:
    """Where the points go beside Prometheus."""
    if not out:
        return ""
    up = "ok" if out["up"] else "failing"
    where = f"<span class='pill {up}'>{escape(out['host'] or 'no host')}</span>"
    shown = {
        "sent": f"{out['sent']:,}", "waiting": f"{out['waiting']:,}", "refused": f"{out['refused']:,}",
        "dropped": f"{out['dropped']:,}",
    }  # fmt: skip
    spans = "".join(f"<span><span class=dim>{name}</span> <b>{value}</b></span>" for name, value in shown.items())
    why = f"<p class=firing>OpenTSDB: {escape(out['why'])}</p>" if out["why"] else ""
    last = f"<p class=dim>last refused: {escape(out['last_refused'])}</p>" if out["last_refused"] else ""
    return f"<div class=facts><span><span class=dim>OpenTSDB</span> {where}</span>{spans}</div>{why}{last}"
