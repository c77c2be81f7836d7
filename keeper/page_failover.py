"""The part of the page about who produces."""

from __future__ import annotations

from html import escape
from typing import Any

COLOURS = {"producing": "ok", "standby": "ok", "suspended": "unknown", "fence_failed": "failing"}
SEEN = {True: "un-paused", False: "paused", None: "not known"}


def render_failover(failover: dict[str, Any]) -> str:
    """Empty where no failover is configured."""
    if not failover:
        return ""
    state = failover["state"]
    pill = f"<span class='pill {COLOURS.get(state, 'unknown')}'>{escape(state)}</span>"
    shown = {
        "node": SEEN[failover["observed"]],
        "wanted": "to produce" if failover["wanted"] else "paused",
        "lease": _lease(failover),
        "hosts": ", ".join(f"{host} ({role})" for host, role in sorted(failover["hosts"].items())) or None,
        "automation": _automation(failover["automation_paused"]),
        "takeovers": f"{failover['takeovers']} of {failover['fuse']}",
        "last drill": _drill(failover["last_drill"]),
    }
    spans = "".join(
        f"<span><span class=dim>{name}</span> <b>{escape(str(value))}</b></span>"
        for name, value in shown.items()
        if value is not None
    )
    troubles = "".join(f"<p class=firing>{escape(trouble)}</p>" for trouble in failover["troubles"])
    why = f"<div>{escape(failover['why'])} <span class=dim>since {escape(failover['since'][11:19])}</span></div>"
    against = "".join(f"<li>{escape(sentence)}" for _, sentence in failover["against"])
    why_not = f"<div class=dim>it does not take over, because<ul>{against}</ul></div>" if against else ""
    return (
        f"<h2>who produces: {escape(failover['host'])} role {escape(failover['role'])} {pill}</h2>{troubles}{why}"
        f"<div class=facts>{spans}</div>{why_not}<p class=dim>The promise: {escape(failover['promise'])}.</p>"
    )


def _lease(failover: dict[str, Any]) -> str | None:
    if not failover["lease"]:
        return "none: best effort"
    holder = failover["holder"]
    if holder is None:
        return "not known"
    until = f" until {failover['lease_until'][11:19]}" if failover["lease_until"] else ""
    return f"{holder or 'nobody'}{until}, epoch {failover['epoch']}"


def _automation(paused: str | None) -> str:
    return "not known" if paused is None else f"paused: {paused}" if paused else "on"


def _drill(drill: dict[str, Any] | None) -> str:
    if drill is None:
        return "never"
    return f"{drill['at'][:16]} {drill['kind']}, {'good' if drill['good'] else 'BAD'}"
