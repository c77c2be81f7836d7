"""What a receiver tells each worker that it starts: its own settings, whatever stands in the file by now.

A worker that comes back after the file was edited must not bring what was received somewhere else: the server goes on
asking the old store, and would say of what is in the new one that it never came.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, NamedTuple

from keeper.receiver.settings import ReceiverSettings


class Order(NamedTuple):
    own: ReceiverSettings
    state_dir: str
    log_level: str

    def line(self) -> bytes:
        """It may have secrets."""
        told = {"own": asdict(self.own), "state_dir": self.state_dir, "log_level": self.log_level}
        return json.dumps(told).encode() + b"\n"


def read_order(line: bytes) -> Order:
    """What `Order.line` wrote."""
    told = json.loads(line)
    own: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told["own"].items()
    }
    return Order(ReceiverSettings(**own), told["state_dir"], told["log_level"])
