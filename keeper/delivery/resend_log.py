"""The log of a resend, in the words of the old tools, so that what was made for theirs reads this one too; and the ids
that such a log says were delivered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from keeper.delivery.outcome import Outcome
from keeper.delivery.plan import Item
from keeper.errors import StateError

FILE = "resend.log"

# The code is the response's own: `code=` may also stand in a body or a header that is printed before it, in quotes.
_ANSWER = re.compile(
    rb"onResendThriftHttpResponse: key=(?:u?'[^']*'|\"[^\"]*\"), packet_id=(\d+), response=(.*)", re.DOTALL
)
_CODE = re.compile(rb"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^'\"])*?[(,]\s*code=(\d+)")
_CONTENT = re.compile(rb" content=([0-9a-f]{32})\s*$")


class ResendLog:
    """Appends one line for each packet sent and each answer. `at` gives `2026-11-20T20:36:18.250Z`.

    It is for people: what counts is the ledger, so a full disk does not stop the run here, it is counted in `lost`.
    """

    def __init__(self, file: BinaryIO, at: Callable[[], str], id_shift: int) -> None:
        self._file = file
        self._at = at
        self._shift = id_shift
        self._torn = False
        self.lost = 0

    def sending(self, item: Item, in_flight: int) -> None:
        """The old tools print the data here; it stands in the collected file already."""
        self._say(f"Sending [{item.number}:{in_flight}] packet {item.id} type {item.key}: {item.events} events")

    def answered(self, item: Item, outcome: Outcome, took: float) -> None:
        error = f"'{outcome.detail}'".replace("\n", " ") if outcome.detail else "None"
        self._say(
            f"onResendThriftHttpResponse: key='{item.key}', packet_id={item.id + self._shift}, "
            f"response=HTTPResponse(code={outcome.code},request_time={took:.3f},error={error}) content={item.content}"
        )

    def _say(self, text: str) -> None:
        at = self._at()
        line = f"[{at[:10]} {at[11:19]},{at[20:23]} INFO] {text}\n".encode("utf-8", "backslashreplace")
        data = b"\n" + line if self._torn else line
        try:
            self._torn = self._file.write(data) != len(data)
        except OSError:
            self._torn = True
        self.lost += self._torn


class Confirmed(NamedTuple):
    """`content` is None where the log does not tell it: the old tools' does not."""

    id: int
    content: str | None


def confirmed(lines: Iterable[bytes], id_shift: int) -> Iterator[Confirmed]:
    """The packets that a resend log says were answered with 200. Ids below the shift are not a resend's."""
    for line in lines:
        if line.count(b"onResendThriftHttpResponse") > 1:
            continue  # two lines that a crash glued together: the code of one must not stand for the other
        answer = _ANSWER.search(line)
        if answer is None or int(answer[1]) < id_shift:
            continue
        code = _CODE.match(answer[2])
        if code is None or int(code[1]) != 200:
            continue
        content = _CONTENT.search(line)
        yield Confirmed(int(answer[1]) - id_shift, content[1].decode() if content else None)


def open_log(folder: Path) -> BinaryIO:
    """Raises StateError."""
    try:
        return (folder / FILE).open("ab", buffering=0)
    except OSError as error:
        raise StateError(f"{folder / FILE} cannot be written: {error.strerror}") from error
