"""Rotated logs that are compressed: found again by their content, resumed inside, damaged, or still being written."""

from __future__ import annotations

import gzip
import io
import shutil
import zlib
from pathlib import Path
from random import Random

import pytest

from keeper.sources.file_tail import FileTailSettings
from keeper.sources.gzip_file import WBITS, BrokenGzip, GzipStream
from keeper.sources.gzip_file import inflate as fastest
from tests.sources.tailing import Log, Tail, compress


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


def test_resume_inside_an_archive(log: Log) -> None:
    """A log that was half read when it was rotated and compressed is read on inside the archive."""
    log.write(2000)
    tail = Tail(log.path, FileTailSettings(lookback=1 << 30, max_read=10_000))
    for _ in range(3):
        for item in tail.source.poll():
            tail.items.append(item)
            tail.position = getattr(item, "position", tail.position)
    first = b"".join(getattr(item, "data", b"") for item in tail.items).decode().splitlines()
    assert 0 < len(first) < 2000
    tail.restart()
    wanted = log.path.read_text().splitlines()[len(first) :]
    compress(log.rename())
    wanted += log.write(3)
    assert tail.lines() == wanted
    assert tail.lost() == []


def test_restart_inside_an_archive(log: Log) -> None:
    """Killed again and again while an archive is read: every line once."""
    log.write(1)
    tail = Tail(log.path, FileTailSettings(max_read=500))
    tail.lines()
    tail.restart()
    wanted = log.write(100)
    compress(log.rename())
    wanted += log.write(1)
    lines: list[str] = []
    for _ in range(400):
        for item in tail.source.poll():
            tail.position = getattr(item, "position", tail.position)
            lines += getattr(item, "data", b"").decode().splitlines()
        tail.time += 0.1
        if tail.time * 10 % 3 < 1:
            tail.restart()
    assert lines == wanted


def test_compressed_while_it_is_read(log: Log) -> None:
    """Compressing the file that is open changes nothing: it is read to its end, and its archive is not read again."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    wanted = log.write(5)
    rotated = log.rename()
    archive = compress(rotated)
    wanted += log.write(5)
    assert tail.lines() == wanted
    shutil.copyfile(archive, log.path.with_name("app.log-20261120.gz"))
    log.rename()
    wanted = log.write(5)
    assert tail.lines() == wanted
    assert tail.lost() == []


def test_archive_with_a_late_time(log: Log) -> None:
    """An archive made late, with the time of its making, keeps its place in the order of the numbers."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    wanted = log.write(5)
    for _ in range(3):
        log.rename()
        wanted += log.write(5)
    plain = log.numbered(3)
    log.numbered(3, ".gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert tail.lines() == wanted


def test_archive_being_written(log: Log) -> None:
    """While the plain file is there its unfinished archive is left alone; an archive that grows is read as it grows."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    wanted = log.write(500)
    rotated = log.rename()
    packed = gzip.compress(rotated.read_bytes())
    archive = rotated.with_name(rotated.name + ".gz")
    archive.write_bytes(packed[: len(packed) // 2])
    wanted += log.write(3)
    assert tail.lines() == wanted
    tail.restart()
    late = log.write(500)
    rotated = log.rename()
    packed = gzip.compress(rotated.read_bytes())
    rotated.unlink()
    archive = rotated.with_name(rotated.name + ".gz")
    archive.write_bytes(packed[: len(packed) // 2])
    late += log.write(3)
    lines = tail.lines(2)
    assert lines == late[: len(lines)]
    archive.write_bytes(packed)
    lines += tail.lines(5)
    assert lines == late
    assert tail.lost() == []


def test_archive_that_does_not_reach_the_place_yet(log: Log) -> None:
    """After a restart in the middle of compressing, the archive is waited for until it reaches the place."""
    log.write(5000)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    wanted = log.write(100)
    rotated = log.rename()
    packed = gzip.compress(rotated.read_bytes())
    rotated.unlink()
    wanted += log.write(3)
    archive = rotated.with_name(rotated.name + ".gz")
    for size in (100, len(packed) // 4, len(packed) // 2):
        archive.write_bytes(packed[:size])
        assert tail.lines(5) == []
    archive.write_bytes(packed)
    assert tail.lines(5) == wanted
    assert tail.lost() == []


def test_archive_of_another_file_with_the_same_head(log: Log) -> None:
    """An archive that only begins like the file that is gone is another file: it is read whole, the loss is told."""
    head = [f"head {number:06d} of many files" for number in range(50)]
    log.append("".join(line + "\n" for line in head))
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    log.path.unlink()
    other = "".join(line + "\n" for line in head) + "something else\n" * 500
    log.numbered(1, ".gz").write_bytes(gzip.compress(other.encode()))
    wanted = log.write(3)
    assert tail.lines() == [*other.splitlines(), *wanted]
    assert len(tail.lost()) == 1


def test_archive_cut_off(log: Log) -> None:
    """Of an archive that stays cut off everything that can be unpacked is handed out, and the rest is called lost."""
    settings = FileTailSettings(max_read=400)
    log.write(1)
    tail = Tail(log.path, settings)
    tail.lines()
    log.write(500)
    tail.source.poll()  # the size is known
    size = log.path.stat().st_size
    rotated = log.rename()
    text = rotated.read_text().splitlines()
    packed = gzip.compress(rotated.read_bytes())
    rotated.with_name(rotated.name + ".gz").write_bytes(packed[: len(packed) // 2])
    tail.source.poll()
    for item in tail.source.poll():
        tail.position = getattr(item, "position", tail.position)
    tail.restart()
    rotated.unlink()
    new = log.write(2)
    lines = tail.lines(20)
    assert lines[-2:] == new
    (lost,) = tail.lost()
    assert lost.where == f"{rotated}.gz"
    assert lost.size == size - lost.offset
    assert "cut off" in lost.reason
    whole, cut = lines[:-3], lines[-3]
    assert text[text.index(whole[0]) :][: len(whole)] == whole
    assert any(line.startswith(cut) for line in text)


def test_damaged_archive(log: Log) -> None:
    """A damaged archive gives what it can; the loss counts what its trailer says is missing; the next file follows."""
    log.write(1)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    log.write(100_000)
    rotated = log.rename()
    size = rotated.stat().st_size
    archive = compress(rotated)
    packed = bytearray(archive.read_bytes())
    middle = len(packed) // 2
    packed[middle : middle + 64] = bytes(64)
    archive.write_bytes(packed)
    new = log.write(2)
    lines = tail.lines(5)
    assert lines[-2:] == new
    (lost,) = tail.lost()
    assert lost.where == str(archive)
    assert lost.size == size - lost.offset
    assert "damaged" in lost.reason
    assert len(lines) > 10_000
    assert tail.lines(5) == []
    tail.restart()
    assert tail.lines(5) == []
    assert len(tail.lost()) == 1


def test_archive_of_an_empty_file(log: Log) -> None:
    """An empty file that was rotated and compressed is passed over, once and for all."""
    log.write(1)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    log.rename()
    log.path.touch()
    compress(log.rename())
    log.path.touch()
    log.rename()
    wanted = log.write(3)
    assert tail.lines() == wanted
    tail.restart()
    assert tail.lines() == []
    assert tail.lost() == []


def test_the_log_itself_is_an_archive(log: Log) -> None:
    """A path that names an archive is read to its end and then stays silent, without a loss and without a stop."""
    archive = log.path.with_name("old.log.gz")
    archive.write_bytes(gzip.compress(b"one\ntwo\nthree"))
    log.write(3, to=log.path.with_name("old.log"))
    tail = Tail(archive)
    assert tail.lines() == ["one", "two"]
    assert tail.up()
    tail.restart()
    assert tail.lines(30) == []
    assert tail.lost() == []


@pytest.mark.parametrize("new_inflate", [fastest, lambda: zlib.decompressobj(WBITS)], ids=["fastest", "stdlib"])
class TestGzipStream:
    def test_members_and_padding(self, new_inflate: object) -> None:
        """All members are read, zero padding and foreign bytes behind the last one are left out."""
        members = [Random(n).randbytes(70_000) + b"a" * 300_000 for n in range(3)]
        packed = b"".join(gzip.compress(member) for member in members)
        for tail in (b"", b"\0" * 512, b"\0", b"foreign"):
            stream = GzipStream(io.BytesIO(packed + tail), new_inflate)  # type: ignore[arg-type]
            data = b"".join(iter(lambda: stream.read(10_000), b""))  # noqa: B023
            assert data == b"".join(members)
            assert stream.finished

    def test_bounded_pieces(self, new_inflate: object) -> None:
        """No answer is longer than asked, however well the content compresses."""
        stream = GzipStream(io.BytesIO(gzip.compress(bytes(20 << 20))), new_inflate)  # type: ignore[arg-type]
        sizes = [len(data) for data in iter(lambda: stream.read(1 << 16), b"")]
        assert sum(sizes) == 20 << 20
        assert max(sizes) <= 1 << 16

    def test_growing(self, new_inflate: object) -> None:
        """A stream that ends too early is not finished, and goes on when more has been written."""
        content = Random(1).randbytes(100_000)
        packed = gzip.compress(content)
        file = io.BytesIO()
        stream = GzipStream(file, new_inflate)  # type: ignore[arg-type]
        data = b""
        for start in range(0, len(packed), 7777):
            assert not stream.finished
            at = file.tell()
            file.seek(0, io.SEEK_END)
            file.write(packed[start : start + 7777])
            file.seek(at)
            data += b"".join(iter(lambda: stream.read(5000), b""))
        assert data == content
        assert stream.finished

    def test_damage(self, new_inflate: object) -> None:
        """Damaged bytes and a wrong checksum are said to be so."""
        packed = bytearray(gzip.compress(b"some text " * 10_000))
        packed[-6] ^= 255
        stream = GzipStream(io.BytesIO(bytes(packed)), new_inflate)  # type: ignore[arg-type]
        with pytest.raises(BrokenGzip):
            while stream.read(1 << 16):
                pass
