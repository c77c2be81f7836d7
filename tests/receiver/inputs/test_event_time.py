"""When an event happened, by its own word, if that can be."""

from __future__ import annotations

import math

import pytest

from keeper.receiver.inputs.event_time import event_time

AT = 1_800_000_000.0


@pytest.mark.parametrize(
    ("said", "time"),
    [
        (1422020878, 1422020878.0),
        (1422020878.5, 1422020878.5),
        (1422020878123, 1422020878.123),
        (946_684_800, 946_684_800.0),
        (946_684_799, None),
        (AT + 86_400, AT + 86_400),
        (AT + 86_401, None),
        ((AT + 86_401) * 1000, None),
        (0, None),
        (-1422020878, None),
        (2**63 - 1, None),
        (10**400, None),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        ("1422020878", None),
        (None, None),
        ([1422020878], None),
    ],
)
def test_the_time_is_what_the_event_says_if_it_can_be(said: object, time: float | None) -> None:
    """Seconds, or milliseconds; none from before clocks were set, none of more than a day ahead, no other types."""
    found = event_time({"timestamp": said}, AT)
    assert found == time
    assert found is None or isinstance(found, float)


def test_an_event_without_timestamp_has_no_time() -> None:
    """It is stored with the time when it came."""
    assert event_time({"time": 1422020878}, AT) is None
