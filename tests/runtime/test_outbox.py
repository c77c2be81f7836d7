"""One receiver's thread: what it sends when, and what it makes of receivers that do not take it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from keeper.core.backoff import LONGEST
from keeper.core.notice import Notice, Notifier, Owed, Receipt
from keeper.notifiers.alertmanager import BATCH, Alertmanager
from keeper.notifiers.post import Poster
from keeper.notifiers.webhook import Webhook
from keeper.runtime.outbox import HURRY, MAX_OWED, Delivered, Failing, Outbox, Recovered, Refused, Report
from tests.notifiers.receiver import Answer, Receiver, Request
from tests.peers import free_port
from tests.peers.ask import eventually
from tests.runtime.sending import Sending, firing, owed, resolved


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


def webhook(url: str, timeout: float = 5.0) -> Webhook:
    return Webhook(Poster(url, time.monotonic, timeout=timeout))


def alertmanager(url: str, interval: float = 30.0, timeout: float = 5.0) -> Alertmanager:
    return Alertmanager(Poster(f"{url}/api/v2/alerts", time.time, timeout=timeout), time.time, interval)


class Turning:
    """An outbox without a thread, on a clock of its own; `chance` is never lucky."""

    def __init__(self, notifier: Notifier, limit: int = MAX_OWED) -> None:
        self.clock = Hand()
        self.reports: list[Report] = []
        self.outbox = Outbox("t", notifier, self.clock, self.reports.append, lambda: 0.999999, limit=limit)

    def put(self, *notices: Notice) -> list[Receipt]:
        return self.outbox.put(owed("t", *notices))


def names(request: Request) -> list[str]:
    body = request.json
    return [alert["labels"]["alertname"] for alert in (body if isinstance(body, list) else [body])]


def test_a_webhook_gets_each_change_in_order(receiver: Receiver) -> None:
    """One POST each; each is reported as delivered once it was taken."""
    changes = [firing("a"), resolved("a"), firing("b"), firing("a", 2)]
    with Sending("hook", webhook(receiver.url)) as sending:
        sending.put(*changes[:3])
        sending.put(changes[3])
        sending.wait_delivered(*changes)
    assert [request.json["id"] for request in receiver.received()] == [change.id for change in changes]
    assert sending.delivered() == [change.id for change in changes]
    assert (sending.outbox.sent, sending.outbox.queued, sending.outbox.failed) == (4, 0, 0)
    assert sending.outbox.last_sent_at is not None


def test_a_webhook_is_told_no_level(receiver: Receiver) -> None:
    """It learns changes only; nothing is repeated to it."""
    turning = Turning(webhook(receiver.url))
    turning.outbox.level([firing("a")])
    assert turning.outbox.turn() == float("inf")
    assert receiver.received() == []


def test_order_survives_failures(receiver: Receiver) -> None:
    """What failed is sent again before what came after it: a receiver never hears of an end before its beginning."""
    answers = iter([200, 500, 503, 200, 404, 200, 200])
    receiver.script = lambda _: Answer(next(answers))
    turning = Turning(webhook(receiver.url))
    changes = [firing("a"), resolved("a"), firing("b"), resolved("b")]
    turning.put(*changes)
    for _ in range(7):
        turning.clock.time += turning.outbox.turn()
    order = [[c.id for c in changes].index(request.json["id"]) for request in receiver.received()]
    assert order == [0, 1, 1, 1, 2, 2, 3]
    assert (turning.outbox.sent, turning.outbox.failed, turning.outbox.queued) == (4, 3, 0)


def test_an_alertmanager_gets_everything_in_one_piece(receiver: Receiver) -> None:
    """What stands and what changed, together; more than 64 in pieces of 64."""
    turning = Turning(alertmanager(receiver.url))
    standing = [firing(f"rule_{n}") for n in range(BATCH + 10)]
    turning.outbox.level(standing)
    turning.put(firing("new"))
    assert turning.outbox.turn() == 30.0
    assert [len(request.json) for request in receiver.received()] == [BATCH, 11]
    assert sorted(name for request in receiver.received() for name in names(request)) == sorted(
        [notice.labels["alertname"] for notice in standing] + ["KeeperNew"]
    )
    assert turning.reports == [Delivered("t", (Receipt("t", firing("new").id),))]


def test_an_alertmanager_is_told_again_and_again(receiver: Receiver) -> None:
    """Every interval, nothing having happened."""
    with Sending("am", alertmanager(receiver.url, interval=0.1)) as sending:
        sending.outbox.level([firing("a")])
        requests = receiver.wait_count(5)
    assert all(names(request) == ["KeeperA"] for request in requests)


def test_the_wire(receiver: Receiver) -> None:
    """Every field of an alert as API v2 wants it: ends that hold for four intervals, RFC 3339, UTC."""
    am = Alertmanager(Poster(f"{receiver.url}/prefix/api/v2/alerts", time.time), lambda: 1_800_000_000.0, 30.0)
    am.send([firing("head_stalled", started=1_799_999_990.5), resolved("fork", 2, 1_799_999_000.0, 1_799_999_900.0)])
    (request,) = receiver.received()
    assert request.path == "/prefix/api/v2/alerts"
    fires, over = request.json
    assert (fires["startsAt"], fires["endsAt"]) == ("2027-01-15T07:59:50.500Z", "2027-01-15T08:02:00.000Z")
    assert (over["startsAt"], over["endsAt"]) == ("2027-01-15T07:43:20.000Z", "2027-01-15T07:58:20.000Z")
    assert fires["generatorURL"] == "http://127.0.0.1:9877/"
    assert fires["labels"]["alertname"] == "KeeperHeadStalled"
    assert fires["annotations"]["runbook_url"] == "https://docs.example/rules#head_stalled"
    assert set(fires) == {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}


def test_one_poisoned_alert_does_not_keep_the_others(receiver: Receiver) -> None:
    """The refused batch is halved until the culprit stands alone; it is reported, not owed any more, and not offered
    again at the next repetition."""
    bad = {"KeeperBad1", "KeeperBad2"}
    receiver.script = lambda request: Answer(400 if bad & set(names(request)) else 200)
    turning = Turning(alertmanager(receiver.url))
    good = [firing(f"good_{n}") for n in range(50)]
    turning.outbox.level([*good[:20], firing("bad1"), *good[20:], firing("bad2")])
    turning.put(good[3], firing("bad1"))
    turning.outbox.turn()
    arrived = [name for request in receiver.received() if not bad & set(names(request)) for name in names(request)]
    assert sorted(arrived) == sorted(notice.labels["alertname"] for notice in good)
    refused = [one for one in turning.reports if isinstance(one, Refused)]
    assert [(one.key, one.receipts) for one in refused] == [
        (firing("bad1").id, (Receipt("t", firing("bad1").id),)),
        (firing("bad2").id, ()),
    ]
    assert [one for one in turning.reports if isinstance(one, Delivered)] == [
        Delivered("t", (Receipt("t", good[3].id),))
    ]
    assert (turning.outbox.refused, turning.outbox.queued, turning.outbox.failing_since) == (2, 0, None)
    before = len(receiver.received())
    turning.clock.time += 30.0
    turning.outbox.turn()
    assert len(receiver.received()) == before + 1


def test_a_refused_change_lets_the_next_one_pass(receiver: Receiver) -> None:
    """A webhook that never takes one notice gets the others."""
    receiver.script = lambda request: Answer(400, b"no such field") if "KeeperBad" in names(request) else Answer()
    turning = Turning(webhook(receiver.url))
    turning.put(firing("bad"), firing("good"))
    turning.clock.time += turning.outbox.turn()
    turning.outbox.turn()
    assert turning.reports == [
        Refused("t", (Receipt("t", firing("bad").id),), firing("bad").id, "refused it with 400: no such field"),
        Delivered("t", (Receipt("t", firing("good").id),)),
    ]


def test_pauses_grow_and_the_trouble_is_said_once(receiver: Receiver) -> None:
    """Tried again after 1, 2, 4 ... seconds, at most a minute; reported when it begins, changes and ends."""
    receiver.script = lambda _: Answer(500)
    turning = Turning(webhook(receiver.url))
    began = turning.clock.time
    turning.put(firing("a"))
    pauses = []
    for number in range(9):
        if number == 8:
            receiver.script = lambda _: Answer(503)
        pauses.append(turning.outbox.turn())
        turning.clock.time += pauses[-1]
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    receiver.script = lambda _: Answer(200)
    assert turning.outbox.turn() == float("inf")
    assert turning.reports == [
        Failing("t", began, "answered 500"),
        Failing("t", began, "answered 503"),
        Delivered("t", (Receipt("t", firing("a").id),)),
        Recovered("t", began),
    ]
    assert (turning.outbox.failing_since, turning.outbox.last_error, turning.outbox.failed) == (None, "", 9)


def test_an_alertmanager_is_never_left_alone_for_longer_than_its_interval(receiver: Receiver) -> None:
    """Its alerts end after four of them: it must be tried more often than that."""
    receiver.script = lambda _: Answer(500, headers={"Retry-After": "3600"})
    turning = Turning(alertmanager(receiver.url, interval=30.0))
    turning.put(firing("a"))
    assert turning.outbox.turn() == 30.0


def test_retry_after_is_honoured_within_a_minute(receiver: Receiver) -> None:
    """Also when there is something new to tell meanwhile; a day of it is a minute."""
    turning = Turning(webhook(receiver.url))
    turning.put(firing("a"))
    for asked, pause in (("20", 20.0), ("86400", LONGEST)):
        receiver.script = lambda _, a=asked: Answer(429, headers={"Retry-After": a})  # type: ignore[misc]
        assert turning.outbox.turn() == pause
        turning.clock.time += pause / 2
        turning.put(firing("b"))
        count = len(receiver.received())
        assert turning.outbox.turn() == pause / 2
        assert len(receiver.received()) == count
        turning.clock.time += pause / 2


def test_news_are_not_kept_waiting_by_old_failures(receiver: Receiver) -> None:
    """A receiver given up for a minute is tried at once when something happens, but not more often than once a
    second."""
    receiver.script = lambda _: Answer(500)
    turning = Turning(webhook(receiver.url))
    turning.put(firing("a"))
    for _ in range(8):
        turning.clock.time += turning.outbox.turn()
    assert round(turning.outbox.turn()) == LONGEST
    tried = len(receiver.received())
    turning.clock.time += 0.25
    turning.put(firing("b"))
    assert turning.outbox.turn() == HURRY - 0.25
    assert len(receiver.received()) == tried
    turning.clock.time += HURRY
    turning.outbox.turn()
    assert len(receiver.received()) == tried + 1


def test_the_queue_is_bounded_and_counts() -> None:
    """The oldest fall out of a full one and are handed back, to be forgotten."""
    turning = Turning(webhook(f"http://127.0.0.1:{free_port()}"), limit=10)
    changes = [firing("a", n) for n in range(25)]
    assert turning.put(*changes[:10]) == []
    assert turning.put(*changes[10:]) == [Receipt("t", change.id) for change in changes[:15]]
    assert (turning.outbox.dropped, turning.outbox.queued) == (15, 10)


def test_what_another_version_stored_is_handed_back(receiver: Receiver) -> None:
    """It cannot be sent and would be in the way for ever."""
    turning = Turning(webhook(receiver.url))
    assert turning.outbox.put([Owed("t", "old", '{"shape": "old"}')]) == [Receipt("t", "old")]
    assert (turning.outbox.dropped, turning.outbox.queued) == (1, 0)


@pytest.mark.parametrize("manner", ["hang", "drip_headers"])
def test_a_receiver_that_hangs_holds_up_nobody_else(receiver: Receiver, manner: str) -> None:
    """Two Alertmanagers, one of them dead as only a hung one is: the other gets everything at once."""
    with Receiver(lambda _: Answer(manner=manner)) as hung:
        with (
            Sending("hung", alertmanager(hung.url, timeout=3.0)) as slow,
            Sending("well", alertmanager(receiver.url, timeout=3.0)) as quick,
        ):
            for incident in range(1, 6):
                for sending in (slow, quick):
                    sending.put(firing("a", incident))
                quick.wait_delivered(firing("a", incident))
            assert slow.delivered() == []
            hung.wait_count(1)
        assert slow.delivered() == []
        assert slow.outbox.queued == 5


def test_an_outage_loses_nothing_and_ends_by_itself(receiver: Receiver) -> None:
    """Nobody listens, then somebody does, on the same address: everything arrives in order."""
    port = free_port()
    changes = [firing("a"), resolved("a"), firing("a", 2)]
    with Sending("hook", webhook(f"http://127.0.0.1:{port}")) as sending:
        sending.put(*changes)
        eventually(sending.trouble, "the failure to be reported")
        relay = Receiver(port=port)
        with relay:
            sending.wait_delivered(*changes)
            assert [request.json["id"] for request in relay.received()] == [change.id for change in changes]
    failing, recovered = sending.trouble()
    assert isinstance(failing, Failing)
    assert failing.reason == "connection refused"
    assert recovered == Recovered("hook", failing.since)


def test_other_settings_send_nothing_twice(receiver: Receiver) -> None:
    """A reload while a notice is on its way: that is finished, and what follows is sent as the new settings say."""
    held = threading.Event()

    def answer(_: Request) -> Answer:
        held.wait(10)
        return Answer()

    receiver.script = answer
    with Receiver() as other, Sending("hook", webhook(receiver.url)) as sending:
        sending.put(firing("a"))
        receiver.wait_count(1)
        sending.outbox.adopt(webhook(other.url))
        sending.put(firing("b"))
        held.set()
        sending.wait_delivered(firing("a"), firing("b"))
        assert [request.json["id"] for request in receiver.received()] == [firing("a").id]
        assert [request.json["id"] for request in other.received()] == [firing("b").id]


def test_stops_while_it_waits_and_while_it_sends(receiver: Receiver) -> None:
    """The thread ends soon after it was told to, in the worst case after the timeout of the POST under way; what it
    did not deliver is still owed."""
    with Sending("idle", alertmanager(receiver.url)):
        pass
    receiver.script = lambda _: Answer(manner="hang")
    with Sending("busy", webhook(receiver.url, timeout=0.5)) as sending:
        sending.put(firing("a"))
        receiver.wait_count(1)
    assert sending.delivered() == []
    assert sending.outbox.queued == 1


def test_a_change_goes_out_at_once(receiver: Receiver) -> None:
    """The thread is woken, it does not look now and then: between two repetitions an hour apart a change arrives."""
    with Sending("am", alertmanager(receiver.url, interval=3600.0)) as sending:
        sending.outbox.level([firing("a")])
        receiver.wait_count(1)
        sending.put(firing("b"))
        requests = receiver.wait_count(2)
    assert sorted(names(requests[1])) == ["KeeperA", "KeeperB"]
    assert json.loads(requests[1].body)[0]["endsAt"] > json.loads(requests[0].body)[0]["startsAt"]
