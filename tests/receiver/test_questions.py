"""Questions to a store that hangs: a file system that does not answer stands for a database that does not."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from keeper.receiver import questions
from keeper.receiver.aside import Aside
from keeper.receiver.gate import Gate
from keeper.receiver.queues.segments.queue import SegmentQueue
from keeper.receiver.settings import SQLITE, ReceiverSettings
from keeper.receiver.stores.store import Range, StoreError
from keeper.receiver.stores.table import open_reader
from tests.receiver.receiver_process import ReceiverProcess


def test_a_store_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks hears that it does not answer; when it answers again, so does the receiver."""
    monkeypatch.setattr(questions, "PATIENCE", 0.2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def ask() -> None:
        queue = SegmentQueue(tmp_path, queue_bytes=1 << 20, min_free=0, now=lambda: 0.0, failed=lambda _: None)
        settings = ReceiverSettings(store=(SQLITE, str(pipe)))
        asked = questions.Questions(queue, Gate(()), lambda: open_reader(settings, ""))
        for _ in range(3):
            with pytest.raises(StoreError, match="has not answered"):
                await asked.read(lambda reader: reader.stored("s", [Range(0, 9)]))
        os.close(os.open(pipe, os.O_WRONLY))
        pipe.unlink()
        monkeypatch.setattr(questions, "PATIENCE", 10.0)
        with pytest.raises(StoreError, match="nothing has been stored yet"):
            await asked.read(lambda reader: reader.stored("s", [Range(0, 9)]))

    asyncio.run(ask())


def test_a_store_that_hangs_does_not_keep_the_receiver_from_its_end(tmp_path: Path) -> None:
    """What still waits for an answer is told so."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ReceiverProcess(tmp_path / "receiver", f"store = sqlite:{pipe}", "workers = 0") as receiver:
        assert receiver.stop() == 0


def test_what_is_done_aside(tmp_path: Path) -> None:
    """In one thread and in order; what is raised there is raised where it is waited for."""

    async def ask() -> None:
        aside = Aside("a-test")
        names = await asyncio.gather(*(aside.ask(lambda: threading.current_thread().name) for _ in range(3)))
        assert names == ["a-test"] * 3
        with pytest.raises(ZeroDivisionError):
            await aside.ask(lambda: 1 // 0)
        hold, left_out = threading.Event(), threading.Event()
        held = aside.ask(hold.wait)
        cancelled = aside.ask(left_out.set)
        cancelled.cancel()
        await asyncio.sleep(0)  # it is told by the loop
        hold.set()
        assert await held
        assert await aside.ask(lambda: 5) == 5
        assert not left_out.is_set()

    asyncio.run(ask())
