"""The walk of the old toolchain, with keeper's commands and files in the documented formats: collect, filter, resend,
lose ids.ok, rebuild it, resend again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from keeper.cli import main
from tests.delivery.statistics_server import IDL, StatisticsServer

CHAT = "[ChatMessageInfo(message='\\xd0\\x94), packet_id=5', auid={}L, timestamp=1, channel=u'a')]"


def line(second: int, text: str) -> str:
    return f"[2015-01-23 15:{second // 60:02}:{second % 60:02},123 INFO] {text}\n"


def agent_log() -> str:
    """30 packets: of three each the first is delivered, the second times out, the third gets no answer."""
    lines = []
    for number in range(30):
        key, data = ("ChatMessages", CHAT.format(number)) if number % 5 else ("ClientPing", f"[Ping(auid={number})]")
        lines.append(line(2 * number, f"sendThrift LIST: key='{key}', data={data}, packet_id={number}"))
        code, error = (200, "None") if number % 3 == 0 else (599, "HTTPError('HTTP 599: Timeout',)")
        if number % 3 < 2:
            response = f"HTTPResponse(code={code},request_time=0.1,error={error})"
            lines.append(
                line(2 * number + 1, f"onSendThriftHttpResponse: key='{key}', packet_id={number}, response={response}")
            )
    return "".join(lines)


def keeper(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "keeper", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_old_walk(tmp_path: Path) -> None:
    """Every undelivered packet but the filtered type arrives, and arrives once."""
    (tmp_path / "statistic.log").write_text(agent_log())
    lost = {number for number in range(30) if number % 3 and number % 5}
    with StatisticsServer() as server:
        to = ("--url", server.url, "--idl", str(IDL))
        keeper(tmp_path, "collect", "statistic.log")
        collected = tmp_path / "collected"
        packets = (collected / "collected-unsent").read_text() + (collected / "collected-no-response").read_text()
        (tmp_path / "filtered").write_text(
            "".join(p for p in packets.splitlines(keepends=True) if "ClientPing" not in p)
        )
        keeper(tmp_path, "resend", "filtered", *to)
        assert {call.packet for call in server.calls()} == lost
        assert {int(number) for number in (tmp_path / "ids.ok").read_text().split()} == lost
        (tmp_path / "ids.ok").unlink()
        (tmp_path / "resend.ledger").unlink()
        keeper(tmp_path, "ledger", "rebuild", ".", "resend.log")
        assert {int(number) for number in (tmp_path / "ids.ok").read_text().split()} == lost
        keeper(tmp_path, "resend", "filtered", *to)
        keeper(tmp_path, "resend", "collected", *to, "--skip", "ClientPing")
        assert server.times().total() == len(lost), "nothing came twice"
        messages = {call.events[0].message for call in server.calls()}
    assert messages == {"Д), packet_id=5"}


def test_an_old_list_of_ids_is_believed(tmp_path: Path) -> None:
    """ids.ok of the old tools, as it stands, keeps its packets from being sent."""
    (tmp_path / "collected-unsent").write_text("".join(f"{n}: ChatMessages: {CHAT.format(n)}\n" for n in range(5)))
    (tmp_path / "ids.ok").write_text("0\n1\n2\n3\n")
    with StatisticsServer() as server:
        assert main(["resend", str(tmp_path), "--url", server.url, "--idl", str(IDL)]) == 0
        assert [call.packet for call in server.calls()] == [4]
