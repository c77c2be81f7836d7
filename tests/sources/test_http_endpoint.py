"""A generic HTTP endpoint: status and one field, over a real socket."""

from __future__ import annotations

import pytest

from keeper.core.batch import Answers, Item
from keeper.core.event import AnswerFailed, EndpointAnswer
from keeper.runtime.clock import Clock
from keeper.sources.http_endpoint import HttpEndpointSettings, http_endpoint
from tests.sources.loopback import Loopback, always, answer

NOW = Clock().now


def first_event(reply: bytes, field: str) -> object:
    """Run the source until its first answer."""
    items: list[Item] = []
    with Loopback(always(reply)) as server:
        url = server.url("/status?token=secret", credentials="user:secret@")
        source = http_endpoint(HttpEndpointSettings("shop", url, field, interval=0.01), NOW)
        assert source.name == "shop/endpoint"
        source.run(items.append, lambda seconds: any(isinstance(item, Answers) for item in items))
        event = next(item for item in items if isinstance(item, Answers)).events[0]
        assert isinstance(event, EndpointAnswer | AnswerFailed)
        assert event.endpoint == server.url("/status")
    return event


@pytest.mark.parametrize(
    ("reply", "field", "status", "value"),
    [
        (answer('{"result": {"height": 12}}'), "result.height", 200, "12"),
        (answer('{"result": {"height": 12}}', "503 Busy"), "result.height", 503, "12"),
        (answer("<html>", "503 Busy"), "result.height", 503, None),
        (answer("<html>"), "", 200, None),
        (answer("", "204 No Content"), "", 204, None),
    ],
    ids=["field", "field of an error", "error without field", "no field wanted", "empty"],
)
def test_status_and_field_are_reported(reply: bytes, field: str, status: int, value: str | None) -> None:
    """Every status is an answer; the value is the field's text where one is wanted and there."""
    event = first_event(reply, field)
    assert isinstance(event, EndpointAnswer)
    assert (event.status, event.value) == (status, value)
    assert event.took > 0


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer('{"result": 1}'), "result is a number and has no field height"),
        (answer("<html>"), "the answer is not valid JSON, it begins '<html>'"),
        (answer("", "302 Found", "Location: /login?x\r\n"), "answered 302 Found to http://"),
    ],
    ids=["no field", "no JSON", "redirect"],
)
def test_a_success_without_the_field_is_a_failure(reply: bytes, reason: str) -> None:
    """A good status without the wanted field, and a redirect, are failures with their reason."""
    event = first_event(reply, "result.height")
    assert isinstance(event, AnswerFailed)
    assert event.question == "endpoint"
    assert event.reason.startswith(reason)
    assert "secret" not in event.reason
