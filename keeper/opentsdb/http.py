"""`/api/put` by HTTP: a batch of points as JSON, and what the answer means for each of them.

OpenTSDB names the points it refuses (`?details`). Where nobody names them, a batch that is refused is halved until each
bad point is alone, so that the good ones arrive. Every request of a batch goes over a connection that was made for it.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence

from keeper.core.source import Now
from keeper.opentsdb.outcome import SLOWLY, NotSent, Refused, Sent
from keeper.opentsdb.post import Answer, Post
from keeper.opentsdb.put import Details, Key, Point, json_array, key, point, read_details, read_error
from keeper.opentsdb.record import Line
from keeper.opentsdb.terms import Target, Terms

REQUESTS = 64  # of one `send`; what is left then, the next one takes
WIDELY = 16  # of them look for any point that is taken, while none was

REFUSALS = (400, 422)
TOO_LARGE = 413
LATER = (429, 503)
CURES = {
    401: "it wants a user and password, or others than these",
    403: "this user may not put points there",
    404: "there is no such path; mend the path",
    405: "nothing is put on this path; mend the path",
}


class Http:
    """One TSD. `send` makes REQUESTS requests at most, each of `terms.timeout` seconds at most, but for looking the
    host's name up; when one of them took so long, it ends as soon as anything is settled."""

    def __init__(self, target: Target, terms: Terms, now: Now) -> None:
        self._terms = terms
        self._now = now
        self._post = Post(target, terms, now)
        self._most = terms.most_bytes * 4  # bytes of a body: less, once one was too large

    def send(self, lines: Sequence[Line]) -> Sent:
        """Send one batch. Raises NotSent."""
        until = self._now() + self._terms.timeout
        batch = _Batch(lines)
        asked = 0
        try:
            while batch.pieces:
                if asked == REQUESTS or (batch.settled and self._now() > until):
                    raise batch.unproved() or NotSent("refuses so much that it takes several turns to find it")
                piece = batch.next(widely=not batch.proved and asked < WIDELY)
                body = json_array([batch.points[number] for number in piece])
                if len(body) > self._most and len(piece) > 1:
                    batch.halve(piece)
                    continue
                asked += 1
                batch.pieces.append(piece)  # until its answer is understood
                answer = self._post.post(gzip.compress(body) if self._terms.gzip else body)
                self._judge(batch, batch.pieces.pop(), answer, len(body))
            if unproved := batch.unproved():
                raise unproved
        except NotSent as error:
            raise batch.left(error) from error
        finally:
            self._post.close()
        return batch.sent()

    def _judge(self, batch: _Batch, piece: list[int], answer: Answer, size: int) -> None:
        """Settle the piece, or halve it. Raises NotSent; then the piece is left."""
        status = answer.status
        good = 200 <= status < 300
        details = read_details(answer.body) if good or status in REFUSALS else None
        batch.proved |= good or details is not None
        if details is not None and details.failed:
            self._settle(batch, piece, details)
        elif good:
            batch.accepted += len(piece)
        elif status == TOO_LARGE and len(piece) > 1:
            self._most = max(1, min(self._most, size) // 2)
            batch.halve(piece)
        elif status in REFUSALS or status == TOO_LARGE:
            said, speaks = read_error(self._post.bare(answer.body))
            batch.proved |= speaks
            batch.refuse_or_halve(piece, f"{status}: {said}" if said else str(status))
        else:
            batch.pieces.append(piece)
            raise self._not_sent(answer)

    def _settle(self, batch: _Batch, piece: list[int], details: Details) -> None:
        if details.passing:
            batch.pieces.append(piece)
            raise NotSent(f"says {details.passing[0][1]!r}", unknown=True)
        named = batch.named(piece, details.refused)
        if len(named) == details.failed:
            batch.refuse(named)
            batch.accepted += len(piece) - len(named)
        else:  # it took some and does not say which: putting them again changes nothing in an OpenTSDB
            whys = [why for _, why in details.refused]
            batch.refuse_or_halve(piece, whys[0] if whys else f"{details.failed} of {len(piece)} points failed")

    def _not_sent(self, answer: Answer) -> NotSent:
        status = answer.status
        if 300 <= status < 400:
            return NotSent(f"answers {status}, and redirects are not followed; configure the final address", SLOWLY)
        if status in CURES:
            return NotSent(f"answers {status}: {CURES[status]}", SLOWLY)
        said, _ = read_error(self._post.bare(answer.body))
        slowly = SLOWLY if status < 500 and status not in (*LATER, 408) else None
        asked = answer.retry_after if status in LATER else slowly
        return NotSent(
            f"answers {status}{f': {said}' if said else ''}", asked, unknown=status >= 500 and status not in LATER
        )


class _Batch:
    """What is settled of a batch, and the `pieces` that are not, each the numbers of its points."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.points: dict[int, Point] = {}
        self.accepted = 0
        self.proved = False  # it is a TSD: it took a point of this batch, or speaks as one
        self.alone: list[tuple[int, str]] = []  # refused when nothing else was with them
        self._lines = lines
        self._refused: list[Refused] = []
        for number, line in enumerate(lines):
            try:
                self.points[number] = point(line)
            except ValueError:
                self._refused.append(Refused(line, "not a point"))
        self.pieces: list[list[int]] = [list(self.points)] if self.points else []

    @property
    def settled(self) -> bool:
        return bool(self.accepted or self._refused)

    def next(self, *, widely: bool) -> list[int]:
        """The next piece: the one after the last one, or the largest."""
        number = max(range(len(self.pieces)), key=lambda number: len(self.pieces[number])) if widely else -1
        return self.pieces.pop(number)

    def halve(self, piece: list[int]) -> None:
        middle = len(piece) // 2
        self.pieces += [piece[middle:], piece[:middle]]

    def refuse_or_halve(self, piece: list[int], why: str) -> None:
        if len(piece) > 1:
            self.halve(piece)
        else:
            self.alone.append((piece[0], why))

    def refuse(self, named: Sequence[tuple[int, str]]) -> None:
        self._refused += [Refused(self._lines[number], why) for number, why in named]

    def named(self, piece: list[int], refused: Sequence[tuple[Key, str]]) -> list[tuple[int, str]]:
        """The points of a piece that an answer names; of equal ones as many as it names."""
        whys = dict(refused)
        times = Counter(name for name, _ in refused)
        found = []
        for number in piece:
            name = key(self.points[number])
            if name is not None and times[name] > 0:
                times[name] -= 1
                found.append((number, whys[name]))
        return found

    def unproved(self) -> NotSent | None:
        """A server that takes nothing may be no TSD, and what it refuses is not lost for it: a proxy without a backend
        answers 400, too, and so does a port that wants TLS."""
        if self.proved or not self.alone:
            return None
        return NotSent(f"refuses every point with {self.alone[0][1]!r}: is it a TSD's address and path?")

    def sent(self) -> Sent:
        self.refuse(self.alone)
        self.alone = []
        return Sent(self.accepted, tuple(self._refused))

    def left(self, error: NotSent) -> NotSent:
        """The same error with what was settled before it, and what was not."""
        part = self.sent() if self.proved else Sent(self.accepted, tuple(self._refused))
        rest = sorted([number for number, _ in self.alone] + [number for piece in self.pieces for number in piece])
        lines = [self._lines[number] for number in rest]
        return NotSent(str(error), error.retry_after, unknown=error.unknown, part=part, rest=lines)
