"""Recorded logs through the whole pipeline: the incident is found at its second, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import keeper
from bench.recorded import recording
from keeper.cli import main
from keeper.config import parse
from keeper.replay import Moment, Replay
from keeper.runtime.clock import iso

CONFIG = """
[node]
producer = eosstore
role = {role}
log = file:/recorded
[rule:peers_low]
min = 1
"""
PAUSED_AT = "2026-11-20T20:34:43"
# What the timeline of the recording explains: the nodes start, and nobody but `eosio` signs for four minutes.
EXPLAINED = {"node_restarted"}


def timeline(role: str, name: str, chunk: int = 1 << 20) -> list[Moment]:
    settings = parse(CONFIG.format(role=role), "config.ini", {})
    replay = Replay(settings, settings.nodes[0])
    return list(_moments(replay, recording(name), chunk))


def _moments(replay: Replay, log: bytes, chunk: int) -> Iterator[Moment]:
    start = 0
    while start < len(log):
        end = log.rfind(b"\n", start, start + chunk) + 1 or len(log)
        yield from replay.feed(log[start:end], 0.0)
        start = end
    yield from replay.finish()


@pytest.mark.parametrize(("role", "name"), [("A", "A"), ("B", "B"), ("C", "C"), ("F", "C")])
def test_both_missed_windows_are_known_within_two_seconds_of_their_end_in_every_role(role: str, name: str) -> None:
    """The windows at 20:36:12 and 20:38:18 end six seconds later; keeper knows within two."""
    missed = [(iso(m.at)[11:19], m.text) for m in timeline(role, name) if m.kind == "event" and "missed" in m.text]
    assert missed == [
        ("20:36:19", "eosstore missed 12 of 12 blocks in its window 20:36:12-20:36:18"),
        ("20:38:25", "eosstore missed 12 of 12 blocks in its window 20:38:18-20:38:24"),
    ]


@pytest.mark.parametrize(("role", "name"), [("A", "A"), ("B", "B"), ("C", "C")])
def test_nothing_is_wrong_before_the_producer_is_paused_but_what_the_timeline_explains(role: str, name: str) -> None:
    """Until 20:34:43 no rule fails, though a schedule settles and two hosts sign the same blocks for a while."""
    before = {m.rule for m in timeline(role, name) if m.kind == "failing" and iso(m.at) < PAUSED_AT}
    assert before <= EXPLAINED


def test_the_silence_of_our_producer_is_counted_from_slots() -> None:
    """On B, 260 s after the slot of the last block (20:34:11.5) the producer is silent."""
    silent = next(m for m in timeline("B", "B") if m.kind == "FIRING" and m.rule == "own_silent")
    assert iso(silent.at) == "2026-11-20T20:38:31.500Z"


def test_how_the_log_is_cut_into_chunks_changes_nothing() -> None:
    """The timeline is the same for chunks of 4 KiB and of the whole log."""
    assert timeline("B", "B", 4096) == timeline("B", "B", 1 << 24)


def test_the_command_prints_the_timeline_and_a_summary(tmp_path: Path) -> None:
    """`keeper replay --json` gives a JSON object a line and the counts at the end; several logs find their order."""
    config = tmp_path / "config.ini"
    config.write_text(CONFIG.format(role="B"))
    log = recording("B")
    half = log.index(b"\n", len(log) // 2) + 1
    (tmp_path / "a-later.log").write_bytes(log[half:])
    (tmp_path / "b-earlier.log").write_bytes(log[:half])
    command = [sys.executable, "-m", "keeper", "replay", "-c", str(config), "--json"]
    command += [str(path) for path in sorted(tmp_path.glob("*.log"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["summary"]["lines"] == log.count(b"\n")
    fired = [(line["rule"], line["at"][11:19]) for line in lines[:-1] if line["kind"] == "FIRING"]
    assert ("own_missed", "20:36:19") in fired
    assert "node_restarted" in {rule for rule, _ in fired}


def test_a_log_nobody_understands_is_said_to_be_one(tmp_path: Path) -> None:
    """A log without one line of nodeos gives a hint, not an empty timeline that looks like a good night."""
    config = tmp_path / "config.ini"
    config.write_text(CONFIG.format(role="B"))
    (tmp_path / "x.log").write_bytes(b"hello\nworld\n" * 100)
    command = [sys.executable, "-m", "keeper", "replay", "-c", str(config), str(tmp_path / "x.log")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "none of them says anything to keeper" in done.stderr


def test_chatter_between_events_is_no_silence() -> None:
    """A head that stands still while the log goes on talking is not a silent log."""
    settings = parse(CONFIG.format(role="F"), "config.ini", {})
    replay = Replay(settings, settings.nodes[0])
    block = (
        "info  2026-11-20T20:00:00.000 nodeos    x.cpp:1                  f                    ] Received block "
        "0102030405060708... #7 @ 2026-11-20T20:00:00.000 signed by bpa [trxs: 0, lib: 5, conf: 0, latency: 0 ms]\n"
    )
    chatter = "info  2026-11-20T20:{:02}:{:02}.000 net-0     net_plugin.cpp:1         f                    ] talking\n"
    log = block + "".join(chatter.format(second // 60, second % 60) for second in range(1, 61))
    told = [*replay.feed(log.encode(), 0.0), *replay.finish()]
    assert "log_silent" not in {m.rule for m in told if m.kind == "failing"}
    assert {m.rule for m in told if m.kind == "FIRING"} == {"head_stalled"}


def agent_log(codes: list[int], start: int = 0) -> bytes:
    """A packet each two seconds, answered with these codes."""
    lines = []
    for number, code in enumerate(codes, start):
        at = f"2015-01-23 15:{number * 2 // 60:02d}:{number * 2 % 60:02d}"
        error = "None" if code == 200 else f"HTTPError('HTTP {code}: Timeout',)"
        lines.append(f"[{at},100 INFO] sendThrift LIST: key='X', data=[Y(a=1L), Y(a=2L)], packet_id={number}")
        answer = f"HTTPResponse(code={code},request_time=0.05,error={error})"
        lines.append(f"[{at},150 INFO] onSendThriftHttpResponse: key='X', packet_id={number}, response={answer}")
    return "".join(f"{line}\n" for line in lines).encode()


def test_an_agents_log_tells_of_its_outage_and_when_packets_would_be_sent_again(tmp_path: Path) -> None:
    """By the command, over a rotated log named in the wrong order: nothing is sent, nothing is stored."""
    config = tmp_path / "config.ini"
    config.write_text(f"[agent:stats]\nlog = file:{tmp_path}/statistic.log\n")
    codes = [200] * 30 + [599] * 60 + [200] * 30
    (tmp_path / "statistic.log").write_bytes(agent_log(codes[80:], 80))
    (tmp_path / "statistic.log.1").write_bytes(agent_log(codes[:80]))
    logs = [str(tmp_path / "statistic.log"), str(tmp_path / "statistic.log.1")]
    argv = [sys.executable, "-m", "keeper", "replay", "-c", str(config), "--json", *logs]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"})
    *moments, summary = [json.loads(line) for line in done.stdout.splitlines()]
    fired = [(moment["at"][11:19], moment["rule"]) for moment in moments if moment["kind"] == "FIRING"]
    assert fired == [("15:02:00", "delivery_outage")], "one cause, one alert: the share of failures is explained by it"
    [outage] = [moment for moment in moments if moment["kind"] == "RESOLVED"]
    assert "15:03:00" < outage["at"][11:19] < "15:03:20"
    [would] = [moment for moment in moments if moment["kind"] == "event"]
    assert would["text"] == "60 packets (120 events) would be sent again from now on"
    assert "15:03:38" <= would["at"][11:19] <= "15:03:42", "20 packets in a row, for 30 s"
    assert summary["summary"]["recognized"] == summary["summary"]["lines"] == 240


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        (
            "A",
            [
                ("20:34:43", "with a lease, A would step down: the node was paused by somebody else"),
                ("20:36:19", "with a lease, A would TAKE OVER: eosstore missed 1 window in a row"),
            ],
        ),
        (
            "B",
            [
                ("20:36:19", "with a lease, B would TAKE OVER: eosstore missed 1 window in a row"),
                ("20:38:25", "without a lease, B would TAKE OVER: eosstore missed 2 windows in a row"),
            ],
        ),
        (
            "C",
            [
                ("20:24:11", "without a lease, C would not take over: our producer missed 0 of 6 windows"),
                ("20:38:25", "with a lease, C would TAKE OVER: eosstore missed 2 windows in a row"),
            ],
        ),
    ],
)
def test_a_replay_tells_what_handing_the_role_over_would_have_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], role: str, wanted: list[tuple[str, str]]
) -> None:
    """Of the recordings in both modes: when it would have acted, and until then why not."""
    config = tmp_path / "config.ini"
    config.write_text("[node]\nproducer = eosstore\nlog = file:/var/log/nodeos.log\n")
    log = Path(keeper.__file__).parent / "data" / f"antelope-4.1-{role}.log.xz"
    assert main(["replay", "-c", str(config), "--role", role, "--failover", "--alerts", str(log)]) == 0
    said = [(line[11:19], line.split("failover", 1)[1].strip()) for line in capsys.readouterr().out.splitlines()
            if " > failover" in line]  # fmt: skip
    for at, text in wanted:
        assert any(when == at and words.startswith(text) for when, words in said), said
    assert len(said) < 20


def test_a_host_that_stepped_down_in_a_replay_rests_as_configured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A was paused at 20:34:43; with a rest of five minutes nothing of it is over when the recording ends."""
    config = tmp_path / "config.ini"
    config.write_text(
        "[keeper]\nrole = A\n"
        "[node]\nproducer = eosstore\nlog = file:/var/log/nodeos.log\napi = http://127.0.0.1:8888\n"
        "[failover]\ncool_down = 5m\n"
    )
    log = Path(keeper.__file__).parent / "data" / "antelope-4.1-A.log.xz"
    assert main(["replay", "-c", str(config), "--alerts", str(log)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if " > failover" in line]
    assert any("20:36:19Z" in line and "it rests for" in line for line in said), said
    assert not any("TAKE OVER" in line for line in said)
