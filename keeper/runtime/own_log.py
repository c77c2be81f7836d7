"""keeper's own log: one line a state change, key=value, UTC, to standard error."""

from __future__ import annotations

import logging
import sys

from keeper.runtime.clock import iso


class KeyValueFormatter(logging.Formatter):
    """`2026-11-20T20:36:19.000Z level=warning subject=node rule=own_missed ...`, tracebacks on the lines behind."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{iso(record.created)} level={record.levelname.lower()} {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def set_up(level: str) -> None:
    """Send keeper's log to standard error from this level on; libraries speak from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("keeper").setLevel(level.upper())
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote whole addresses
    logging.getLogger("waitress").setLevel(logging.ERROR)  # a scanner's garbage is no news
