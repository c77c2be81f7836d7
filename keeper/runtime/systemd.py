"""Tells systemd how keeper is: ready, alive, reloading, stopping (sd_notify(3)). Silent where there is no systemd."""

from __future__ import annotations

import contextlib
import os
import socket


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
