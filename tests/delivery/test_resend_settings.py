"""[agent:NAME]: what resending needs to know, and what is said when it is wrong."""

from __future__ import annotations

import pytest

from keeper.config import parse
from keeper.errors import ConfigError


def test_a_small_section_is_enough_and_the_rest_has_defaults() -> None:
    """An address and the IDL; the documented times, and nothing is skipped."""
    [agent] = parse("[agent:stats]\nurl = http://127.0.0.1:8020/\nidl = /x.thrift\n", "c", {}).agents
    assert (agent.name, agent.url, agent.wire, agent.pacing) == ("stats", "http://127.0.0.1:8020", "thrift", "adaptive")
    assert (agent.connect_timeout, agent.request_timeout, agent.event_pause) == (60.0, 300.0, 0.05)
    assert (agent.id_shift, agent.unknown_outcome, agent.skip, agent.methods) == (100_000_000, "resend", (), {})


def test_methods_and_defaults_are_open_ended() -> None:
    """Any number of each; the value of a field is a Python literal."""
    text = """[agent:stats]
url = http://x
wire = json
method.BanUser = GMUserOperation
method.MuteUser = GMUserOperation
default.LoginInfo.isleaver = False
default.LoginInfo.locale = 'ru'
default.ResourceTable.Currencies = {'gold': 1L}
"""
    [agent] = parse(text, "c", {}).agents
    assert agent.methods == {"BanUser": "GMUserOperation", "MuteUser": "GMUserOperation"}
    assert agent.defaults == {
        "LoginInfo.isleaver": False,
        "LoginInfo.locale": b"ru",
        "ResourceTable.Currencies": {b"gold": 1},
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("method.BanUser = two words", "c:4: [agent:stats] method.BanUser: 'two words' is not the name of a method"),
        ("default.LoginInfo = 1", "write default.STRUCT.FIELD = VALUE"),
        ("default.LoginInfo.locale = ru", "'ru' is not a value such as 0, 'text' or False"),
        ("unknown_outcome = maybe", "'maybe' is not one of resend, hold, if_deduplicates, ask"),
        ("unknown_outcome = ask", "[agent:stats]: unknown_outcome = ask needs confirm"),
        ("unknown_outcome = ask\nconfirm = http://x\nscript = /bin/true", "unknown_outcome = ask is not for a script"),
        ("confirm = h:8016", "'h:8016' is not an address"),
        (
            "confirm = http://u:p@h/k/v1/confirmed",
            "it says more than where the receiver is; write http://h/k",
        ),
        ("confirm = http://h?source=x", "it says more than where the receiver is; write http://h"),
        ("confirm_source = x", "c:4: [agent:stats] confirm_source: it needs confirm, too"),
        ("in_flight = 0", "is not a whole number from 1 to 64"),
        ("metod.X = y", "there is no such option"),
        ("wire = thrift", "wire = thrift needs the site's idl"),
    ],
)
def test_what_is_wrong_is_named(line: str, reason: str) -> None:
    """With its line and the cure."""
    other = "" if line.startswith("wire") else "wire = json"
    with pytest.raises(ConfigError) as caught:
        parse(f"[agent:stats]\nurl = http://x\n{other}\n{line}\n", "c", {})
    assert reason in str(caught.value)
