"""When a standby should produce, and why not before: nights told to the rule, and recorded ones."""

from __future__ import annotations

import pytest

from bench.recorded import recording
from keeper.config import parse
from keeper.replay import Moment, Replay
from keeper.runtime.clock import iso

CONFIG = "[node]\nproducer = eosstore\nrole = {role}\nlog = file:/recorded\n[rule:peers_low]\nmin = 1\n"


def timeline(role: str, name: str, rules: str = "") -> list[Moment]:
    settings = parse(CONFIG.format(role=role) + rules, "config.ini", {})
    replay = Replay(settings, settings.nodes[0])
    log = recording(name)
    moments = []
    start = 0
    while start < len(log):
        end = log.rfind(b"\n", start, start + (1 << 16)) + 1
        moments += list(replay.feed(log[start:end], 0.0))
        start = end
    return [*moments, *replay.finish()]


def due(moments: list[Moment]) -> list[tuple[str, str]]:
    return [(iso(m.at)[11:19], m.text) for m in moments if m.rule == "takeover_due" and m.kind == "FIRING"]


def test_b_should_produce_when_the_second_window_is_over_and_not_before() -> None:
    """In the recorded night the first window was missed at 20:36:12, the second ended at 20:38:24."""
    said = "eosstore missed 2 windows in a row, and this node is fit to produce"
    assert due(timeline("B", "B")) == [("20:38:25", said)]


@pytest.mark.parametrize(("role", "name"), [("A", "A"), ("C", "C"), ("F", "C")])
def test_nobody_else_should(role: str, name: str) -> None:
    """C waits for six windows; A and F do not stand by."""
    assert due(timeline(role, name)) == []


def test_c_should_when_it_is_told_to_wait_for_less() -> None:
    """The number of windows is the operator's."""
    night = timeline("C", "C", "[rule:takeover_due]\nwindows_c = 1\n")
    assert [at for at, _ in due(night)] == ["20:36:19"]
