"""How the receiver stands, in sentences: what is wrong and why, and what is worth a look."""

from __future__ import annotations

from typing import Any

from keeper.receiver.standing import LOOPING, RESTING, RUNNING, STOPPED

OLD = 300.0  # seconds that the oldest record may wait before that is wrong by itself
NEARLY_FULL = 0.8
NAMED = 5  # silent senders; how many more there are is said


def wrong(standing: dict[str, Any]) -> list[str]:
    """What a person must mend, worst first; empty when all is well. `standing` is `Standing.shown()`."""
    said = []
    if standing["trouble"]:
        why = standing["trouble"].rstrip(".")
        said.append(f"The queue takes nothing: {why}. Senders are refused and have to send again.")
    said += _wrong_workers(standing["workers"], standing["now"])
    waited = standing["now"] - standing["oldest"]
    if standing["records"] and standing["oldest"] and waited > OLD:
        wait = "waits" if standing["records"] == 1 else "wait"
        said.append(f"{packets(standing['records'])} {wait} for the store, the oldest for {span(waited)}.")
    if (share := filled(standing)) is not None and share > NEARLY_FULL:
        said.append(f"The queue is {share:.0%} full; when it is full, senders are answered 429.")
    if quiet := silent(standing):
        every = [f"{name} ({span(seconds)})" for name, seconds in quiet.items()]
        more = f" and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
        who = "A sender has" if len(every) == 1 else "Senders have"
        said.append(f"{who} been silent for too long: {', '.join(every[:NAMED])}{more}.")
    return said


def notable(standing: dict[str, Any]) -> list[str]:
    """What is no fault of the receiver's, and still somebody's to look at."""
    said = []
    if standing["lost"]:
        spoiled = f"{standing['lost']:,} bytes of the queue were spoiled by a crash or a bad disk"
        said.append(f"{spoiled}; what of it was confirmed does not come again by itself.")
    if standing["dead_records"]:
        they = "packets that could" if standing["dead_records"] != 1 else "packet that could"
        said.append(
            f"{standing['dead_records']:,} {they} never be stored: see `keeper letters`, or {standing['dead_file']}."
        )
    if returned := sum(worker["returned"] for worker in standing["workers"]):
        ids = "1 id has" if returned == 1 else f"{returned:,} ids have"
        said.append(f"{ids} come back with other content, stored as packets of their own: a sender gives ids twice.")
    if standing["turned_away"]:
        said.append(f"{standing['turned_away']:,} connections were closed at once, as too many were open.")
    if standing["counts_trouble"]:
        said.append(f"What is in the store cannot be counted now: {standing['counts_trouble'].rstrip('.')}.")
    if not standing["workers"]:
        said.append("No workers are started here, so another has to bring what is in the queue into the store.")
    return said


def well(standing: dict[str, Any]) -> str:
    """The sentence when nothing is wrong."""
    came = sum(one["packets"] for one in standing["inputs"].values())
    if not came and not standing["records"]:
        return f"All is well. No packet has come yet in {span(standing['now'] - standing['started'])}."
    if not standing["records"]:
        return f"All is well. Of {packets(came)} that came, none waits for the store."
    waits = "waits" if standing["records"] == 1 else "wait"
    oldest = f", the oldest for {span(standing['now'] - standing['oldest'])}" if standing["oldest"] else ""
    return f"All is well. Of {packets(came)} that came, {standing['records']:,} {waits} for the store{oldest}."


def silent(standing: dict[str, Any]) -> dict[str, float]:
    """For how many seconds nothing was taken from those sources that may not be silent for so long, longest first."""
    now, seen, known = standing["now"], standing["seen"], standing["known_since"]
    quiet = {name: now - max(seen.get(name, 0.0), known[name]) for name in standing["silent_after"]}
    late = [name for name, after in standing["silent_after"].items() if after and quiet[name] > after]
    return {name: quiet[name] for name in sorted(late, key=lambda name: (-quiet[name], name))}


def filled(standing: dict[str, Any]) -> float | None:
    """The part of the queue that is in use; None where its bound is not known."""
    most = standing["queue_most"]
    return standing["queue_bytes"] / most if most else None


def _wrong_workers(workers: list[dict[str, Any]], now: float) -> list[str]:
    said = []
    for worker in workers:
        why = f": {worker['trouble'].rstrip('.')}" if worker["trouble"] else ""
        if worker["state"] == LOOPING:
            said.append(f"Worker {worker['number']} ends again and again, {times(worker['deaths'])} so far{why}.")
        elif worker["state"] == RESTING:
            said.append(f"Worker {worker['number']} ended and rests before it is started again{why}.")
        elif worker["state"] == STOPPED:
            said.append(f"Worker {worker['number']} is stopped{why}.")
        elif worker["trouble"]:
            since = f" It last did {span(now - worker['last'])} ago." if worker["last"] else ""
            said.append(f"Worker {worker['number']} cannot store{why}.{since}")
    if workers and all(worker["state"] != RUNNING for worker in workers):
        said.append("No worker runs: what comes is durable in the queue, but nothing gets into the store.")
    return said


def packets(number: int) -> str:
    return f"{number:,} packet{'' if number == 1 else 's'}"


def times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def span(seconds: float) -> str:
    """`3 s`, `5 min`, `2 h 10 min`, `4 d 3 h`: as exact as one needs it."""
    if seconds < 1:
        return "less than 1 s"
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 120:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"
