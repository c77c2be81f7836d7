"""What the receiver's settings need of this host: files, and extra packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keeper.config import load, parse
from keeper.errors import ConfigError
from keeper.receiver import outfit
from keeper.receiver.outfit import unready
from tests.peers.process import run

IDL = "struct Login { 1: i64 auid }\nservice Stat { void Login(1: list<Login> events) }\n"


def problems(path: Path, text: str) -> list[str]:
    """Of a configuration that is good by itself."""
    path.write_text(text)
    load(path)
    try:
        load(path, further=unready)
    except ConfigError as error:
        return [problem.removeprefix(f"{path}:") for problem in error.problems]
    return []


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "keeper", "check-config", str(path)])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return made(tmp_path_factory.mktemp("tls"), "-nodes")


def made(folder: Path, *more: str) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["-newkey", "rsa:2048", "-days", "1", "-subj", "/CN=localhost", "-out", str(cert), "-keyout", str(key)]
    subprocess.run(["openssl", "req", "-x509", *words, *more], check=True, capture_output=True)
    return cert, key


def test_what_is_there_is_well(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """And without [receiver] nothing is needed."""
    idl = tmp_path / "stat.thrift"
    idl.write_text(IDL)
    tls = f"tls_cert = {pair[0]}\ntls_key = {pair[1]}\n"
    assert problems(tmp_path / "c.ini", f"[receiver]\nidl = {idl}\nqueue = beanstalkd:h:1/t\n{tls}") == []
    assert list(unready(parse("[node]\nlog = file:/x\n", "c.ini", {}))) == []


def test_files_that_are_not_there_are_named_with_their_lines(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Each of them."""
    text = f"[receiver]\ntls_cert = {tmp_path}/c\ntls_key = {tmp_path}\nidl = {tmp_path}/i.thrift\n"
    assert problems(tmp_path / "c.ini", text) == [
        f"2: [receiver] tls_cert: {tmp_path}/c cannot be read: No such file or directory",
        f"3: [receiver] tls_key: {tmp_path} cannot be read: Is a directory",
        f"4: [receiver] idl: cannot read the IDL {tmp_path}/i.thrift: No such file or directory",
    ]


def test_a_certificate_needs_its_own_key_without_a_password(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Nobody is there to type it in when the receiver starts at night."""
    other, locked = tmp_path / "other", tmp_path / "locked"
    other.mkdir()
    locked.mkdir()
    foreign = made(other, "-nodes")[1]
    cert, key = made(locked, "-passout", "pass:s3cret")
    garbage = tmp_path / "garbage"
    garbage.write_text("no PEM")
    said = [
        problems(tmp_path / "c.ini", f"[receiver]\ntls_cert = {one}\ntls_key = {two}\n")
        for one, two in ((pair[0], foreign), (cert, key), (garbage, pair[1]))
    ]
    assert said[0] == ["2: [receiver] tls_cert: it cannot be used with tls_key: key values mismatch"]
    assert said[2] == [
        "2: [receiver] tls_cert: it cannot be used with tls_key: neither is in PEM, or the key has a password"
    ]
    assert all(len(problem) == 1 and problem[0].startswith("2: [receiver] tls_cert: it cannot") for problem in said)


def test_an_idl_must_be_one(tmp_path: Path) -> None:
    """With what the parser says of it."""
    idl = tmp_path / "stat.thrift"
    idl.write_text("struct {")
    [said] = problems(tmp_path / "c.ini", f"[receiver]\nidl = {idl}\n")
    assert said.startswith(f"2: [receiver] idl: the IDL {idl} cannot be understood: ")


def test_packages_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the extra that brings them."""
    monkeypatch.setattr(outfit, "OWN", ("json", "no_such_package"))
    monkeypatch.setattr(outfit, "EXTRAS", {"beanstalkd": "no_such_package", "postgresql": "no_such_package"})
    text = "[receiver]\nstore = postgresql://u@h/d\nqueue = beanstalkd:h:1/t\n"
    assert problems(tmp_path / "c.ini", text) == [
        "1: [receiver]: it needs an extra package (no_such_package): pip install 'keeper[receiver]'",
        "2: [receiver] store: it needs an extra package (no_such_package): pip install 'keeper[postgresql]'",
        "3: [receiver] queue: it needs an extra package (no_such_package): pip install 'keeper[beanstalkd]'",
    ]


def test_check_config_tells_it_and_no_other_command_minds(tmp_path: Path) -> None:
    """A keeper that only watches the receiver, or a person who looks, may well be unable to read its key."""
    path = tmp_path / "c.ini"
    path.write_text(f"[receiver]\nidl = {tmp_path}/i.thrift\n")
    done = checked(path)
    assert done.returncode == 1
    assert f"{path}:2: [receiver] idl: cannot read the IDL" in done.stdout + done.stderr
    assert load(path).receiver is not None


def test_check_config_says_that_the_receiver_is_watched(tmp_path: Path) -> None:
    """A file may have nothing else to watch. And all that this host lacks is told with its line, agents' too."""
    path = tmp_path / "c.ini"
    path.write_text("[receiver]\n")
    done = checked(path)
    said, received = done.stdout.splitlines()[:2]
    assert said.startswith(f"{path} is good: watches the receiver on 127.0.0.1:8016 with ")
    assert received == (
        "`keeper receive` takes packets and lines on 127.0.0.1:8016 from this host alone, queue segments, 1 worker, "
        "store sqlite:/var/lib/keeper/packets.db"
    )
    path.write_text("[receiver]\nidl = /no/where\n[agent:a]\nurl = http://h\nidl = /no/where\n")
    assert [line.split(": ")[:2] for line in checked(path).stderr.splitlines()] == [
        [f"{path}:2", "[receiver] idl"],
        [f"{path}:3", "[agent:a]"],
        ["2 mistakes"],
    ]
