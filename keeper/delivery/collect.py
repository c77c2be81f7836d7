"""Logs in, a folder out: the packets that were not delivered, in the documented files, and a report."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO

from keeper.delivery.archive import Found
from keeper.delivery.order import gaps, in_order, overlaps
from keeper.delivery.outages import Outages
from keeper.delivery.packet import INDEX, JSON, NO_RESPONSE, REPORT, UNSENT, Known, index_line
from keeper.delivery.pairing import Pairs, Undelivered, joined, pair, totals, undelivered
from keeper.delivery.report import Between, Kind, Log, Report, as_json
from keeper.delivery.scan import FileScan, Task, Wanted, scan
from keeper.errors import KeeperError
from keeper.formats.local_time import LocalTime
from keeper.runtime.side_by_side import side_by_side

_COPIED = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """How to collect. `zone` is the log's, None the host's; `processes` how many logs are read at the same time."""

    wanted: Wanted
    zone: tzinfo | None
    processes: int


def collect(found: Found, folder: Path, settings: Settings, progress: Callable[[int, int], None]) -> Report:
    """Read the logs and write what was not delivered to `folder`, which must be an empty one if it exists.

    `progress` is told the index of a log and how many of its bytes were read. The folder appears when it is complete;
    until then, and after a crash, there is only a hidden one beside it, which the next run removes. Raises
    KeeperError.
    """
    with _partial(folder) as partial:
        spool = partial / "spool"
        spool.mkdir()
        try:
            report = _collected(found, partial, spool, settings, progress)
        except OSError as error:
            raise KeeperError(
                f"cannot collect into {folder}: {error.filename or ''} {error.strerror or error}"
            ) from error
        report.folder = str(folder)
        shutil.rmtree(spool)
        _write(partial / REPORT, (json.dumps(as_json(report), indent=2) + "\n").encode())
        _sync(partial)
        partial.rename(folder)
        _sync(folder.parent)
    return report


def room_for(folder: Path, keep_backup: bool) -> Path | None:
    """Make sure that nothing is overwritten. A folder with something in it is refused, or with `keep_backup` renamed;
    the new name is returned. Raises KeeperError."""
    if not folder.exists() and not folder.is_symlink():
        return None
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        return None
    if not keep_backup:
        raise KeeperError(
            f"{folder} exists; name another with -o, or --force to keep it as a backup and write a new one"
        )
    number = 1
    while (backup := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    try:
        folder.rename(backup)
    except OSError as error:
        raise KeeperError(f"cannot rename {folder} to {backup}: {error.strerror}") from error
    return backup


def _collected(
    found: Found, partial: Path, spool: Path, settings: Settings, progress: Callable[[int, int], None]
) -> Report:
    alone = len(found.logs) == 1 and settings.processes > 1
    tasks = [Task(path, spool / str(index), settings.wanted, alone) for index, path in enumerate(found.logs)]
    scans = in_order(side_by_side(scan, tasks, settings.processes, progress))
    everything = joined(scans, spool / "edge", settings.wanted)
    pairs = pair(everything, settings.wanted, doubtful=bool(overlaps(scans)))
    report = _report(found, scans, pairs, settings)
    with ExitStack() as opened:
        files = _Files(partial, opened)
        outages = Outages()
        for packet in undelivered(pairs, settings.zone):
            files.write(packet)
            outages.add(packet)
            kind = report.kinds[packet.key]
            kind.undelivered[packet.outcome] += 1
            kind.undelivered_events += packet.events
            if packet.outcome == "rejected" and packet.code is not None:
                report.rejected[packet.code] += 1
        files.sync()
    outages.finish()
    report.outages, report.outages_let_go = outages.found, outages.let_go
    if settings.wanted.added:
        report.added = sum(one.added for one in everything)
        _join(everything, partial / JSON)
    return report


def _report(found: Found, scans: Sequence[FileScan], pairs: Pairs, settings: Settings) -> Report:
    zone = settings.zone
    report = Report(
        logs=_logs(scans, zone),
        left_out=found.left_out,
        gaps=[Between(gap.after, gap.before, gap.text) for gap in gaps(scans)],
        doubts=[Between(one.after, one.before, one.text) for one in overlaps(scans)],
        broken=sum(one.broken for one in pairs.scans),
        too_long=sum(one.cut for one in pairs.scans),
        unmatched=pairs.unmatched,
        zone=zone,
    )
    packets, events, bare, bare_events = totals(pairs.scans)
    for key in sorted(packets.keys() | bare.keys()):
        report.kinds[key] = Kind(packets[key], events[key], without_id=bare[key], events_without_id=bare_events[key])
    return report


def _logs(scans: Sequence[FileScan], zone: tzinfo | None) -> list[Log]:
    clock = LocalTime(zone)
    return [
        Log(
            path=one.path,
            start=None if one.first is None else clock.seconds(one.first),
            end=None if one.last is None else clock.seconds(one.last),
            size=one.size,
            lines=one.lines + bool(one.tail),
            packets=one.sends,
            damage=one.damage,
        )
        for one in scans
    ]


class _Files:
    """The files of a collection, and the texts that go into them."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._unsent, self._no_response, self._index = (
            opened.enter_context((folder / name).open("wb")) for name in (UNSENT, NO_RESPONSE, INDEX)
        )
        self._opened = opened
        self._texts: tuple[str, BinaryIO] | None = None

    def write(self, packet: Undelivered) -> None:
        text = self._text(packet)
        line = b"%d: %b: %b\n" % (packet.id, packet.key.encode("utf-8", "surrogateescape"), text)
        if packet.outcome == "unanswered":
            self._no_response.write(b"[%.3f] %b" % (packet.at, line))
        else:
            self._unsent.write(line)
        known = Known(round(packet.at, 3), packet.outcome, packet.code)
        self._index.write(
            index_line(packet.id, text, known, key=packet.key, events=packet.events, log=packet.path, offset=packet.log)
        )

    def sync(self) -> None:
        for file in (self._unsent, self._no_response, self._index):
            file.flush()
            os.fsync(file.fileno())

    def _text(self, packet: Undelivered) -> bytes:
        if self._texts is None or self._texts[0] != packet.texts:
            if self._texts:
                self._texts[1].close()
            self._texts = packet.texts, self._opened.enter_context(Path(packet.texts).open("rb"))  # noqa: SIM115
        file = self._texts[1]
        if file.tell() != packet.text:
            file.seek(packet.text)
        return file.read(packet.length)


def _join(scans: Sequence[FileScan], target: Path) -> None:
    with target.open("wb") as out:
        for one in scans:
            with Path(f"{one.spool}.added").open("rb") as part:
                shutil.copyfileobj(part, out, _COPIED)
        out.flush()
        os.fsync(out.fileno())


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make names in a folder outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _partial(folder: Path) -> Iterator[Path]:
    """The hidden folder in which a collection grows. It is locked meanwhile, and removed if it is not renamed."""
    partial = folder.with_name(f".{folder.name}.partial")
    lock = partial.with_suffix(".lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("wb")
    except OSError as error:
        raise KeeperError(f"cannot write to {folder.parent}: {error.strerror}") from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeeperError(f"another keeper is collecting into {folder}") from None
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            lock.unlink(missing_ok=True)
