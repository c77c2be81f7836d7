"""What takes its time, beside the event loop: one thread, one thing after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Found = TypeVar("Found")


class Aside:
    """For the server's event loop. A daemon thread, unlike those of executors: a store that hangs must not keep the
    process from its end."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def ask(self, call: Callable[[], Found]) -> asyncio.Future[Found]:
        """What `call` returns or raises. One that is cancelled before its turn is left out."""
        if not self._thread.is_alive():
            self._thread.start()
        future: Future[Found] = Future()
        self._work.put((future, call))
        return asyncio.wrap_future(future)

    def _run(self) -> None:
        while True:
            future, call = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except Exception as error:  # noqa: BLE001  # not ours: it is raised where it is waited for
                    future.set_exception(error)
            del future, call  # a body may be large, and the next one late
