"""What a receiver answers at /api/v1/status, which is `keeper.receiver.standing.Standing` in JSON, into one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keeper.core.receiver_event import Quiet, ReceiverAnswer
from keeper.formats.json_answer import NotUnderstood, decode, kind, one_line
from keeper.receiver.standing import LOOPING, RUNNING, STATES

MOST_WORKERS = 1000
MOST = 1 << 63  # of anything that is counted
LONGEST_TEXT = 500  # what a worker says names two paths, and what to do
LONGEST_PATH = 1000
LONGEST_NAME = 63
MOST_NAMED = 100  # senders
REFUSED = ("429", "503")


def standing(body: bytes, at: float, took: float) -> ReceiverAnswer:
    """`at` is the arrival on keeper's clock. The receiver tells times by its own, so that of each only how long ago it
    was is taken. Raises NotUnderstood."""
    answer = decode(body)
    if not isinstance(answer, dict):
        raise NotUnderstood(f"the answer is {kind(answer)}, not how a receiver stands")
    now, started, oldest = (_time(answer, name) for name in ("now", "started", "oldest"))
    workers = [_worker(worker, place) for place, worker in enumerate(_list(answer, "workers"))]
    resting = [worker for worker in workers if worker["state"] != RUNNING]
    hindered = [worker for worker in workers if worker["state"] == RUNNING and worker["trouble"]]
    answers = _object(answer, "answers")
    senders = _senders(answer, now) if "silent_after" in answer else UNHEARD_OF  # a receiver older than this
    return ReceiverAnswer(
        at=at,
        took=took,
        started=started,
        up=max(0.0, now - started),
        records=_count(answer, "records"),
        size=_count(answer, "queue_bytes"),
        limit=_count(answer, "queue_most"),
        oldest=at - max(0.0, now - oldest) if oldest else None,
        lost=_count(answer, "lost"),
        trouble=_text(answer, "trouble"),
        workers=len(workers),
        running=len(workers) - len(resting),
        looping=sum(worker["state"] == LOOPING for worker in workers),
        deaths=sum(worker["deaths"] for worker in workers),
        death=_said(resting),
        hindered=len(hindered),
        hindrance=_said(hindered),
        refused=sum(_count(answers, code, "answers.") for code in REFUSED),
        set_aside=_count(answer, "dead_records"),
        aside=_text(answer, "dead_file", LONGEST_PATH),
        watched=senders.watched,
        silent=len(senders.quiet),
        quiet=tuple(senders.quiet[:MOST_NAMED]),
        awaiting=len(senders.awaited),
        awaited=tuple(senders.awaited[:MOST_NAMED]),
    )


class _Senders(NamedTuple):
    watched: int | None
    quiet: Sequence[Quiet]
    awaited: Sequence[str]


UNHEARD_OF = _Senders(None, (), ())


def _senders(answer: Mapping[str, Any], now: float) -> _Senders:
    """Of those that may not be silent for ever."""
    after, seen, known = (_object(answer, name) for name in ("silent_after", "seen", "known_since"))
    bounds = {name: bound for name in after if (bound := _time(after, name, "silent_after."))}
    quiet: list[Quiet] = []
    awaited: list[str] = []
    for name, bound in bounds.items():
        last, since = _time(seen, name, "seen."), _time(known, name, "known_since.")
        shown = one_line(name, LONGEST_NAME)
        if (silent := now - max(last, since)) > bound:
            quiet.append(Quiet(shown, silent))
        elif last < since:
            awaited.append(shown)
    return _Senders(len(bounds), sorted(quiet, key=lambda one: (-one.seconds, one.name)), sorted(awaited))


def _worker(worker: object, place: int) -> Mapping[str, Any]:
    where = f"workers.{place}."
    if not isinstance(worker, dict):
        raise NotUnderstood(_not(worker, where[:-1], "an object"))
    state = _text(worker, "state", where=where)
    if state not in STATES:
        raise NotUnderstood(f"{where}state is {state!r}, not one of {', '.join(STATES)}")
    return {
        "number": _count(worker, "number", where),
        "state": state,
        "deaths": _count(worker, "deaths", where),
        "trouble": _text(worker, "trouble", where=where),
    }


def _said(workers: Sequence[Mapping[str, Any]]) -> str:
    """What the first of them says, with its number; of one that says nothing, its state."""
    if not workers:
        return ""
    first = workers[0]
    return f"worker {first['number']}: {first['trouble'] or first['state'].replace('_', ' ')}"


def _count(answer: Mapping[str, Any], name: str, where: str = "") -> int:
    value = _field(answer, name, where)
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotUnderstood(_not(value, where + name, "a whole number"))
    if not 0 <= value < MOST:
        raise NotUnderstood(f"{where}{name} is {'less than nought' if value < 0 else 'too large a number'}")
    return value


def _time(answer: Mapping[str, Any], name: str, where: str = "") -> float:
    value = _field(answer, name, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotUnderstood(_not(value, _shown(where + name), "a number"))
    if not 0 <= value < MOST:
        raise NotUnderstood(f"{_shown(where + name)} is no time")
    return float(value)


def _text(answer: Mapping[str, Any], name: str, most: int = LONGEST_TEXT, where: str = "") -> str:
    value = _field(answer, name, where)
    if not isinstance(value, str):
        raise NotUnderstood(_not(value, where + name, "text"))
    return one_line(value, most)


def _list(answer: Mapping[str, Any], name: str) -> list[Any]:
    value = _field(answer, name, "")
    if not isinstance(value, list):
        raise NotUnderstood(_not(value, name, "an array"))
    if len(value) > MOST_WORKERS:
        raise NotUnderstood(f"{name} has {len(value):,} elements, more than {MOST_WORKERS:,}")
    return value


def _object(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = _field(answer, name, "")
    if not isinstance(value, dict):
        raise NotUnderstood(_not(value, name, "an object"))
    return value


def _field(answer: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in answer:
        raise NotUnderstood(f"the answer has no field {_shown(where + name)}; is it a receiver that answers there?")
    return answer[name]


def _shown(name: str) -> str:
    """Of a field, which may be called as a stranger likes."""
    return one_line(name, LONGEST_TEXT)


def _not(value: object, name: str, wanted: str) -> str:
    return f"{name} is {kind(value)}, not {wanted}"
