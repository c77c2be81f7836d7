"""What every notifier keeps, whoever it tells."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from keeper.core.alert import Alert, Phase
from keeper.core.notice import Notice, Notifier, Origin, describe
from keeper.errors import Rejected, SendError
from keeper.notifiers import target_of_webhook, targets_of_alertmanager
from keeper.settings import AlertmanagerSettings, WebhookSettings
from tests.notifiers.receiver import Answer, Receiver
from tests.peers import free_port

TIMEOUT = 0.4
Made = Callable[[str], Notifier]


def alertmanager(url: str) -> Notifier:
    settings = AlertmanagerSettings(urls=(url,), timeout=TIMEOUT, username="anna", password="pa55w0rd")
    (target,) = targets_of_alertmanager(settings, time.time)
    return target.notifier


def webhook(url: str) -> Notifier:
    settings = WebhookSettings(name="chat", url=f"{url}/T0K3N?key=K3Y", timeout=TIMEOUT, secret="pa55w0rd")
    return target_of_webhook(settings, time.time).notifier


NOTIFIERS: dict[str, Made] = {"alertmanager": alertmanager, "webhook": webhook}
every_notifier = pytest.mark.parametrize("made", NOTIFIERS.values(), ids=NOTIFIERS)


def some(count: int) -> list[Notice]:
    now = time.time()
    origin = Origin("tokyo-1", "A", "bp1", "eosstore", "http://127.0.0.1:9877/", "")
    return [
        describe(Alert(f"rule_{n}", "bp1", Phase.FIRING, now, now - 5, reason="words", incident=1), "critical", origin)
        for n in range(count)
    ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@every_notifier
def test_delivers_all_it_was_given(made: Made, receiver: Receiver) -> None:
    """As many notices as `batch` in one call; the receiver finds each of them, with its labels and reason."""
    notifier = made(receiver.url)
    notices = some(notifier.batch)
    notifier.send(notices)
    text = json.dumps([request.json for request in receiver.received()])
    for notice in notices:
        assert notice.labels["alertname"] in text
    assert text.count('"reason": "words"') == len(notices)


@every_notifier
def test_says_when_trying_again_can_help(made: Made, receiver: Receiver) -> None:
    """SendError for a receiver in trouble, with what it asked for; Rejected for what it will never take."""
    notifier = made(receiver.url)
    receiver.script = lambda _: Answer(429, headers={"Retry-After": "17"})
    with pytest.raises(SendError) as caught:
        notifier.send(some(1))
    assert caught.value.retry_after == 17.0
    receiver.script = lambda _: Answer(400)
    with pytest.raises(Rejected):
        notifier.send(some(1))
    receiver.script = lambda _: Answer(200)
    notifier.send(some(1))


@every_notifier
@pytest.mark.parametrize("manner", ["hang", "close", "drip_headers"])
def test_is_bounded_whatever_the_receiver_does(made: Made, receiver: Receiver, manner: str) -> None:
    """It comes back with a SendError; the next notice is delivered as if nothing had been."""
    notifier = made(receiver.url)
    receiver.script = lambda _: Answer(manner=manner)
    with pytest.raises(SendError):
        notifier.send(some(1))
    receiver.script = lambda _: Answer()
    notifier.send(some(1))


@every_notifier
def test_keeps_secrets(made: Made, receiver: Receiver) -> None:
    """No password, token or key in an error, nor in the name of the target."""
    texts = []
    for answer in (Answer(500), Answer(400), Answer(302, headers={"Location": "http://anna:pa55w0rd@x/"})):
        receiver.script = lambda _, a=answer: a  # type: ignore[misc]
        with pytest.raises((SendError, Rejected)) as caught:
            made(receiver.url).send(some(1))
        texts.append(str(caught.value))
    with pytest.raises(SendError) as caught:
        made(f"http://127.0.0.1:{free_port()}").send(some(1))
    texts.append(str(caught.value))
    assert not [text for text in texts if "pa55w0rd" in text or "T0K3N" in text or "K3Y" in text]


def test_names_of_targets() -> None:
    """Stable over a change of credentials, and without them: they are stored, shown and labels of metrics."""
    first = AlertmanagerSettings(urls=("http://anna:pa55w0rd@am-1:9093/prefix", "https://am-2"))
    second = AlertmanagerSettings(urls=("http://am-1:9093/prefix", "https://am-2"), token="T0K3N")
    names = ["http://am-1:9093/prefix", "https://am-2"]
    for settings in (first, second):
        assert [target.name for target in targets_of_alertmanager(settings, time.time)] == names
    hook = WebhookSettings(name="chat", url="https://chat.example/T0K3N")
    assert target_of_webhook(hook, time.time).name == "webhook:chat"
