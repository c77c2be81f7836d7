"""What became of every packet: who was delivered must never be sent again, whatever happened to the process since.

Two files in the work folder, which belongs to one agent. `resend.ledger` has one JSON object a line and is written
before the first byte of a packet is sent (`sending`) and again when its fate is known; `ids.ok` has the ids of what was
delivered, one a line, for the old tools and for people, and is brought up to the ledger at every start. Both are only
ever appended to.

A packet is its id and the hash of its content: an agent that restarts uses its ids again. Two agents use the same ids
for different packets, so a ledger remembers whose it is.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from keeper.delivery.appended import Appended
from keeper.delivery.packet import INDEX, REPORT
from keeper.errors import StateError

FILE = "resend.ledger"
IDS_FILE = "ids.ok"
SHOWN = 5  # wrong lines that are named one by one


class Fate(StrEnum):
    """What the last line about a packet says."""

    SENDING = "sending"  # keeper ended while it was under way: nobody knows what the server did
    DELIVERED = "delivered"
    REFUSED = "refused"  # the server will not have this packet, today or tomorrow
    FAILED = "failed"  # the server did not take it; it may yet
    LOST = "lost"  # the receiver was asked and has not got it: it may be sent, whatever came before
    UNKNOWN = "unknown"  # it was sent, and no answer came that says what became of it


CONFIRMED = "the receiver has it"  # why a packet counts as delivered that nobody was told about


class Note(NamedTuple):
    """One packet's new fate. `detail` is half a sentence about the server; empty when all is said."""

    id: int
    content: str
    fate: Fate
    detail: str = ""


class Told(NamedTuple):
    """What was found in a list of ids: those in it, and a sentence for each line that is none."""

    ids: dict[int, None]
    wrong: list[str]


class Ledger:
    """Used by one thread. `remarks` are sentences for a person about what was found, and mended, in the files."""

    def __init__(self, book: Appended, ids: Appended, now_text: Callable[[], str]) -> None:
        self.remarks: list[str] = []
        self._book = book
        self._ids = ids
        self._now_text = now_text
        self._fates: dict[tuple[int, str], Fate] = {}
        self._contents: dict[int, int] = {}  # id → how many different contents of it were delivered
        self._bare: dict[int, None] = {}  # delivered ids of which only the number is known
        self._lost: set[tuple[int, str]] = set()  # the receiver had not got them, and no sending since is in doubt
        self._confirmed: set[tuple[int, str]] = set()  # delivered, as the receiver said; not by an answer to keeper
        self._agent = ""
        self._targets: dict[str, None] = {}

    @classmethod
    def open(
        cls, folder: Path, now_text: Callable[[], str], ids: Path | None = None, how: type[Appended] = Appended
    ) -> Self:
        """Read both files, mend what a crash left of them. `now_text` gives the time to write into a line; `how` may be
        `Unchanged`, to look only.

        Raises InUse while another keeper sends from this folder, StateError when one cannot be used.
        """
        book = how.open(folder / FILE)
        try:
            beside = how.open(ids or folder / IDS_FILE)
        except BaseException:
            book.close()
            raise
        ledger = cls(book, beside, now_text)
        try:
            ledger._read_book()
            ledger._read_ids()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def bind(self, agent: str, target: str) -> None:
        """Write down whose packets are sent, and where to; a remark when others went elsewhere.

        Raises StateError when the ledger is another agent's.
        """
        if self._agent not in ("", agent):
            raise StateError(
                f"{self._book.path} is the ledger of the agent {self._agent!r}, whose ids mean other packets than "
                f"those of {agent!r}; say --agent {self._agent}, or give this agent a folder of its own with --work DIR"
            )
        elsewhere = [known for known in self._targets if known != target]
        if elsewhere:
            self.remarks.append(
                f"{self._book.path}: what is already sent went to {', '.join(elsewhere)}, not to {target}"
            )
        if target not in self._targets or not self._agent:
            opened = {"at": self._now_text(), "did": "opened", "agent": agent, "to": target}
            self._book.append([json.dumps(opened)])
        self._agent = agent
        self._targets[target] = None

    def fate(self, id: int, content: str) -> Fate | None:
        """What became of this packet; None when nothing is known of it."""
        found = self._fates.get((id, content))
        if found is None and id in self._bare and id not in self._contents:
            return Fate.DELIVERED
        return found

    def by_id_only(self, id: int, content: str) -> bool:
        """True when a bare id is all that says this packet was delivered: it would speak of any packet of that id."""
        return (id, content) not in self._fates and id in self._bare and id not in self._contents

    def fates(self) -> Mapping[tuple[int, str], Fate]:
        """Every packet, by id and content, of which more than its number is known."""
        return self._fates

    def answered(self) -> Iterator[tuple[int, str]]:
        """Every packet, by id and content, that keeper itself sent and the server said it took."""
        return (name for name, fate in self._fates.items() if fate is Fate.DELIVERED and name not in self._confirmed)

    def delivered_ids(self) -> list[int]:
        return sorted({*self._bare, *self._contents})

    def counts(self) -> dict[str, int]:
        """How many packets have which fate; `by id only` are those known by their number alone."""
        found = dict.fromkeys((str(fate) for fate in Fate), 0)
        for fate in self._fates.values():
            found[fate] += 1
        found["by id only"] = sum(id not in self._contents for id in self._bare)
        return found

    def note(self, notes: Iterable[Note]) -> None:
        """Make all of it durable, then believe it. Raises StateError; noting the same again later does no harm."""
        notes = list(notes)
        at = self._now_text()
        self._book.append(_line(at, note) for note in notes)
        known = self.delivered_now(notes)
        for note in notes:
            self._take(note)
        self._ids.append(str(id) for id in known)

    def delivered_now(self, notes: Iterable[Note]) -> list[int]:
        """The ids that these notes add to ids.ok."""
        fresh = (note.id for note in notes if note.fate is Fate.DELIVERED)
        return [id for id in dict.fromkeys(fresh) if id not in self._bare and id not in self._contents]

    def add_ids(self, ids: Iterable[int], origin: str) -> int:
        """Believe that these ids were delivered; `origin` says who says so. Returns how many were news."""
        fresh = [id for id in dict.fromkeys(ids) if id not in self._bare and id not in self._contents]
        at = self._now_text()
        self._book.append(json.dumps({"at": at, "did": "imported", "id": id, "from": origin}) for id in fresh)
        self._bare.update(dict.fromkeys(fresh))
        self._ids.append(map(str, fresh))
        return len(fresh)

    def close(self) -> None:
        self._book.close()
        self._ids.close()

    def _take(self, note: Note) -> None:
        name = note.id, note.content
        before = self._fates.get(name)
        if before is Fate.DELIVERED:
            return  # nothing takes back that it arrived
        fate = note.fate
        if fate is Fate.LOST:
            self._lost.add(name)
        elif fate is Fate.FAILED and name in self._lost:
            fate = Fate.LOST  # sending it again came to nothing, and before it the receiver had not got it
        elif fate is not Fate.SENDING or before is Fate.SENDING:
            self._lost.discard(name)
        self._fates[name] = fate
        if fate is Fate.DELIVERED:
            self._contents[note.id] = self._contents.get(note.id, 0) + 1
            if note.detail == CONFIRMED:
                self._confirmed.add(name)

    def _read_book(self) -> None:
        if self._book.torn:
            # Nothing was sent on the word of half a line, and what was under way has its `sending` line before it.
            self.remarks.append(f"{self._book.path}: an unfinished last line was removed")
            self._book.drop_torn()
        wrong = []
        for number, line in enumerate(self._book.lines(), 1):
            try:
                entry = json.loads(line)
                if entry["did"] == "imported":
                    self._bare[int(entry["id"])] = None
                elif entry["did"] == "opened":
                    self._agent = str(entry["agent"])
                    self._targets[str(entry["to"])] = None
                else:
                    why = str(entry.get("why", ""))
                    self._take(Note(int(entry["id"]), str(entry["content"]), Fate(entry["did"]), why))
            except (ValueError, KeyError, TypeError):
                wrong.append(f"{self._book.path}:{number}: not a line of the ledger, left aside: {line[:60]!r}")
        self.remarks += _first(wrong)

    def _read_ids(self) -> None:
        owed = [str(id) for id in self.delivered_ids()]
        torn = self._ids.torn.decode("ascii", "replace").strip()
        if self._ids.torn:
            told = read_ids(self._ids.lines(), str(self._ids.path))
            missing = [id for id in owed if int(id) not in told.ids]
            if not torn or any(id.startswith(torn) for id in missing):
                self.remarks.append(f"{self._ids.path}: an unfinished last line was removed")
                self._ids.drop_torn()
            else:
                # keeper writes the ledger first, so this line is not keeper's: a person's editor left the newline out.
                self.remarks.append(f"{self._ids.path}: the last line {torn[:20]!r} had no newline; it got one")
                self._ids.end_torn()
        told = read_ids(self._ids.lines(), str(self._ids.path))
        self.remarks += _first(told.wrong)
        self._bare.update(told.ids)
        self._ids.append(id for id in owed if int(id) not in told.ids)


def home(what: Path) -> Path:
    """The work folder for what is sent: beside the folder that `keeper collect` made, so that the next collection finds
    the same ledger; for files of other tools the folder they are in, where those kept their ids.ok, too."""
    folder = what if what.is_dir() else what.parent
    made = any((folder / name).exists() for name in (INDEX, REPORT))
    own = any((folder / name).exists() for name in (FILE, IDS_FILE))
    return folder.resolve().parent if made and not own else folder


def agent_home(state_dir: str, agent: str) -> Path:
    """The work folder of an agent the daemon watches."""
    return Path(state_dir) / "agents" / agent


def made(folder: Path) -> Path:
    """The folder, there. Raises StateError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def read_ids(lines: Iterable[bytes], name: str) -> Told:
    """A list as the old tools keep it: one id a line. Empty lines pass; any other is named with its number."""
    ids: dict[int, None] = {}
    wrong = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.isdigit() and len(text) <= 19:
            ids[int(text)] = None
        elif text:
            wrong.append(f"{name}:{number}: not an id, left aside: {text[:60]!r}")
    return Told(ids, wrong)


def entries(folder: Path, last: int) -> list[dict[str, object]]:
    """The newest lines of a ledger, beside a keeper that may be writing; without those that are none."""
    if not (folder / FILE).exists():
        return []
    found = []
    with (folder / FILE).open("rb") as book:
        for line in deque(book, maxlen=last):
            with suppress(ValueError):
                entry = json.loads(line)
                found += [entry] if isinstance(entry, dict) else []
    return found


def _line(at: str, note: Note) -> str:
    said = {"why": note.detail} if note.detail else {}
    return json.dumps({"at": at, "did": note.fate, "id": note.id, "content": note.content} | said)


def _first(sentences: list[str]) -> list[str]:
    more = len(sentences) - SHOWN
    return sentences[:SHOWN] + ([f"... and {more} more lines like that"] if more > 0 else [])
