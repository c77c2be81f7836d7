"""failover.db: on the disk before anything is done, at most once, and honest about a disk that does not take it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeper.errors import StateError
from keeper.failover.lease import Grant
from keeper.failover.state import Kept, Resumed
from keeper.runtime import book as book_module
from keeper.runtime.book import (
    FILE,
    Book,
    Deed,
    Drill,
    add_drill,
    answer_to,
    drills,
    give_order,
    history,
    mend_fuse,
    pause_here,
)

KEPT = Kept(7, Grant(7, "token", 1234.5), Resumed.ASKED, frozenset({"pre_takeover"}))


def test_what_is_kept_outlives_the_process(tmp_path: Path) -> None:
    """Whole, under the same name; after a boot without the lease, whose end was on another clock, and under another."""
    book = Book.open(tmp_path)
    assert book.kept == Kept()
    assert book.write(KEPT, [Deed(1.0, "state", "standby: why")])
    instance = book.instance
    book.close()
    book = Book.open(tmp_path)
    assert (book.kept, book.instance) == (KEPT, instance)
    book.close()
    assert history(tmp_path, 10) == [Deed(1.0, "state", "standby: why")]


def test_after_a_boot_the_lease_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book.open(tmp_path)
    book.write(KEPT, ())
    before = book.instance
    book.close()
    monkeypatch.setattr(book_module, "boot_id", lambda: "another1")
    book = Book.open(tmp_path)
    assert book.kept == KEPT._replace(grant=None)
    assert book.instance != before
    book.close()


def test_orders_are_taken_once_and_not_when_they_are_old(tmp_path: Path) -> None:
    """A person is always told what came of it."""
    book = Book.open(tmp_path)
    now = time.time()
    old = give_order(tmp_path, "takeover", "alice", "", now - 100)
    new = give_order(tmp_path, "step-down", "bob", "new kernel", now)
    [order] = book.orders(now)
    assert (order.id, order.what, order.who, order.why) == (new, "step-down", "bob", "new kernel")
    assert answer_to(tmp_path, old) == "nobody carried it out in time, and now it is too old"
    assert answer_to(tmp_path, new) is None
    book.answer(order, "done")
    assert book.orders(now) == []
    assert answer_to(tmp_path, new) == "done"
    book.close()
    assert Book.open(tmp_path).orders(now) == []


def test_a_pause_and_a_mended_fuse_arrive_from_outside(tmp_path: Path) -> None:
    book = Book.open(tmp_path)
    book.write(Kept(), [Deed(100.0, "takeover", "one"), Deed(200.0, "takeover", "two")])
    assert (book.count("takeover", 50.0), book.count("takeover", 150.0)) == (2, 1)
    pause_here(tmp_path, "new kernel")
    mend_fuse(tmp_path, 150.0)
    book.orders(time.time())
    assert (book.paused, book.count("takeover", 50.0)) == ("new kernel", 1)
    book.close()


def test_drills_are_remembered(tmp_path: Path) -> None:
    Book.open(tmp_path).close()
    add_drill(tmp_path, Drill(1.0, "switch", True, 7.5, "there and back"))
    assert drills(tmp_path) == [Drill(1.0, "switch", True, 7.5, "there and back")]


def test_a_disk_that_takes_nothing_is_told_and_recovers(tmp_path: Path) -> None:
    """`write` says no and raises nothing; when it works again, what is kept is the newest."""
    book = Book.open(tmp_path)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not book.write(KEPT, [Deed(1.0, "deed", "resume")])
    assert "cannot be written" in book.why
    other.execute("ROLLBACK")
    assert book.write(KEPT._replace(epoch=8), ())
    assert book.why == ""
    book.close()
    assert Book.open(tmp_path).kept.epoch == 8


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"x" * 5000])
def test_a_file_that_is_not_keepers_is_refused(tmp_path: Path, content: bytes) -> None:
    """With the cure, and nothing of it changed."""
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StateError, match="move it away and start again"):
        Book.open(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_nothing_that_was_written_is_lost_with_the_process(tmp_path: Path) -> None:
    """Killed at any moment: every epoch that was reported as written is there."""
    code = (
        "import sys; from pathlib import Path; from keeper.runtime.book import Book, Deed; from keeper.failover.state"
        " import Kept\nbook = Book.open(Path(sys.argv[1]))\nn = book.kept.epoch\nwhile True:\n    n += 1\n"
        "    assert book.write(Kept(n), [Deed(n, 'deed', 'x')])\n    print(n, flush=True)\n"
    )
    last = 0
    for pause in (0.2, 0.35, 0.5):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        said = [int(line) for line in (process.communicate()[0] or "").split("\n")[:-1]]
        last = said[-1] if said else last
        book = Book.open(tmp_path)
        assert book.kept.epoch in (last, last + 1)
        last = book.kept.epoch
        book.close()
