"""The plan and the outcome of a resend, for a person."""

from __future__ import annotations

from keeper.delivery.account import Account, reasons
from keeper.delivery.plan import Plan, classic_seconds
from keeper.delivery.sender import Told
from keeper.settings import AgentSettings

BAR = 12  # characters


def span(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`"""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def plan_lines(plan: Plan, settings: AgentSettings, target: str) -> list[str]:
    account = plan.account
    lines = [f"{account.collected:,} packets collected"]
    lines += [f"  {account.wrong_lines:>9,}  wrong lines"] if account.wrong_lines else []
    lines += [f"             {sentence}" for sentence in account.wrong]
    lines += [f"  {account.delivered_before:>9,}  already sent"] if account.delivered_before else []
    lines += [f"  {account.repeated:>9,}  repeated: stand more than once in the collection"] if account.repeated else []
    lines += reasons("type skipped", account.skipped)
    lines += reasons("rejected: unknown type", account.unknown_types)
    lines += reasons("rejected", account.rejected)
    lines += reasons("held", account.held)
    events = account.planned.total()
    lines.append(f"to send to {target}: {account.planned_packets:,} packets, {events:,} events")
    for key, count in account.planned.most_common():
        lines.append(f"  {count:>9,}  {key} in {account.packets_by_type[key]:,} packets")
    if account.planned_packets:
        classic = classic_seconds(plan, settings)
        if settings.pacing == "classic":
            lines.append(f"estimated time: {span(classic)} (classic pacing, if the server answers soon)")
        else:
            lines.append(
                f"estimated time: {span(classic / 8)} if the server has room, at most {settings.in_flight} in flight "
                f"(classic pacing: {span(classic)})"
            )
    return lines


def summary_lines(account: Account, seconds: float, unrecorded: int) -> list[str]:
    """As the old tool ends, and with a line that adds up."""
    refused, rejected = account.refused, account.rejected
    lines = [
        f"lines read     {account.collected + account.wrong_lines:>9,}",
        f"wrong lines    {account.wrong_lines:>9,}",
        f"already sent   {account.delivered_before:>9,}",
        f"sent ok        {account.delivered:>9,}  ({account.delivered_events:,} events in {span(seconds)})",
        f"failed         {account.failed.total():>9,}",
        f"unknown types  {account.unknown_types.total():>9,}",
        f"skipped        {account.skipped.total():>9,}",
    ]
    lines += reasons("type skipped", account.skipped)
    lines += reasons("failed", account.failed)
    lines += reasons("rejected: unknown type", account.unknown_types)
    lines += reasons("rejected", rejected)
    lines += reasons("refused by the server", refused)
    lines += reasons("held", account.held)
    if account.untried:
        lines.append(f"  {account.untried:>9,}  not tried to the end")
    if account.ended:
        lines.append(f"ended early: {account.ended}")
    if unrecorded:
        lines.append(f"NOT RECORDED: what became of {unrecorded:,} packets could not be written to the ledger")
    parts = account.parts()
    sign = "=" if account.adds_up() else "IS NOT"
    lines.append(
        f"{' + '.join(f'{count:,} {name}' for name, count in parts.items())} {sign} {account.collected:,} collected"
    )
    return lines


def progress_line(told: Told, width: int) -> str:
    share = told.packets / told.of if told.of else 1.0
    full = round(BAR * share)
    left = ""
    if told.rate and told.packets:
        left = f", {span((told.of - told.packets) * told.seconds / told.packets)} left"
    pause = f", pausing {told.waiting:.0f} s ({told.trouble})" if told.waiting > 1 else ""
    text = (
        f"[{'#' * full}{'.' * (BAR - full)}] {told.packets:,}/{told.of:,} packets, {told.rate:,.0f} events/s, "
        f"{told.latency * 1000:.0f} ms, {told.in_flight} in flight{left}{pause}"
    )
    return text[: max(20, width - 1)]
