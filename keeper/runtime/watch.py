"""Threads: each body is a plain function; here is the one place that catches everything."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from keeper.core.source import Wait

log = logging.getLogger("keeper")


class Thread:
    """Runs `body(wait)` until `stop`. A body that raises is a bug: it is logged and `failed` is called with its name,
    which ends the daemon so that the service manager starts it again; half a watchdog is worse than none."""

    def __init__(self, name: str, body: Callable[[Wait], None], failed: Callable[[str], None]) -> None:
        self.name = name
        self._body = body
        self._failed = failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to stop; does not wait."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait for its end; False when it is still running then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._body(self._stop.wait)
        except Exception:  # the one boundary around thread bodies: say it all, then end the daemon
            log.exception("thread=%s state=failed", self.name)
            self._failed(self.name)
