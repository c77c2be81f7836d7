"""What a receiver says of itself, as an event: of every standing, and of everything that is none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.receiver_event import Quiet, ReceiverAnswer
from keeper.formats.json_answer import NotUnderstood
from keeper.formats.receiver_standing import standing
from keeper.receiver.standing import RESTING, Standing
from tests.receiver.standings import EMPTY, HOSTILE, LIVELY, NASTY, NOW, TROUBLE, worker


def read(value: object) -> ReceiverAnswer:
    return standing(json.dumps(value).encode(), 5000.0, 0.003)


def test_a_standing_becomes_an_event() -> None:
    """Times of the receiver's clock, which may be another, become times of keeper's."""
    assert read(replace(LIVELY, lost=7, dead_records=2).shown()) == ReceiverAnswer(
        at=5000.0,
        took=0.003,
        started=LIVELY.started,
        up=93_600.0,
        records=412,
        size=1_840_112,
        limit=1 << 30,
        oldest=pytest.approx(5000.0 - 0.7),  # type: ignore[arg-type]  # compares as a number
        lost=7,
        trouble="",
        workers=2,
        running=2,
        looping=0,
        deaths=0,
        death="",
        hindered=0,
        hindrance="",
        refused=112,
        set_aside=2,
        aside="/var/lib/keeper/dead.jsonl",
        watched=0,
        silent=0,
        quiet=(),
        awaiting=0,
        awaited=(),
    )


def test_troubles_are_counted_and_the_first_is_told() -> None:
    """Of the queue, of workers that do not run, and of those that run and cannot store."""
    told = read(TROUBLE.shown())
    assert told.trouble.startswith("no space left on device: 12.0 MiB are free")
    assert (told.workers, told.running, told.looping, told.deaths, told.hindered) == (3, 1, 1, 13, 1)
    assert told.death == "worker 2: ended with signal 9"
    assert told.hindrance == "worker 1: the store is locked: database is locked (/var/lib/keeper/packets.db)"
    assert (told.lost, told.set_aside) == (4096, 7)


def test_a_worker_that_does_not_run_and_says_nothing_is_told_by_its_state() -> None:
    """There is no empty reason."""
    stands = replace(LIVELY, workers=[worker(1), worker(2, state=RESTING), worker(3, state="crash_loop")])
    assert read(stands.shown()).death == "worker 2: resting"
    assert read(replace(LIVELY, workers=[worker(1, state="crash_loop")]).shown()).death == "worker 1: crash loop"


def test_nothing_waits_has_no_oldest() -> None:
    """Nought is no time. And a clock that was set back makes nothing come tomorrow."""
    assert read(EMPTY.shown()).oldest is None
    assert read(replace(EMPTY, records=1, oldest=EMPTY.now + 3600).shown()).oldest == 5000.0
    assert read(replace(EMPTY, started=EMPTY.now + 3600).shown()).up == 0.0


def test_texts_of_strangers_are_one_short_line() -> None:
    """They come into alerts."""
    told = read(replace(NASTY, trouble="a\nb\0" + "x" * 5000).shown())
    assert told.trouble.startswith("a b xxx")
    assert len(told.trouble) == 500
    assert len(told.hindrance) < 300


def watching(after: dict[str, float], seen: dict[str, float], since: dict[str, float]) -> ReceiverAnswer:
    """Times in seconds before the receiver's now; without `since` from its start on."""
    known = {name: NOW - since[name] if name in since else LIVELY.started for name in after}
    heard = {name: NOW - seen[name] if name in seen else 0.0 for name in after}
    sources = dict.fromkeys(after, LIVELY.sources["shop"])
    return read(replace(LIVELY, sources=sources, seen=heard, silent_after=after, known_since=known).shown())


def test_senders_are_silent_when_nothing_came_for_longer_than_they_may_be() -> None:
    """The longest silence first. Those that may be silent for ever are none."""
    told = watching({"a": 60, "b": 60, "c": 60, "d": 0}, {"a": 61.5, "b": 59, "c": 3600, "d": 9000}, {})
    assert (told.watched, told.silent, told.awaiting) == (3, 2, 0)
    assert told.quiet == (Quiet("c", pytest.approx(3600)), Quiet("a", pytest.approx(61.5)))  # type: ignore[arg-type]  # compares as a number


def test_the_silence_of_one_that_was_never_heard_counts_from_the_start() -> None:
    """Or from the reload that named it, even if it was heard in an earlier life. Until then it is awaited."""
    assert watching({"a": 93_601}, {}, {})[-3:] == ((), 1, ("a",))
    assert watching({"a": 93_599}, {}, {})[-4:] == (1, (Quiet("a", pytest.approx(93_600)),), 0, ())  # type: ignore[arg-type]  # compares as a number
    assert watching({"a": 60, "b": 60}, {"a": 9000}, {"a": 30, "b": 70}).awaited == ("a",)
    assert watching({"a": 60}, {"a": 20}, {"a": 30}).awaited == ()
    assert watching({"a": 60}, {"a": -3600}, {}).quiet == (), "of a clock that was set back"


def test_a_receiver_that_knows_of_no_silence_is_understood() -> None:
    """It is older."""
    shown = {name: value for name, value in LIVELY.shown().items() if name not in ("silent_after", "known_since")}
    assert read(shown)[-5:] == (None, 0, (), 0, ())


def test_a_thousand_silent_senders_are_counted_and_some_are_named() -> None:
    """With names of one short line."""
    told = watching(dict.fromkeys([HOSTILE + "\n" * n + "x" * 99 for n in range(1000)], 5.0), {}, {})
    assert (told.silent, len(told.quiet)) == (1000, 100)
    assert all(len(one.name) == 63 and "\n" not in one.name for one in told.quiet)
    told = watching({f"s{n}": 1e6 for n in range(1000)}, {}, {})
    assert (told.awaiting, len(told.awaited)) == (1000, 100)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"records": None}, "records is null, not a whole number"),
        ({"records": 1.5}, "records is a number, not a whole number"),
        ({"records": True}, "records is a truth value, not a whole number"),
        ({"records": -1}, "records is less than nought"),
        ({"queue_bytes": 10**400}, "queue_bytes is too large a number"),
        ({"lost": "7"}, "lost is text, not a whole number"),
        ({"now": "yesterday"}, "now is text, not a number"),
        ({"now": -5.0}, "now is no time"),
        ({"oldest": 1e300}, "oldest is no time"),
        ({"trouble": None}, "trouble is null, not text"),
        ({"workers": {}}, "workers is an object, not an array"),
        ({"workers": [7]}, "workers.0 is a number, not an object"),
        ({"workers": [{}] * 1001}, "workers has 1,001 elements, more than 1,000"),
        (
            {"workers": [{"state": "happy"}]},
            "workers.0.state is 'happy', not one of running, resting,",
        ),
        ({"workers": [{"state": "running", "number": 1}]}, "the answer has no field workers.0.deaths"),
        ({"answers": [503]}, "answers is an array, not an object"),
        ({"answers": {}}, "the answer has no field answers.429"),
        ({"dead_file": 3}, "dead_file is a number, not text"),
        ({"silent_after": None}, "silent_after is null, not an object"),
        ({"silent_after": {"a": "10m"}}, "silent_after.a is text, not a number"),
        ({"silent_after": {"a\nb": 10}}, "the answer has no field seen.a b;"),
        ({"silent_after": {"a": 10}, "seen": {"a": 1}, "known_since": {"a": -1}}, "known_since.a is no time"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(NotUnderstood) as raised:
        read({**LIVELY.shown(), **change})
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the answer is empty"),
        (b"<html>", "the answer is not valid JSON, it begins '<html>'"),
        (b"[]", "the answer is an array, not how a receiver stands"),
        (b'{"keeper": {}, "subjects": []}', "the answer has no field now; is it a receiver that answers there?"),
    ],
)
def test_what_is_no_receiver_is_not_taken_for_one(body: bytes, said: str) -> None:
    """Such as another keeper's own status."""
    with pytest.raises(NotUnderstood) as raised:
        standing(body, 0.0, 0.0)
    assert str(raised.value) == said


def test_every_field_that_is_read_is_one_of_a_standing() -> None:
    """Whatever is left out of the answer, something names it or nobody needs it."""
    shown = EMPTY.shown()
    needed = set()
    for name in shown:
        try:
            read({key: value for key, value in shown.items() if key != name})
        except NotUnderstood as error:
            assert str(error).startswith(f"the answer has no field {name};")
            needed.add(name)
    assert needed == {
        "now", "started", "oldest", "workers", "answers", "records", "queue_bytes", "queue_most", "lost", "trouble",
        "dead_records", "dead_file", "seen", "known_since",
    }  # fmt: skip
    assert needed <= set(Standing.__dataclass_fields__)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(EMPTY.shown())), JSON)
def test_whatever_a_field_holds_there_is_an_event_or_a_reason(name: str, value: Any) -> None:
    """Nothing else is ever raised."""
    try:
        read({**TROUBLE.shown(), name: value})
    except NotUnderstood as error:
        assert str(error)
        assert "\n" not in str(error)
