"""Tells systemd how keeper is: ready, alive, reloading, stopping (sd_notify(3)). Silent where there is no systemd."""

from __future__ import annotations

import contextlib
import os
import socket

BEAT = 0.5  # seconds between two signs of life, or a quarter of what is asked for
SPARE = 1.0  # seconds


class ServiceManager:
    """Speaks to the socket in NOTIFY_SOCKET. `watchdog_seconds` is how often systemd wants to hear; None: never."""

    def __init__(self, environment: dict[str, str] | os._Environ[str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        micros = environment.get("WATCHDOG_USEC", "")
        self.watchdog_seconds = int(micros) / 1e6 if micros.isdigit() else None

    def say(self, state: str) -> None:
        """Send `READY=1`, `WATCHDOG=1`, `STATUS=...`; several lines at once are fine. Best effort by design."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.setblocking(False)
            speaker.sendto(state.encode(), address)


class Pulse:
    """Lets systemd know that a small service lives, and have patience while it does something that takes long."""

    def __init__(self, manager: ServiceManager) -> None:
        self._manager = manager
        self._beat_at = 0.0

    def begin(self) -> None:
        self._manager.say("READY=1")

    def beat(self, now: float) -> None:
        """Say that it lives, if it is time to; it may be called as often as you like."""
        wanted = self._manager.watchdog_seconds
        if wanted is not None and now - self._beat_at >= min(BEAT, wanted / 4):
            self._beat_at = now
            self._manager.say("WATCHDOG=1")

    def skip(self, seconds: float) -> None:
        """Not be heard for so long without being taken for frozen; 0: from now on as it was."""
        wanted = self._manager.watchdog_seconds
        if wanted is not None:
            patience = max(seconds + SPARE, wanted) if seconds else wanted
            self._manager.say(f"WATCHDOG_USEC={round(patience * 1e6)}\nWATCHDOG=1")
