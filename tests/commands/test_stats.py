"""`keeper stats` and `keeper export` of a real SQLite store that holds two days."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from keeper.cli import main
from keeper.commands.bars import Row, bar, columns, padded, table
from keeper.commands.export import cells, lines_of_csv
from keeper.commands.stored import cell, moment
from keeper.config import load
from keeper.errors import KeeperError
from keeper.receiver.packet import Event, Said, canonical, packet_of
from keeper.receiver.settings import STORE_FILE as FILE
from keeper.receiver.stores import store as stores
from keeper.receiver.stores.table import open_store
from tests.peers.postgresql import PASSWORD, PostgreSQL

DAY = 86400
BEGIN = 1_795_651_200.0  # 2026-11-26 00:00 UTC
FORMULA = "=HYPERLINK(0)"


class Told(NamedTuple):
    code: int
    out: str
    err: str


Tell = Callable[..., Told]


def packets() -> list[tuple[str, int | None, str, float, int]]:
    """(source, id, type, when it came, events)"""
    made: list[tuple[str, int | None, str, float, int]] = []
    for hour in range(30):
        made.append(("agent", hour, "LoginUsers", BEGIN + hour * 3600 + 5, 10))
        if hour % 6 == 0:
            made.append(("shop", None, "GoldSpent", BEGIN + hour * 3600 + 7.25, 3))
    return [*made, ("shop", None, FORMULA, BEGIN + 40 * 3600, 1)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return filled(tmp_path, "")


def filled(folder: Path, store: str) -> Path:
    """The configuration of a receiver whose store has all packets."""
    path = folder / "config.ini"
    path.write_text(f"[keeper]\nstate_dir = {folder}\n[receiver]\n{store}")
    settings = load(path)
    assert settings.receiver is not None
    opened = open_store(settings.receiver, settings.keeper.state_dir)
    for source, id, kind, at, events in packets():
        said = Said(kind, [Event(at - 1, canonical({"n": n, "at": at, "text": 'a "b";\n=c'})) for n in range(events)])
        opened.store([packet_of(said, source, id, at)])
    opened.close()
    return path


@pytest.fixture
def tell(config: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Tell:
    def told(command: str, *arguments: str) -> Told:
        code = main([command, "-c", str(config), *arguments])
        out, err = capfdbinary.readouterr()
        return Told(code, out.decode(), err.decode())

    return told


# -- stats ---------------------------------------------------------------------------------------------------------


def test_it_counts_by_type_source_and_hour(tell: Tell) -> None:
    """Three tables that each add up to the same total; hours in which nothing came are there."""
    told = tell("stats", "--since", "2026-11-26", "--until", "2026-11-27")
    assert told.code == 0
    assert told.out.startswith("what came from 2026-11-26 00:00 to 2026-11-27 00:00 UTC\n")
    parts = [part.splitlines() for part in told.out.split("\n\n")[1:]]
    assert [part[0].split()[0] for part in parts] == ["type", "source", "hour"]
    assert [part[-1].split() for part in parts] == [["total", "28", "252"]] * 3
    assert parts[0][1].split() == ["LoginUsers", "24", "240"]
    assert parts[1][2].split() == ["shop", "4", "12"]
    assert parts[2][1].split() == ["2026-11-26", "00:00", "2", "13"]
    assert len(parts[2]) == 1 + 24 + 1
    assert "█" not in told.out


def test_long_times_are_shown_by_day_and_gaps_are_shown(tell: Tell) -> None:
    """Over more than three days one line a day; hours between the first and the last are never left out."""
    told = tell("stats", "--since", "2026-11-01", "--until", "2026-12-01")
    assert [line.split() for line in told.out.split("\n\n")[3].splitlines()[1:-1]] == [
        ["2026-11-26", "28", "252"], ["2026-11-27", "8", "64"],
    ]  # fmt: skip
    hours = tell("stats", "--since", "2026-11-26", "--until", "2026-12-01", "--by", "hour").out.split("\n\n")[1]
    assert "\n2026-11-27 10:00        0       0\n" in hours
    assert len(hours.splitlines()) == 1 + 41 + 1


@pytest.mark.parametrize(("arguments", "total"), [
    (["--source", "shop"], (6, 16)), (["--type", "GoldSpent"], (5, 15)), (["--source", "nobody"], None),
    (["--source", "agent", "--type", "GoldSpent"], None), (["--until", "2026-11-26T00:00:01"], (2, 13)),
    (["--until", "2026-11-26T01:00"], (2, 13)),
])  # fmt: skip
def test_it_counts_only_what_was_asked_for(tell: Tell, arguments: list[str], total: tuple[int, int] | None) -> None:
    """Source, type and time; where there is nothing, it says so."""
    told = tell("stats", "--since", "2026-11-26", "--until", "2027-01-01", *arguments)
    assert told.code == 0
    if total is None:
        assert told.out.endswith("nothing is in the store of that time\n")
    else:
        assert told.out.splitlines()[-1].split() == ["total", *map(str, total)]


def test_an_hour_that_has_begun_counts_whole(tell: Tell) -> None:
    """`--since` goes back to the beginning of its hour, and says so."""
    told = tell("stats", "--since", "2026-11-27T05:59", "--until", "2026-11-27T07:00", "--by", "source")
    assert told.out.startswith("what came from 2026-11-27 05:00 to")
    assert told.out.splitlines()[-1].split() == ["total", "1", "10"]


def test_machines_get_json_and_csv(tell: Tell) -> None:
    """The same numbers; a type that spreadsheets would run is text in CSV, and itself in JSON."""
    whole = ["--since", "2026-11-26", "--until", "2026-12-01"]
    said = json.loads(tell("stats", "--json", *whole).out)
    assert (said["packets"], said["events"]) == (36, 316)
    assert said["by"]["type"][-1] == {"type": FORMULA, "packets": 1, "events": 1}
    assert said["by"]["day"][0] == {"day": "2026-11-26T00:00:00.000Z", "packets": 28, "events": 252}
    rows = list(csv.DictReader(io.StringIO(tell("stats", "--csv", *whole).out)))
    assert (len(rows), sum(int(row["events"]) for row in rows)) == (36, 316)
    assert rows[0] == {
        "hour": "2026-11-26T00:00:00.000Z", "source": "agent", "type": "LoginUsers", "packets": "1", "events": "10",
    }  # fmt: skip
    assert rows[-1]["type"] == f"'{FORMULA}"
    table = tell("stats", "--csv", "--by", "type", *whole).out.splitlines()
    assert table == ["type,packets,events", "LoginUsers,30,300", "GoldSpent,5,15", f"'{FORMULA},1,1"]


def run_on_terminal(config: Path, size: int, encoding: str, *arguments: str) -> str:
    """What the command writes to a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, size, 0, 0))
    command = [sys.executable, "-m", "keeper", "stats", "-c", str(config), *arguments]
    environ = {**os.environ, "PYTHONIOENCODING": encoding}
    environ.pop("COLUMNS", None)
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environ) as program:
        os.close(follower)
        said = b""
        try:
            while part := os.read(leader, 65536):
                said += part
        except OSError:  # the other end is closed
            pass
    os.close(leader)
    assert program.returncode == 0, said
    return said.decode().replace("\r\n", "\n")


def test_a_terminal_gets_bars_as_wide_as_it_is(config: Path) -> None:
    """The largest bar reaches the edge, no line goes over it; a terminal without blocks gets #."""
    asked = ("--since", "2026-11-26", "--until", "2026-11-27")
    wide = run_on_terminal(config, 100, "utf-8", *asked).splitlines()
    assert max(map(len, wide)) == 100
    assert sum("█" in line for line in wide) > 20
    narrow = run_on_terminal(config, 40, "ascii", *asked).splitlines()
    assert max(map(len, narrow[1:])) == 40
    assert "##########" in "\n".join(narrow)


# -- export --------------------------------------------------------------------------------------------------------


def test_events_come_out_as_csv(tell: Tell) -> None:
    """One line each, in the order of their own times, readable by any reader of CSV."""
    told = tell("export")
    rows = list(csv.DictReader(io.StringIO(told.out)))
    assert len(rows) == 316
    assert rows[0] | {"fields": json.loads(rows[0]["fields"])} == {
        "time": "2026-11-26T00:00:04.000Z", "at": "2026-11-26T00:00:05.000Z", "source": "agent", "type": "LoginUsers",
        "id": "0", "fields": {"at": BEGIN + 5, "n": 0, "text": 'a "b";\n=c'},
    }  # fmt: skip
    assert (rows[-1]["type"], rows[-1]["id"]) == (f"'{FORMULA}", "")
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_events_come_out_as_json_as_exact_as_they_came(tell: Tell) -> None:
    """One object a line, with what was asked for."""
    told = tell("export", "--json", "--source", "shop", "--until", "2026-11-26T06:00:07")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line["fields"]["n"] for line in lines] == [0, 1, 2] * 2
    assert lines[-1] == {
        "time": BEGIN + 6 * 3600 + 6.25, "at": BEGIN + 6 * 3600 + 7.25, "source": "shop", "type": "GoldSpent",
        "id": None, "fields": {"at": BEGIN + 6 * 3600 + 7.25, "n": 2, "text": 'a "b";\n=c'},
    }  # fmt: skip


def test_a_file_is_written_whole_or_not_at_all(tell: Tell, config: Path, tmp_path: Path) -> None:
    """What was there stays until the new one is whole, and for good when the store fails half way."""
    kept = tmp_path / "out" / "events.csv"
    kept.parent.mkdir()
    kept.write_text("before")
    link = tmp_path / "link"
    link.symlink_to(kept)
    told = tell("export", "-o", str(link), "--type", "LoginUsers")
    assert told.err.endswith(f"300 events are written to {link}\n")
    assert link.is_symlink() and len(kept.read_text().splitlines()) == 301
    whole = kept.read_bytes()
    (tmp_path / FILE).write_bytes(b"SQLite format 3\0" + b"torn" * 9000)
    assert tell("export", "-o", str(kept)).code == 1
    assert kept.read_bytes() == whole
    assert [path.name for path in kept.parent.iterdir()] == ["events.csv"]


def test_where_nothing_can_be_written_it_says_so(tell: Tell, tmp_path: Path) -> None:
    """A folder, a device and a place that is not there are no files; a full disk is told with its reason."""
    for place, why in (
        (tmp_path, f"{tmp_path} is no file"),
        (Path("/dev/null"), "/dev/null is no file"),
        (tmp_path / "no" / "x", f"{tmp_path}/no/x cannot be written: No such file or directory"),
    ):
        told = tell("export", "-o", str(place))
        assert (told.code, told.err) == (1, f"keeper: {why}\n")


def test_a_reader_that_goes_away_is_no_error(config: Path) -> None:
    """`keeper export | head -1` ends quietly."""
    command = f"{sys.executable} -m keeper export -c {config} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "time,at,source,type,id,fields\n"


def test_a_store_larger_than_memory_can_be_exported(tell: Tell, config: Path, tmp_path: Path) -> None:
    """40,000 events take no more memory than a few thousand."""
    settings = load(config)
    assert settings.receiver is not None
    store = open_store(settings.receiver, settings.keeper.state_dir)
    for number in range(40):
        said = Said("Many", [Event(BEGIN + n, canonical({"n": n, "text": "x" * 100})) for n in range(1000)])
        store.store([packet_of(said, "agent", 1000 + number, BEGIN)])
    store.close()
    tracemalloc.start()
    try:
        assert tell("export", "-o", str(tmp_path / "many"), "--json", "--type", "Many").code == 0
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "many").stat().st_size > 6_000_000
    assert most < 4_000_000


# -- both ----------------------------------------------------------------------------------------------------------


def test_every_store_tells_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """SQLite, plain files and PostgreSQL give the same numbers and the same events, and PostgreSQL takes what
    docs/receiver.md has people ask it."""
    told = []
    with PostgreSQL() as database:
        password = f"store_password = {PASSWORD}\n"
        for name, store in {
            "sqlite": "",
            "files": f"store = files:{tmp_path}/data\n",
            "postgresql": f"store = {database.address()}\n{password}",
        }.items():
            (tmp_path / name).mkdir()
            config = filled(tmp_path / name, store)
            assert main(["stats", "-c", str(config), "--since", "2026-11-01", "--until", "2026-12-01", "--json"]) == 0
            numbers = json.loads(capfd.readouterr().out)
            assert main(["export", "-c", str(config), "--json"]) == 0
            told.append((numbers, [json.loads(line) for line in capfd.readouterr().out.splitlines()]))
        page = (Path(__file__).parents[2] / "docs" / "receiver.md").read_text()
        [block] = re.findall(r"(?ms)^```postgresql\n(.+?)^```$", page)
        with database.connect() as connection:
            for statement in filter(str.strip, block.split(";")):
                connection.execute(statement.encode())
    assert told[0][0]["events"] == len(told[0][1]) == 316
    assert told[1] == told[0]
    assert told[2] == told[0]


@pytest.mark.parametrize("command", ["stats", "export"])
@pytest.mark.parametrize(("arguments", "why"), [
    (["--since", "yesterday"], "--since: 'yesterday' is neither so long ago, such as 24h, nor a time, such as"),
    (["--until", "2026-13-01"], "--until: '2026-13-01' is neither"),
    (["--since", "1h", "--until", "2h"], "there is no time between --since and --until"),
])  # fmt: skip
def test_a_time_that_is_none_is_refused(tell: Tell, command: str, arguments: list[str], why: str) -> None:
    """With what would be one."""
    told = tell(command, *arguments)
    assert (told.code, told.out) == (1, "")
    assert why in told.err


@pytest.mark.parametrize("command", ["stats", "export"])
def test_without_a_receiver_or_its_store_it_says_so(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A configuration without [receiver], and one whose receiver never stored anything."""
    config = tmp_path / "config.ini"
    config.write_text("[node]\nlog = file:/x\n")
    assert main([command, "-c", str(config)]) == 1
    assert f"{config} has no [receiver]" in capfd.readouterr().err
    config.write_text(f"[keeper]\nstate_dir = {tmp_path}\n[receiver]\n")
    assert main([command, "-c", str(config)]) == 1
    assert str(tmp_path / FILE) in capfd.readouterr().err
    assert not (tmp_path / FILE).exists()


def test_times_are_so_long_ago_or_dates() -> None:
    """A duration counts back from now, a date is of UTC unless it names its zone."""
    now = BEGIN + DAY
    assert moment("-", "1h30m", now) == now - 5400
    assert moment("-", "2026-11-26", now) == BEGIN
    assert moment("-", "2026-11-26 15:47", now) == BEGIN + 15 * 3600 + 47 * 60
    assert moment("-", "2026-11-26T03:00:00.5+03:00", now) == BEGIN + 0.5
    with pytest.raises(KeeperError, match="neither"):
        moment("-", "5", now)


@pytest.mark.parametrize(("text", "shown"), [
    ("Login", "Login"), ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "\\t=1"),
    ("\r=1", "\\r=1"), ("a\n=1", "a\\n=1"), ("a=1", "a=1"), ("", ""),
])  # fmt: skip
def test_no_cell_is_a_formula(text: str, shown: str) -> None:
    """What a spreadsheet would run begins with a ' in CSV, and nothing else is touched."""
    assert cell(text) == shown
    row = stores.Row(0.0, text or "s", text, "{}", None, 0.0)
    [line] = csv.reader(io.StringIO(lines_of_csv([cells(row)]).decode(), newline=""))
    assert line[3] == shown


def test_bars_are_as_long_as_their_numbers() -> None:
    """To an eighth of a column; nothing has none, and little can be seen."""
    blocks = " ▏▎▍▌▋▊▉█"
    assert [bar(n, 100, 4, blocks) for n in (0, 1, 25, 50, 99, 100)] == ["", "▏", "█", "██", "████", "████"]
    assert bar(17, 64, 8, blocks) == "██▏"
    assert bar(1, 1000, 4, " #") == "#"


def test_names_cannot_disturb_the_terminal() -> None:
    """Control characters are shown as what they are, wide ones count twice, long ones are cut."""
    rows = [Row("\x1b[2Jred", 1, 1), Row("統計" * 40, 1, 1), Row("e\u0301", 1, 0)]
    lines = table("type", rows, Row("total", 3, 2), 80, " #")
    assert "\x1b" not in "".join(lines)
    assert "\\x1b[2Jred" in lines[1]
    assert lines[2].startswith("統計統計") and "...  " in lines[2]
    assert max(map(columns, lines)) == 80
    assert padded("e\u0301", 3) == "e\u0301  "
