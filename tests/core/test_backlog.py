"""What a receiver is still to be told: one by one, or what stands."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.alert import RESOLVED_FOR
from keeper.core.backlog import REFUSED_FOR, Changes, Standing, identity
from keeper.core.notice import Notice, Receipt
from keeper.core.verdict import FOREVER


def notice(rule: str, incident: int = 1, ends_at: float | None = None) -> Notice:
    kind = "firing" if ends_at is None else "resolved"
    labels = {"alertname": rule, "keeper": "k"}
    return Notice(f"k/{rule}/{incident}/{kind}", rule, "bp1", labels, {}, float(incident), ends_at, "")


def receipt(one: Notice) -> Receipt:
    return Receipt("am", one.id)


def test_changes_come_one_by_one_in_order() -> None:
    """The next is handed out when the one before was accepted or given up."""
    backlog = Changes()
    assert (backlog.piece(0.0), backlog.due(0.0)) == (None, FOREVER)
    fires, ends, fork = notice("a"), notice("a", ends_at=5.0), notice("fork")
    for one in (fires, ends, fork):
        backlog.put(receipt(one), one)
    piece = backlog.piece(7.0)
    assert piece is not None
    assert (piece.notices, piece.receipts, backlog.due(7.0)) == ([fires], [receipt(fires)], 7.0)
    assert backlog.piece(8.0) == piece
    backlog.accepted(piece, 8.0)
    assert backlog.refused(ends, 8.0) == [receipt(ends)]
    assert backlog.level([fires]) is False
    last = backlog.piece(8.0)
    assert last is not None
    assert last.notices == [fork]
    assert len(backlog) == 1


def test_a_change_dropped_while_it_was_sent_takes_nothing_else_with_it() -> None:
    """The queue overflowed during a POST: what is accepted then is not the new head."""
    backlog = Changes()
    first, second = notice("a"), notice("b")
    backlog.put(receipt(first), first)
    piece = backlog.piece(0.0)
    assert piece is not None
    backlog.put(receipt(second), second)
    assert backlog.drop_oldest() == receipt(first)
    backlog.accepted(piece, 1.0)
    assert backlog.refused(first, 1.0) == []
    assert len(backlog) == 1


def sent(backlog: Standing, now: float) -> list[Notice]:
    piece = backlog.piece(now)
    assert piece is not None
    backlog.accepted(piece, now)
    return piece.notices


def test_what_stands_is_repeated() -> None:
    """At once when it changes, else every `resend` seconds from the last time it was accepted."""
    backlog = Standing(30.0)
    assert (backlog.piece(0.0), backlog.due(0.0)) == (None, FOREVER)
    a, b = notice("a"), notice("b")
    assert backlog.level([a])
    assert backlog.due(5.0) == 5.0
    assert sent(backlog, 5.0) == [a]
    assert (backlog.piece(34.9), backlog.due(6.0)) == (None, 35.0)
    assert sent(backlog, 36.0) == [a]
    assert backlog.level([a, b])
    assert sent(backlog, 40.0) == [a, b]
    assert backlog.due(41.0) == 70.0


def test_only_words_do_not_hurry() -> None:
    """A reason that counts seconds would be a POST each time; it goes out with the next repetition."""
    backlog = Standing(30.0)
    backlog.level([notice("a")])
    sent(backlog, 0.0)
    other = replace(notice("a"), annotations={"reason": "for 13 s"})
    assert not backlog.level([other])
    assert backlog.piece(1.0) is None
    assert sent(backlog, 30.0) == [other]


def test_an_owed_change_is_the_newest_of_its_alert() -> None:
    """Fired, over and fired again while the receiver was dead: it is told what is, once, and all is paid."""
    backlog = Standing(30.0)
    changes = [notice("a"), notice("a", 1, 50.0), notice("a", 2)]
    for one in changes:
        backlog.put(receipt(one), one)
    assert len(backlog) == 3
    assert sent(backlog, 60.0) == [changes[2]]
    assert len(backlog) == 0


def test_a_change_owed_is_told_though_it_no_longer_stands() -> None:
    """The receiver was dead for longer than five minutes: the end of the alert is owed and is told, once."""
    backlog = Standing(30.0)
    over = notice("a", 1, 50.0)
    backlog.put(receipt(over), over)
    backlog.level([])
    assert sent(backlog, 50.0 + 2 * RESOLVED_FOR) == [over]
    backlog.level([])
    assert sent(backlog, 51.0 + 3 * RESOLVED_FOR) == []


def test_a_resolution_is_repeated_for_five_minutes() -> None:
    """And then no more, though nobody said anything new."""
    backlog = Standing(30.0)
    a, over = notice("a"), notice("b", 1, 100.0)
    backlog.level([a, over])
    told = [len(sent(backlog, 100.0 + n * 30.0)) for n in range(14)]
    assert told == [2] * 10 + [1] * 4


def test_what_came_while_it_was_sent_is_sent_next() -> None:
    """A piece under way does not swallow what was added behind it."""
    backlog = Standing(30.0)
    fires, over = notice("a"), notice("a", 1, 50.0)
    backlog.put(receipt(fires), fires)
    piece = backlog.piece(40.0)
    assert piece is not None
    backlog.put(receipt(over), over)
    backlog.level([over])
    backlog.accepted(piece, 51.0)
    assert backlog.due(51.0) == 51.0
    assert sent(backlog, 51.0) == [over]
    assert len(backlog) == 0


def test_what_was_refused_rests() -> None:
    """A poisoned alert is not offered again for five minutes, unless it fires anew; what was owed of it is given up."""
    backlog = Standing(30.0)
    good, bad = notice("good"), notice("bad")
    backlog.put(receipt(bad), bad)
    backlog.level([good, bad])
    assert backlog.refused(bad, 10.0) == [receipt(bad)]
    assert sent(backlog, 10.0) == [good]
    backlog.level([good, bad])
    assert sent(backlog, 40.0) == [good]
    assert sent(backlog, 10.0 + REFUSED_FOR) == [good, bad]
    backlog.refused(bad, 400.0)
    again = notice("bad", 2)
    backlog.put(receipt(again), again)
    assert sent(backlog, 401.0) == [good, again]


def test_the_oldest_goes_when_there_are_too_many() -> None:
    """What stands is not affected: only the promise is."""
    backlog = Standing(30.0)
    a, b = notice("a"), notice("b")
    for one in (a, b):
        backlog.put(receipt(one), one)
    assert backlog.drop_oldest() == receipt(a)
    assert (len(backlog), sent(backlog, 0.0)) == (1, [a, b])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=40))
def test_the_receiver_ends_up_knowing_what_is(steps: list[tuple[str, bool, bool]]) -> None:
    """Random changes, some sent and some not: after the last piece the receiver's picture is the truth, and nothing is
    owed."""
    backlog = Standing(30.0)
    truth: dict[str, Notice] = {}
    picture: dict[object, Notice] = {}
    now = 1000.0
    for number, (rule, through, with_level) in enumerate(steps):
        now += 1.0
        before = truth.get(rule)
        over = before is not None and before.ends_at is None
        truth[rule] = notice(rule, number, now if over else None)
        backlog.put(receipt(truth[rule]), truth[rule])
        if with_level:
            backlog.level(list(truth.values()))
        if through:
            picture.update((identity(one), one) for one in sent(backlog, now))
            assert len(backlog) == 0
            assert backlog.piece(now) is None
    if backlog.piece(now) is not None:
        picture.update((identity(one), one) for one in sent(backlog, now))
    assert picture == {identity(one): one for one in truth.values()}
