"""What docs/receiver.md tells people to do works, and what it says of answers is all there is."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keeper.receiver.settings import STORE_FILE as FILE
from keeper.receiver.standing import CODES
from tests.delivery.statistics_server import IDL
from tests.peers import free_ports
from tests.peers.ask import answers, eventually
from tests.peers.process import Program
from tests.receiver.inputs.thrift_calls import idl, written

PAGE = (Path(__file__).parents[2] / "docs" / "receiver.md").read_text()


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"(?ms)^```{language}\n(.+?)^```$", PAGE))


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """One as the page has it first, but for its ports."""
    folder = tmp_path_factory.mktemp("receiver")
    port, status = free_ports(2)
    config = folder / "config.ini"
    config.write_text(
        f"[keeper]\nstate_dir = {folder}\n"
        f"[receiver]\nlisten = 127.0.0.1:{port}\nstatus_listen = 127.0.0.1:{status}\nidl = {IDL}\n"
    )
    command = [sys.executable, "-m", "keeper", "receive", "-c", str(config)]
    with Program("receiver", command, folder / "receiver.log") as program:
        program.start(lambda: answers(f"http://127.0.0.1:{status}/-/ready"))
        yield f"127.0.0.1:{port}", folder


def test_every_example_is_taken(receiver: tuple[str, Path], tmp_path: Path) -> None:
    """Each line with curl is answered 200, and its packets get into the store."""
    address, folder = receiver
    (tmp_path / "access.log").write_text("web 2026-11-25 GET /\n")
    (tmp_path / "packet.bin").write_bytes(written("ChatMessages", [idl.ChatMessageInfo(auid=7)]))
    lines = [line for line in blocks("sh").splitlines() if "curl" in line]
    assert len(lines) >= 7
    for line in lines:
        command = line.replace("127.0.0.1:8016", address).replace("curl ", "curl -sS --noproxy '*' -w '%{http_code}' ")
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.endswith("200"), (line, done.stdout, done.stderr)
    eventually(lambda: told(folder, "SELECT sum(events) FROM counts") == [(7,)], "all events in the store")


def test_every_question_to_the_store_can_be_asked(receiver: tuple[str, Path]) -> None:
    """Each statement for SQLite runs on a real store, and uses an index where it must."""
    _, folder = receiver
    eventually((folder / FILE).exists, "a store")
    statements = [one.strip() for one in blocks("sql").split(";") if one.strip()]
    assert len(statements) == 4
    for statement in statements:
        told(folder, statement)
    plan = str(told(folder, f"EXPLAIN QUERY PLAN {re.sub('--.*', '', statements[0])}"))
    assert "USING INDEX events_type_time" in plan


def test_every_answer_is_explained() -> None:
    """The table has all codes that are ever answered, and no others."""
    assert tuple(map(int, re.findall(r"(?m)^\| (\d{3}) \| .+ \| .+ \|$", PAGE))) == CODES


def told(folder: Path, statement: str) -> list[tuple[object, ...]]:
    if not (folder / FILE).exists():
        return []
    with closing(sqlite3.connect(f"file:{folder / FILE}?mode=ro", uri=True)) as db:
        return db.execute(statement).fetchall()
