"""`keeper resend` against real servers, good ones and bad ones: each packet ends in one place, and is shown there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, NamedTuple

import pytest

from keeper.cli import main
from tests.delivery.collection import Made, packet, write
from tests.delivery.statistics_server import IDL, StatisticsServer, identity
from tests.notifiers.receiver import Answer, Receiver, Request

CHAT = "[ChatMessageInfo(auid={}L, timestamp=1, channel='a', message='b')]"


def chat(number: int) -> Made:
    return Made(number, "ChatMessages", CHAT.format(number), [(number, 1, "a", "b")])


class Done(NamedTuple):
    code: int
    plan: dict[str, Any]
    summary: dict[str, Any]
    err: str


Resend = Callable[..., Done]


@pytest.fixture
def resend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Resend:
    """Run `keeper resend --json` on the folder `tmp_path` with a configuration of these options."""

    def run(url: str, *arguments: str, what: Path = tmp_path, **options: object) -> Done:
        config = tmp_path / "config.ini"
        given = {"url": url, "idl": IDL, "connect_timeout": "2s", "request_timeout": "2s", **options}
        lines = [f"{name.replace('__', '.')} = {value}" for name, value in given.items()]
        config.write_text("[agent:stats]\n" + "\n".join(lines) + "\n")
        code = main(["resend", str(what), "-c", str(config), "--work", str(tmp_path), "--json", *arguments])
        told = capsys.readouterr()
        shown = [json.loads(line) for line in told.out.splitlines() if line.startswith("{")] or [{"plan": {}}]
        print("\n".join(line for line in told.out.splitlines() if line.startswith("seed")))  # pytest shall show it
        summary = shown[1]["summary"] if len(shown) > 1 else {}
        if summary:
            assert summary["adds_up"], summary
            assert summary["unrecorded"] == 0
        return Done(code, shown[0]["plan"], summary, told.err)

    return run


def only(bad: Answer, ids: set[int], times: int = 10**6) -> Callable[[Request], Answer]:
    """Answers these packets badly so many times, and all others well."""
    seen: dict[int, int] = {}

    def script(request: Request) -> Answer:
        number = identity(request)[0]
        seen[number] = seen.get(number, 0) + 1
        return bad if number in ids and seen[number] <= times else Answer()

    return script


def test_every_packet_arrives_once_value_for_value_and_in_order(tmp_path: Path, resend: Resend) -> None:
    """The server decodes with thriftpy2 what the log said; with one in flight in the order of the file; a second run
    has nothing to do."""
    chance = Random(7)
    packets = [packet(chance, number) for number in range(500, 560)]
    write(tmp_path / "collected-unsent", packets)
    with StatisticsServer() as server:
        done = resend(server.url, "--in-flight", "1")
        calls = server.calls()
        assert (done.code, done.summary["delivered"], done.err) == (0, 60, "")
        assert resend(server.url).summary["delivered_before"] == 60
        assert len(server.received()) == 60
    assert [(call.packet, [tuple(vars(one).values()) for one in call.events]) for call in calls] == [
        (made.id, made.events) for made in packets
    ]
    assert done.summary["delivered_events"] == sum(len(made.events) for made in packets)
    assert [int(line) for line in (tmp_path / "ids.ok").read_text().split()] == list(range(500, 560))


def test_the_ledger_outlives_the_collection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stands beside what `keeper collect` made, so that a second collection of the same logs sends nothing again;
    beside files of other tools it stands in their folder, where they kept ids.ok."""
    for name in ("collected", "collected.1", "old"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "collected-unsent", [chat(1)])
    for name in ("collected", "collected.1"):
        index(tmp_path / name, {1: "rejected"})
    with StatisticsServer() as server:
        to = ["--url", server.url, "--idl", str(IDL)]
        assert main(["resend", str(tmp_path / "collected"), *to]) == 0
        assert main(["resend", str(tmp_path / "collected.1" / "collected-unsent"), *to]) == 0
        assert server.times().total() == 1
        assert main(["resend", str(tmp_path / "old"), *to]) == 0
        assert server.times().total() == 2
        assert main(["ledger", "show", str(tmp_path / "collected")]) == 0
    assert "        1  delivered" in capsys.readouterr().out
    assert (tmp_path / "ids.ok").read_text() == (tmp_path / "old" / "ids.ok").read_text() == "1\n"


def test_two_agents_do_not_share_a_ledger(tmp_path: Path, resend: Resend, capsys: pytest.CaptureFixture[str]) -> None:
    """Their ids mean different packets; and that packets went to another server is said."""
    write(tmp_path / "collected-unsent", [chat(1)])
    with StatisticsServer() as server:
        assert resend(server.url).code == 0
        assert main(["resend", str(tmp_path), "--agent", "other", "--url", server.url, "--idl", str(IDL)]) == 1
        assert "is the ledger of the agent 'stats'" in capsys.readouterr().err
        done = resend("http://127.0.0.1:1")
        assert f"already sent went to {server.url}, not to http://127.0.0.1:1" in done.err
        assert done.summary["delivered_before"] == 1


def test_a_header_identifies_a_packet_for_ever(tmp_path: Path, resend: Resend) -> None:
    """Source, packet id and content hash: the same when it is sent again, another for another packet of that id."""
    write(tmp_path / "collected-unsent", [chat(1), Made(1, "ChatMessages", CHAT.format(2), [])])
    with StatisticsServer(only(Answer(500), {1}, times=1)) as server:
        assert resend(server.url, "--in-flight", "1").code == 0
        keys = [request.headers["Idempotency-Key"] for request in server.received()]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith('"stats/1/')


def test_the_plan_is_shown_first_and_a_dry_run_stops_there(tmp_path: Path, resend: Resend) -> None:
    """What would be sent by type, what not and why; nothing is sent, nothing is written."""
    packets = [chat(1), chat(2), Made(3, "ClientPing", "[Ping(a=1)]", []), Made(4, "Nope", "[Nope(a=1)]", [])]
    packets += [Made(5, "ChatMessages", "[ChatMessageInfo(auid='x')]", []), chat(1)]
    write(tmp_path / "collected-unsent", packets)
    (tmp_path / "ids.ok").write_text("2\n")
    before = sorted(tmp_path.iterdir())
    done = resend("http://127.0.0.1:1", "--dry-run", "--skip", "ClientPing")
    assert (done.code, done.summary) == (3, {})
    plan = done.plan
    assert plan["planned_events_by_type"] == {"ChatMessages": 1}
    assert plan["skipped_by_type"] == {"ClientPing": 1}
    assert plan["unknown_types"] == {"Nope": 1}
    assert list(plan["rejected_by_reason"]) == ["ChatMessages: event N.auid is text, and the IDL wants an i64"]
    assert (plan["delivered_before"], plan["repeated"], plan["remaining"], plan["collected"]) == (1, 1, 1, 6)
    assert plan["adds_up"]
    assert sorted(tmp_path.iterdir()) == [*before[:1], tmp_path / "config.ini", *before[1:]]


def test_what_cannot_be_sent_is_kept_with_its_reason_and_the_rest_goes_on(tmp_path: Path, resend: Resend) -> None:
    """collected-rejected has it in the documented format; with the fault mended it can be resent from there."""
    lacking = Made(2, "ChatMessages", "[ChatMessageInfo(auid=2, timestamp=1, channel='')]", [])
    write(tmp_path / "collected-unsent", [chat(1), lacking, Made(3, "Ban", "[ChatMessageInfo(auid=1)]", []), chat(4)])
    rejected = tmp_path / "collected-rejected"
    with StatisticsServer() as server:
        for _ in range(2):
            assert resend(server.url).code == 3
        assert rejected.read_text().splitlines() == [
            "# event 1 lacks message, and default.ChatMessageInfo.message is not configured",
            f"2: ChatMessages: {lacking.data}",
            "# the IDL has no method for the type Ban",
            "3: Ban: [ChatMessageInfo(auid=1)]",
        ]
        mended = {"default__ChatMessageInfo__message": "'hi'", "default__ChatMessageInfo__timestamp": "0"}
        mended |= {"default__ChatMessageInfo__channel": "None", "method__Ban": "ChatMessages"}
        done = resend(server.url, what=rejected, **mended)
        assert (done.code, done.summary["delivered"], done.summary["wrong_lines"]) == (0, 2, 0)
        assert [(call.packet, call.events[0].message) for call in server.calls()][2:] == [(2, "hi"), (3, "hi")]
        assert resend(server.url, **mended).summary["delivered_before"] == 4
        assert len(server.received()) == 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(413, b"too large"), "answered 413: too large"),
        (Answer(400, b"\x1b[31mbad"), "answered 400: [31mbad"),
    ],
)
def test_a_packet_the_server_refuses_does_not_stop_the_others(
    tmp_path: Path, resend: Resend, answer: Answer, reason: str
) -> None:
    """It is tried once in a run and kept as rejected."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 7)])
    with StatisticsServer(only(answer, {3})) as server:
        done = resend(server.url)
        assert server.times().total() == 6
    assert (done.code, done.summary["delivered"], done.summary["rejected"]) == (3, 5, 1)
    assert done.summary["refused_by_reason"] == {f"ChatMessages: {reason}": 1}
    assert (tmp_path / "collected-rejected").read_text() == f"# {reason}\n3: ChatMessages: {CHAT.format(3)}\n"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503),
        Answer(200, b"<html>We are back soon</html>", {"Content-Type": "text/html"}),
        Answer(200, b"\x80\x01\x00\x03\0\0\0\1x"),
    ],
)
def test_trouble_that_passes_costs_nothing_but_time(tmp_path: Path, resend: Resend, answer: Answer) -> None:
    """503, a page with status 200, a Thrift exception: not accepted, and sent again by the same run."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 5)])
    with StatisticsServer(only(answer, {2}, times=1)) as server:
        done = resend(server.url)
        times = {number: count for (number, _), count in server.times().items()}
    assert (done.code, done.summary["delivered"]) == (0, 4)
    assert times == {1: 1, 2: 2, 3: 1, 4: 1}


def test_a_packet_the_server_always_fails_on_does_not_stop_the_others(tmp_path: Path, resend: Resend) -> None:
    """After `attempts` it remains for the next run, with the reason."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 4)])
    with StatisticsServer(only(Answer(500), {1})) as server:
        done = resend(server.url, attempts=2)
        assert (done.code, done.summary["delivered"], done.summary["remaining"]) == (3, 2, 1)
        assert done.summary["failed_by_reason"] == {"answered 500": 1}
        server.script = lambda _: Answer()
        assert resend(server.url).summary["delivered"] == 1


def test_retry_after_holds_for_every_chain(tmp_path: Path, resend: Resend) -> None:
    """429 with Retry-After: 2, and nothing reaches the server for two seconds."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 30)])
    with StatisticsServer(only(Answer(429, headers={"Retry-After": "2"}), {10}, times=1)) as server:
        done = resend(server.url)
        came = server.received()
    assert (done.code, done.summary["delivered"]) == (0, 29)
    [first, *_] = [request.at for request in came if identity(request)[0] == 10]
    assert [request for request in came if first + 0.3 < request.at < first + 1.9] == []


def test_a_wrong_address_ends_the_run(tmp_path: Path, resend: Resend) -> None:
    """No redirect is followed, and not every packet of a large collection is thrown at a wrong address."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 40)])
    with StatisticsServer(lambda _: Answer(301, headers={"Location": "http://user:pw@other.example/x?y"})) as server:
        done = resend(server.url)
        assert server.times().total() <= 4
    assert (done.code, done.summary["remaining"], done.summary["delivered"]) == (4, 39, 0)
    assert done.summary["ended"].startswith("the server answered 301 to http://other.example/x")
    assert "pw" not in done.summary["ended"]


@pytest.mark.parametrize("manner", ["hang", "close", "half"])
def test_an_unknown_outcome_is_held_for_a_person(tmp_path: Path, resend: Resend, manner: str) -> None:
    """The server took the packet and hung, hung up, or broke off in its answer: with `hold` it is not sent again, by
    this run or the next, until a person says so."""
    write(tmp_path / "collected-unsent", [chat(1)])
    with StatisticsServer(lambda _: half if manner == "half" else Answer(manner=manner)) as server:
        index(tmp_path, {1: "rejected"})
        done = resend(server.url, unknown_outcome="hold", request_timeout="500ms")
        assert (done.code, done.summary["held"]) == (3, 1)
        [reason] = done.summary["held_by_reason"]
        assert "the server may have it" in reason
        server.script = lambda _: Answer()
        done = resend(server.url, unknown_outcome="hold")
        assert done.summary["held_by_reason"] == {"keeper sent it, and no answer says what became of it": 1}
        assert server.times().total() == 1
        done = resend(server.url, "--unknown", "resend", unknown_outcome="hold")
        assert (done.code, done.summary["delivered"]) == (0, 1)


half = Answer(200, b"", {"Content-Length": "50"}, "last")


def index(folder: Path, outcomes: dict[int, str]) -> None:
    """What `keeper collect` knows of each packet."""
    import zlib  # noqa: PLC0415

    lines = [
        {"id": number, "crc": zlib.crc32(CHAT.format(number).encode()), "at": 1.0, "outcome": outcome, "code": None}
        for number, outcome in outcomes.items()
    ]
    (folder / "collected-index").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    ("policy", "deduplicates", "sent"),
    [("resend", "no", 4), ("hold", "no", 1), ("if_deduplicates", "no", 1), ("if_deduplicates", "yes", 4)],
)
def test_the_policy_for_outcomes_the_agent_did_not_learn(
    tmp_path: Path, resend: Resend, policy: str, deduplicates: str, sent: int
) -> None:
    """Rejected is safe to send; timed out, unanswered, and what an old file does not tell, if the policy allows."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 5)])
    index(tmp_path, {1: "rejected", 2: "unknown", 3: "unanswered"})
    with StatisticsServer() as server:
        done = resend(server.url, unknown_outcome=policy, deduplicates=deduplicates)
        assert {call.packet for call in server.calls()} == set(range(1, sent + 1))
    assert (done.summary["delivered"], done.summary["held"]) == (sent, 4 - sent)
    assert done.code == (0 if sent == 4 else 3)


def test_a_bare_id_that_several_packets_have_proves_none_of_them(tmp_path: Path, resend: Resend) -> None:
    """ids.ok of the old tools has no contents: with one packet of that id it is believed, with two it is not."""
    other = Made(1, "ChatMessages", CHAT.format(99), [])
    write(tmp_path / "collected-unsent", [chat(1), other, chat(2)])
    (tmp_path / "ids.ok").write_text("1\n2\n")
    with StatisticsServer() as server:
        done = resend(server.url, unknown_outcome="hold")
        assert (done.summary["held"], done.summary["delivered_before"]) == (2, 1)
        done = resend(server.url)
        assert (done.summary["delivered"], done.summary["delivered_before"]) == (2, 1)


def test_no_server_ends_the_run_after_a_while(tmp_path: Path, resend: Resend) -> None:
    """Everything remains, and the reason is told."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 4)])
    done = resend("http://127.0.0.1:1", give_up="1s")
    assert (done.code, done.summary["remaining"]) == (4, 3)
    assert done.summary["ended"] == "nothing was accepted for 1 s; last: connection refused"


def test_a_server_that_comes_back_gets_what_is_left(tmp_path: Path, resend: Resend) -> None:
    """A second run sends only what the first did not deliver."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 11)])
    with StatisticsServer(only(Answer(413), {6, 7, 8, 9, 10})) as server:
        assert resend(server.url, "--in-flight", "1").summary["delivered"] == 5
        server.script = lambda _: Answer()
        done = resend(server.url)
    assert (done.code, done.summary["delivered"], done.summary["delivered_before"]) == (0, 5, 5)


def test_a_moody_server_gets_everything_in_the_end(tmp_path: Path, resend: Resend) -> None:
    """It answers at random; every run adds up, and what it answered with 200 is what the ledger has, once."""
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = Random(seed)
    packets = [packet(chance, number) for number in range(1, 61)] + [packet(chance, number) for number in range(1, 11)]
    write(tmp_path / "collected-unsent", packets)
    moods = [Answer()] * 6 + [Answer(status) for status in (301, 400, 404, 413, 429, 500, 503)]
    moods += [Answer(200, b"<html>", {"Content-Type": "text/html"}), Answer(200, b"\x80\x01\x00\x03\0\0\0\1x")]
    took: Counter[tuple[int, str]] = Counter()

    def moody(request: Request) -> Answer:
        mood = chance.choice(moods)
        took[identity(request)] += mood == Answer()
        return mood

    runs = 0
    with StatisticsServer(moody) as server:
        while True:
            runs += 1
            done = resend(server.url, pacing="classic", event_pause="1ms", attempts=2)
            summary = done.summary
            assert summary["delivered"] + summary["delivered_before"] == took.total()
            assert (done.code == 0) == (took.total() == len(packets))
            if done.code == 0:
                break
            assert runs < 60
    assert set(took.values()) == {1}
    print(f"{len(server.received())} requests in {runs} runs")


def test_json_over_http(tmp_path: Path, resend: Resend) -> None:
    """For sites without Thrift: one object a packet; an answer that says no is one."""
    write(tmp_path / "collected-unsent", [chat(1), chat(2)])
    with Receiver(only(Answer(200, b'{"ok": 0, "error": "later"}'), {2}, times=1)) as server:
        assert resend(server.url, wire="json").code == 0
        bodies = [request.json for request in server.received()]
    assert bodies[0] == {"ChatMessages": [{"auid": 1, "timestamp": 1, "channel": "a", "message": "b"}]}
    assert len(bodies) == 3


def test_classic_pacing_rests_after_each_answer(tmp_path: Path, resend: Resend) -> None:
    """`event_pause` for each event, here on one chain."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 5)])
    with StatisticsServer() as server:
        assert resend(server.url, "--pacing", "classic", "--in-flight", "1", event_pause="200ms").code == 0
        at = [request.at for request in server.received()]
    assert all(later - sooner >= 0.2 for sooner, later in pairwise(at))


def test_a_large_packet_arrives(tmp_path: Path, resend: Resend) -> None:
    """5 MB in one packet."""
    text = "x" * 5_000_000
    data = f"[ChatMessageInfo(auid=1L, timestamp=1, channel='a', message='{text}')]"
    write(tmp_path / "collected-unsent", [Made(1, "ChatMessages", data, [])])
    with StatisticsServer() as server:
        assert resend(server.url, request_timeout="30s").code == 0
        [call] = server.calls()
    assert call.events[0].message == text


def process(folder: Path, url: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "keeper", "resend", str(folder), "--url", url, "--idl", str(IDL), "--json", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_is_in_flight_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    """Nothing new starts, answers under way are waited for and recorded; the summary still adds up."""
    write(tmp_path / "collected-unsent", [chat(one) for one in range(1, 500)])
    with StatisticsServer() as server:
        child = process(tmp_path, server.url, "--pacing", "classic")
        server.wait_count(5)
        child.send_signal(number)
        out, _ = child.communicate(timeout=20)
        came = len(server.received())
    summary = json.loads(out.splitlines()[1])["summary"]
    assert child.returncode == 4
    assert summary["ended"] == "stopped"
    assert summary["adds_up"]
    assert summary["delivered"] == came < 499
    assert len((tmp_path / "ids.ok").read_text().split()) == came


def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """A server that hangs cannot hold a person who is in a hurry; the packet is remembered as unknown."""
    write(tmp_path / "collected-unsent", [chat(1), chat(2)])
    with StatisticsServer(lambda _: Answer(manner="hang")) as server:
        child = process(tmp_path, server.url, "--in-flight", "1")
        server.wait_count(1)
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=20)
        summary = json.loads(out.splitlines()[1])["summary"]
        assert (child.returncode, summary["remaining"], summary["adds_up"]) == (4, 2, True)
        server.script = lambda _: Answer()
        again = process(tmp_path, server.url, "--unknown", "hold")
        out, _ = again.communicate(timeout=20)
    held = json.loads(out.splitlines()[1])["summary"]["held_by_reason"]
    assert held["keeper sent it, and no answer says what became of it"] == 1


def test_a_disk_that_takes_no_more_ends_the_run(tmp_path: Path) -> None:
    """Nothing is sent that could not be recorded before; what was acknowledged is known when there is room again."""
    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 200)])
    with StatisticsServer() as server:
        # No file may grow beyond 12 KiB, which ends the ledger after some 50 packets.
        command = ["bash", "-c", "ulimit -f 12; trap '' XFSZ; exec \"$@\"", "resend", sys.executable]
        command += ["-m", "keeper", "resend", str(tmp_path), "--url", server.url, "--idl", str(IDL), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        summary = json.loads(done.stdout.splitlines()[1])["summary"]
        assert done.returncode in (3, 4), done.stderr
        assert "cannot be written" in summary["ended"]
        assert summary["adds_up"]
        assert 0 < summary["delivered"] < 199
        first = server.times()
        child = process(tmp_path, server.url, "--unknown", "resend")
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 0
        times = server.times()
    assert json.loads(out.splitlines()[1])["summary"]["adds_up"]
    assert len(times) == 199
    twice = times.total() - 199
    assert twice <= first.total() - summary["delivered"] + summary["unrecorded"], "only what was not recorded"


def test_a_terminal_sees_progress(tmp_path: Path) -> None:
    """Bar, rate, latency, what is in flight and how long it takes yet."""
    import pty  # noqa: PLC0415

    write(tmp_path / "collected-unsent", [chat(number) for number in range(1, 40)])
    master, slave = pty.openpty()
    with StatisticsServer() as server:
        command = [sys.executable, "-m", "keeper", "resend", str(tmp_path), "--url", server.url, "--idl", str(IDL)]
        command += ["--pacing", "classic"]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=slave, text=True, env={**os.environ, "COLUMNS": "100"}
        )
        out, _ = child.communicate(timeout=30)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:
        pass
    os.close(master)
    assert b"packets, " in shown
    assert b"events/s, " in shown
    assert b" ms, " in shown
    assert b" in flight" in shown
    assert b" left" in shown
    assert "39 delivered + 0 delivered before" in out
    assert "= 39 collected" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "where to?"),
        (["--url", "ftp://x"], "is not an address"),
        (["--url", "http://127.0.0.1:1"], "Thrift needs the site's IDL"),
        (["--url", "http://127.0.0.1:1", "--idl", "/none.thrift"], "cannot read the IDL"),
        (["--url", "http://127.0.0.1:1", "--wire", "json", "--in-flight", "0"], "from 1 to 64"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    """No address, no IDL, no sense: one sentence and exit code 1."""
    assert main(["resend", str(tmp_path), *arguments]) == 1
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_nothing_to_send_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And so does a configuration without an agent, or with several."""
    assert main(["resend", str(tmp_path), "--url", "http://127.0.0.1:1", "--wire", "json"]) == 1
    assert "collected-unsent" in capsys.readouterr().err
    config = tmp_path / "c.ini"
    config.write_text("[node]\nlog = file:/x\n")
    assert main(["resend", str(tmp_path), "-c", str(config)]) == 1
    assert "no [agent:NAME]" in capsys.readouterr().err
    config.write_text("[agent:a]\nwire = json\nurl = http://x\n[agent:b]\nwire = json\nurl = http://x\n")
    assert main(["resend", str(tmp_path), "-c", str(config)]) == 1
    assert "--agent a or --agent b" in capsys.readouterr().err
