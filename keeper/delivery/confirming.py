"""Asking keeper's receiver which packets it has: bounded questions, each asked a few times when nobody answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

import orjson

from keeper.core.backoff import delay
from keeper.core.options import shown_url
from keeper.core.source import Wait
from keeper.delivery.outcome import said
from keeper.errors import Rejected, SendError, SourceError
from keeper.receiver.confirm import Name, body_of
from keeper.receiver.packet import LARGEST_ID, Malformed
from keeper.receiver.ranges import covered, joined, parts, read_ranges, shown_ranges
from keeper.receiver.settings import CONFIRMED
from keeper.receiver.stores.store import Range
from keeper.sources.http_get import Http, HttpAnswer

PACKETS = 5_000  # of one question: some 250 KB
RANGES, IDS = 100, 50_000  # of one question: 4 KB of address, and 1 MB of answer at most
TRIES = 4
MOST_ANSWER = 4 << 20  # bytes

One = TypeVar("One")


class Heard(NamedTuple):
    """What the receiver says of packets; None of one that is not there yet, though it may have been accepted. `source`
    is what it calls the agent."""

    source: str
    there: Mapping[Name, bool | None]


class Gaps(NamedTuple):
    """The ids of a question that are not there; `complete` False: some of them may have been accepted."""

    source: str
    complete: bool
    missing: Sequence[Range]


class Confirming:
    """For one thread. `address` is the receiver's, credentials in it are used and never shown; `source` None: what the
    credentials say; `patience` seconds the receiver may wait for its own workers, `timeout` for all of one answer.

    All methods raise SendError when there is no answer after TRIES, and Rejected when asking again will not help.
    """

    def __init__(
        self,
        http: Http,
        address: str,
        source: str | None,
        headers: Mapping[str, str],
        patience: float,
        timeout: float,
        wait: Wait,
        chance: Callable[[], float],
    ) -> None:
        scheme, network, path, _, _ = urlsplit(address)
        self._http = http
        self._url = urlunsplit((scheme, network, path.rstrip("/") + CONFIRMED, "", ""))
        self._source = source
        self._headers = headers
        self._patience = patience
        self._timeout = timeout
        self._wait = wait
        self._chance = chance

    @property
    def shown(self) -> str:
        return shown_url(self._url).removesuffix(CONFIRMED)

    def packets(self, names: Sequence[Name]) -> Heard:
        """Of at most PACKETS. A question that is too large for the receiver is asked in halves."""
        body = body_of(self._source, names, self._patience)
        # In the address, too: there it helps a receiver that tells senders apart by where they are.
        url = self._url if self._source is None else f"{self._url}?source={self._source}"
        answer = self._asked(lambda: self._http.post(url, body, self._timeout, MOST_ANSWER, self._headers))
        if answer.status == 413 and len(names) > 1:
            half = len(names) // 2
            first, second = self.packets(names[:half]), self.packets(names[half:])
            return Heard(second.source, {**first.there, **second.there})
        given = self._understood(answer)
        flags, absent = given.get("confirmed"), False if given["complete"] else None
        if not isinstance(flags, list) or len(flags) != len(names) or any(type(flag) is not bool for flag in flags):
            raise self._strange()
        return Heard(given["source"], {name: flag or absent for name, flag in zip(names, flags, strict=True)})

    def ids(self, ranges: Sequence[Range]) -> Gaps:
        """Of at most RANGES with IDS together."""
        given = {"ids": shown_ranges(ranges), "wait": f"{self._patience:g}"}
        query = urlencode(given if self._source is None else {"source": self._source, **given}, safe=",")
        url = f"{self._url}?{query}"
        answer = self._asked(lambda: self._http.get(url, self._timeout, MOST_ANSWER, self._headers))
        told = self._understood(answer)
        missing = told.get("missing")
        if not isinstance(missing, str):
            raise self._strange()
        try:
            found = joined(read_ranges(missing, IDS)) if missing else []
        except Malformed:
            raise self._strange() from None
        return Gaps(told["source"], told["complete"], found)

    def close(self) -> None:
        self._http.close()

    def _asked(self, ask: Callable[[], HttpAnswer]) -> HttpAnswer:
        failures = 0
        while True:
            try:
                answer = ask()
                if answer.status not in (408, 429, 500, 502, 503, 504):
                    return answer
                why = f"answered {answer.status}{said(answer.body)}"
            except SourceError as error:
                why = str(error)
            failures += 1
            if failures == TRIES or self._wait(delay(failures, self._chance())):
                raise SendError(f"the receiver at {self.shown}: {why}")

    def _understood(self, answer: HttpAnswer) -> dict[str, Any]:
        if answer.status != 200:
            raise Rejected(f"the receiver at {self.shown} answered {answer.status}{said(answer.body)}")
        try:
            given = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            raise self._strange()
        source = given.get("source")
        if not isinstance(source, str) or self._source not in (None, source) or type(given.get("complete")) is not bool:
            raise self._strange()
        return given

    def _strange(self) -> Rejected:
        return Rejected(f"what answers at {self.shown} does not answer as keeper's receiver does")


def batches(items: Iterable[One], size: int) -> Iterator[list[One]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def questions(ids: Iterable[int]) -> Iterator[list[Range]]:
    """The ids, without those too large to be asked for, as questions that are small enough."""
    pieces = parts(joined(Range(id, id) for id in ids if id <= LARGEST_ID), IDS)
    question: list[Range] = []
    for piece in pieces:
        if len(question) == RANGES or covered(question) + covered([piece]) > IDS:
            yield question
            question = []
        question.append(piece)
    if question:
        yield question
