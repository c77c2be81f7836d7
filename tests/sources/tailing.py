"""A log that is written and rotated by hand, and a FileTail that is looked at step by step, on a clock set by hand."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from keeper.core.batch import Chunk, Item, Lost, SourceDown, SourceUp
from keeper.runtime.clock import Clock
from keeper.sources.file_tail import FileTail, FileTailSettings


class Tail:
    """Follows a pattern and keeps what it was handed. What a restart needs is kept like the daemon keeps it."""

    def __init__(self, pattern: Path | str, settings: FileTailSettings | None = None, saved: str | None = None) -> None:
        self.pattern = str(pattern)
        self.settings = settings or FileTailSettings()
        self.time = Clock().now()
        self.items: list[Item] = []
        self.position = saved
        self.source = self._new()

    def look(self) -> list[Item]:
        """Poll until there is nothing more to do right now; returns the new items."""
        new: list[Item] = []
        for _ in range(10_000):
            items = self.source.poll()
            for item in items:
                if isinstance(item, Chunk | Lost) and item.position is not None:
                    self.position = item.position
            new += items
            if not self.source.behind and not items:
                self.items += new
                return new
        raise AssertionError("the source never comes to rest")

    def wait(self, seconds: float = 3.0) -> list[Item]:
        """Look every 0.1 s for so long."""
        new = self.look()
        for _ in range(round(seconds * 10)):
            self.time += 0.1
            new += self.look()
        return new

    def lines(self, seconds: float = 3.0) -> list[str]:
        """The lines that come in so many seconds."""
        return text(self.wait(seconds))

    def restart(self, seconds: float = 0.0) -> None:
        """Die without a last word and come back from the stored position `seconds` later."""
        self.source.close()
        self.time += seconds
        self.source = self._new()

    def lost(self) -> list[Lost]:
        return [item for item in self.items if isinstance(item, Lost)]

    def downs(self) -> list[str]:
        return [item.reason for item in self.items if isinstance(item, SourceDown)]

    def up(self) -> bool:
        """Whether the log was last said to be seen."""
        said = [item for item in self.items if isinstance(item, SourceUp | SourceDown)]
        return bool(said) and isinstance(said[-1], SourceUp)

    def _new(self) -> FileTail:
        return FileTail("node/log", self.pattern, self.position, lambda: self.time, self.settings)


def text(items: list[Item]) -> list[str]:
    data = b"".join(item.data for item in items if isinstance(item, Chunk))
    return data.decode(errors="backslashreplace").splitlines()


class Log:
    """A log and the ways it is rotated. Lines are numbered over its whole life, so that none is like another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def write(self, lines: int = 3, to: Path | None = None) -> list[str]:
        """Append so many new lines to the log (or another file); returns them."""
        written = []
        for _ in range(lines):
            self.count += 1
            written.append(f"line {self.count:06d} {hash((self.count, self.path.name)) & 0xFFFFFFFF:08x}")
        self.append("".join(line + "\n" for line in written), to)
        return written

    def append(self, text: str | bytes, to: Path | None = None) -> None:
        with (to or self.path).open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)

    def shift(self) -> Path:
        """Make room: `.1` becomes `.2` and so on, archives too; returns the path of the new `.1`."""
        numbers = sorted((n for n in range(1, 50) for e in ("", ".gz") if self.numbered(n, e).exists()), reverse=True)
        for number in numbers:
            for end in ("", ".gz"):
                if self.numbered(number, end).exists():
                    self.numbered(number, end).rename(self.numbered(number + 1, end))
        return self.numbered(1)

    def numbered(self, number: int, end: str = "") -> Path:
        return self.path.with_name(f"{self.path.name}.{number}{end}")

    def rename(self) -> Path:
        """Rotate by renaming; the new log is there with its first line."""
        rotated = self.shift()
        self.path.rename(rotated)
        return rotated

    def copytruncate(self) -> Path:
        copy = self.shift()
        shutil.copyfile(self.path, copy)
        with self.path.open("r+b") as file:
            file.truncate(0)
        return copy


def compress(path: Path) -> Path:
    """What gzip(1) does: the archive keeps the time of the file, which is then gone."""
    archive = path.with_name(path.name + ".gz")
    archive.write_bytes(gzip.compress(path.read_bytes()))
    shutil.copystat(path, archive)
    path.unlink()
    return archive
