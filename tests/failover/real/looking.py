"""When one node was un-paused, from what it answers when it is asked again and again."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

CLONE_NEWNET = 0x40000000
TIMEOUT = 1.0  # seconds for one answer


class Span(NamedTuple):
    """From the question that a node first answered with `not paused` to when it was last known to be so."""

    begin: float
    end: float


@dataclass(slots=True)
class Told:
    """What a node told so far.

    A node that does not answer is what it was, as long as its process lives: a frozen one that was un-paused counts as
    un-paused until it is killed or says otherwise. When it was paused in between nobody knows, so the last question
    it did not answer is left out.
    """

    spans: list[Span] = field(default_factory=list)
    looks: int = 0
    heard_unpaused: float = float("-inf")
    _process: int = 0  # the one the last span is of; 0 when that is over
    _unanswered: float = 0.0

    def hear(self, asked: float, answered: float, paused: bool | None, process: int) -> None:
        """`paused` is None without an answer; `process` is 0 when there is none. Times in seconds since boot."""
        self.looks += 1
        if paused is False:
            if process and process == self._process:
                self.spans[-1] = Span(self.spans[-1].begin, answered)
            else:
                self.spans.append(Span(asked, answered))
            self._process, self.heard_unpaused = process, answered
        elif paused is None and process and process == self._process:
            last = self.spans[-1]
            self.spans[-1] = Span(last.begin, max(last.end, self._unanswered))
            self._unanswered = asked
        else:
            self._process = 0


def enter(namespace: Path) -> None:
    """Let this thread, and no other, open its connections from there."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        if libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    finally:
        os.close(descriptor)


def ask_paused(port: int) -> bool | None:
    """Ask the node on loopback; None when it does not say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        connection.request("POST", "/v1/producer/paused")
        said = json.loads(connection.getresponse().read())
        if isinstance(said, bool):
            return said
    return None
