"""What inspect says, and what keeper says when the engine refuses."""

from __future__ import annotations

import ssl

import pytest

from keeper.sources.docker_container import Container, container_of, retention
from keeper.sources.docker_engine import seconds
from keeper.sources.docker_reading import may_have_rotated
from keeper.sources.docker_reason import reason, refused


@pytest.mark.parametrize(
    ("driver", "options", "kept"),
    [
        ("json-file", {}, (0, 0)),
        ("json-file", {"max-size": "20k"}, (20_000, 1)),
        ("json-file", {"max-size": "100m", "max-file": "3"}, (100_000_000, 3)),
        ("json-file", {"max-size": "1.5GB", "max-file": "2"}, (1_500_000_000, 2)),
        ("json-file", {"max-size": "10MiB", "max-file": "0"}, (10_000_000, 1)),
        ("json-file", {"max-size": "-1"}, (0, 0)),
        ("json-file", {"max-size": "many", "max-file": "x"}, (0, 0)),
        ("local", {}, (20_000_000, 5)),
        ("local", {"max-size": "1m"}, (1_000_000, 5)),
        ("journald", {}, (0, 0)),
        ("syslog", {"max-size": "1k"}, (20_000_000, 5)),
        ("fluentd", {"cache-max-size": "1k", "cache-max-file": "2"}, (1_000, 2)),
    ],
)
def test_what_a_driver_keeps(driver: str, options: dict[str, str], kept: tuple[int, int]) -> None:
    """Size of a file and number of files, as the engine's own defaults have them."""
    assert retention(driver, options) == kept


def test_inspect() -> None:
    """The fields of inspect that keeper uses; json-file without options has None for them."""
    said = {
        "Id": "ab" * 32,
        "Name": "/nodeos",
        "Created": "2026-11-20T22:04:14.365934006Z",
        "Config": {"Tty": True},
        "HostConfig": {"LogConfig": {"Type": "json-file", "Config": None}},
        "State": {"Running": True, "StartedAt": "2026-11-20T22:04:14.5Z", "FinishedAt": "0001-01-01T00:00:00Z"},
    }
    assert container_of(said) == Container(
        id="ab" * 32,
        name="nodeos",
        tty=True,
        running=True,
        driver="json-file",
        max_size=0,
        max_files=0,
        created="2026-11-20T22:04:14.365934006Z",
        started="2026-11-20T22:04:14.5Z",
        finished="0001-01-01T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("max_size", "max_files", "size", "age", "doubt"),
    [
        (0, 0, 10**9, 1000.0, False),  # nothing is ever deleted
        (20_000, 3, 39_000, 100.0, True),  # two full files: a third may have been there
        (20_000, 3, 30_000, 100.0, False),
        (20_000, 1, 0, 100.0, True),  # emptied in place: nobody can tell
        (100_000_000, 1, 5_000, 2.0, False),  # too young to have printed 100 MB
    ],
)
def test_first_look_at_a_log(max_size: int, max_files: int, size: int, age: float, doubt: bool) -> None:
    """Whether the beginning of a log may have been deleted before it was first read."""
    container = Container("", "", False, True, "json-file", max_size, max_files, "", "", "")
    assert may_have_rotated(container, size, age) == doubt


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (501, b'{"message":"configured logging driver does not support reading"}', "--log-driver json-file or local"),
        (500, b'{"message":"configured logging driver does not support reading"}', "--log-driver json-file or local"),
        (409, b'{"message":"can not get logs from container which is dead"}', "status 409: can not get logs"),
        (403, b"<h1>Forbidden</h1>\n", "status 403: <h1>Forbidden</h1>"),
        (500, b"", "status 500: it says no reason"),
        (500, b'["message"]', 'status 500: ["message"]'),
        (500, b"\xff" * 2000, "status 500"),
    ],
)
def test_refusals(status: int, body: bytes, said: str) -> None:
    """The engine's own words, one line of them, with the cure where there is one."""
    sentence = refused(status, body, "the log of container nodeos (driver none)")
    assert said in sentence
    assert "the log of container nodeos (driver none)" in sentence
    assert len(sentence) < 500
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file"), "start it, or set DOCKER_HOST"),
        (ConnectionRefusedError(111, "refused"), "systemctl start docker"),
        (PermissionError(13, "denied"), "usermod -aG docker keeper"),
        (TimeoutError(), "does not answer"),
        (ssl.SSLError(1, "wrong version number"), "check DOCKER_CERT_PATH"),
        (ConnectionResetError(104, "reset by peer"), "failed (ConnectionResetError"),
        (OSError("outer", ("inner", FileNotFoundError(2, "x"))), "failed"),
    ],
)
def test_reasons(error: Exception, said: str) -> None:
    """Every cause has its sentence, also when it is wrapped."""
    assert said in reason(error, "unix:///run/docker.sock")
    try:
        raise RuntimeError("wrapped") from error
    except RuntimeError as wrapped:
        assert said in reason(wrapped, "unix:///run/docker.sock")


def test_times_for_the_engine() -> None:
    """Nanoseconds keep all their digits."""
    assert seconds(1795212253_898663046) == "1795212253.898663046"
    assert seconds(5) == "0.000000005"
