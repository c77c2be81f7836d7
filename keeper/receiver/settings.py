"""The sections [receiver] and [source:NAME]: what is taken in, how it is made durable, and where it is kept."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from keeper.core.options import count, duration, flag, option, read_duration, secret, size, text

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SEGMENTS, BEANSTALKD, JETSTREAM = "segments", "beanstalkd", "jetstream"
SQLITE, POSTGRESQL, FILES = "sqlite", "postgresql", "files"
CONFIRMED, OPENAPI = "/v1/confirmed", "/v1/openapi.json"  # paths that are the receiver's own
STORE_FILE = "packets.db"  # in state_dir, where no store is named
LEAST_SILENCE, MOST_SILENCE = 1.0, 366 * 86400.0  # seconds


def read_address(value: str) -> str:
    """`HOST:PORT`, `[v6]:PORT`."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})", value)
    if not match or int(match[2]) > 65535:
        raise ValueError(f"{value!r} is not an address to listen on; write HOST:PORT such as 127.0.0.1:8016")
    return value


def read_paths(value: str) -> tuple[str, ...]:
    """Paths with commas; a `*` at the end stands for anything."""
    found = tuple(part for part in (p.strip() for p in value.split(",")) if part)
    for path in found:
        if not re.fullmatch(r"/[A-Za-z0-9_.~/-]*\*?", path):
            raise ValueError(f"{path!r} is not a path; write /log or /log/*")
    return found


def read_queue(value: str) -> tuple[str, str]:
    """`segments`, `beanstalkd:HOST:PORT[/TUBE]`, `jetstream:HOST:PORT, HOST:PORT[/STREAM]` → the kind and the rest."""
    kind, _, rest = value.partition(":")
    if kind == SEGMENTS and not rest:
        return kind, ""
    hosts = r"([A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}"
    if kind == BEANSTALKD and re.fullmatch(rf"{hosts}(/[A-Za-z0-9_.-]{{1,100}})?", rest):
        return kind, rest
    if kind == JETSTREAM and re.fullmatch(rf"{hosts}(\s*,\s*{hosts})*(/[A-Za-z0-9_-]{{1,100}})?", rest):
        return kind, rest
    raise ValueError(
        f"{value!r} is not a queue; write segments, beanstalkd:HOST:PORT/TUBE or jetstream:HOST:PORT, HOST:PORT/STREAM"
    )


def read_store(value: str) -> tuple[str, str]:
    """`sqlite:/path`, `postgresql://USER@HOST/DB`, `files:/path` → the kind and the rest; empty: SQLite in state_dir.
    An address of PostgreSQL stays whole."""
    if not value:
        return SQLITE, ""
    kind, _, rest = value.partition(":")
    if kind in (SQLITE, FILES) and rest.startswith("/") and "\0" not in rest:
        return kind, rest
    if kind == POSTGRESQL and rest.startswith("//"):
        try:
            parts = urlsplit(value)
            if parts.password is None and "password" not in parts.query.lower():
                return kind, value
        except ValueError:
            pass
        raise ValueError("its address must have no password; write it in store_password")
    raise ValueError(f"{value!r} is not a store; write sqlite:/path, postgresql://USER@HOST/DATABASE or files:/path")


def read_networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError(f"{value!r} is not a list of networks; write 10.0.0.0/8, 192.168.1.7") from None


def read_file(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError(f"{value!r} is not an absolute path")
    return value


def read_silence(value: str) -> float:
    """A duration; 0s: for ever."""
    seconds = read_duration(value)
    if seconds and not LEAST_SILENCE <= seconds <= MOST_SILENCE:
        raise ValueError(
            f"{value} is too {'short' if seconds < LEAST_SILENCE else 'long'}; write 1s to 366d, or 0s where it may be "
            "silent for ever"
        )
    return seconds


@dataclass(frozen=True, kw_only=True)
class ReceiverSettings:
    """[receiver]: what `keeper receive` takes in. `method.TYPE = METHOD` is not needed here: a packet's type is its
    method."""

    listen: str = option("127.0.0.1:8016", read_address, "where packets and lines come by HTTP")
    lines_listen: str = option("", lambda v: read_address(v) if v else "", "where lines come by TCP; empty: nowhere")
    lines_confirm: bool = flag("no", "by TCP: answer batches that end with `END ID`, not each read with 0")
    status_listen: str = option("127.0.0.1:9878", read_address, "where its page, /metrics and health are served")
    tls_cert: str = option("", read_file, "certificate of both listeners, PEM; empty: no TLS")
    tls_key: str = option("", read_file, "and its key")
    idl: str = option("", read_file, "the site's .thrift file; empty: no Thrift is taken")
    packet_paths: tuple[str, ...] = option("/", read_paths, "where packets come, Thrift or JSON, with commas")
    line_paths: tuple[str, ...] = option("/log/*", read_paths, "where lines PROD DATE DATA come")
    put_paths: tuple[str, ...] = option("/put", read_paths, "where OpenTSDB's put lines come")
    max_body: int = size("4MiB", "the largest body, unpacked", minimum=1024)
    max_line: int = size("64KiB", "the longest line", minimum=128)
    max_ratio: int = count("200", "a gzip body is at most so many times as large unpacked", minimum=2, maximum=2000)
    max_connections: int = count("10000", "open at once; more are closed at once", minimum=1, maximum=100_000)
    max_pending: int = size("64MiB", "bodies in memory at once; more are answered 503", minimum=1 << 20)
    request_timeout: float = duration("20s", "a request must be whole within", minimum=1)
    idle_timeout: float = duration("75s", "a connection without a request is closed after", minimum=1)
    queue: tuple[str, str] = option(
        "segments", read_queue, "segments, beanstalkd:HOST:PORT/TUBE or jetstream:HOST:PORT, HOST:PORT/STREAM"
    )
    queue_bytes: int = size("1GiB", "the most that waits for workers; then 429", minimum=1 << 20)
    min_free: int = size("256MiB", "so much of the disk stays free; then 429")
    replicas: int = count("3", "of jetstream: on how many of its nodes each record stands", minimum=1, maximum=5)
    queue_user: str = text("", "user of jetstream")
    queue_password: str = secret("", "and its password")
    store: tuple[str, str] = option(
        "", read_store, "sqlite:/path, postgresql://USER@HOST/DB or files:/path; empty: SQLite in state_dir"
    )
    store_password: str = secret("", "password for PostgreSQL")
    workers: int = count("1", "processes that bring packets into the store", maximum=64)
    batch: int = count("2000", "the most packets stored at once", minimum=1, maximum=100_000)
    drain: float = duration("10s", "at a stop, how long workers may finish what they took", minimum=1)


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """[source:NAME]: who sends, and how it shows that it is itself. Without any such section all is from `default`."""

    name: str = ""
    token: str = secret("", "the sender's bearer token")
    username: str = text("", "or the user of basic authentication")
    password: str = secret("", "and its password")
    addresses: tuple[Network, ...] = option(
        "", read_networks, "networks it sends from; enough by themselves where there is no secret"
    )
    silent_after: float = option("0s", read_silence, "when nothing of it was taken for so long it is silent; 0s: never")


def store_of(settings: ReceiverSettings, state_dir: str) -> tuple[str, str]:
    """The store's kind and its place, which is never empty."""
    kind, place = settings.store
    return kind, place or f"{state_dir.rstrip('/')}/{STORE_FILE}"


def shown_store(settings: ReceiverSettings, state_dir: str) -> str:
    """For people: without what stands behind `?` in an address, which may be a secret."""
    kind, place = store_of(settings, state_dir)
    return place.partition("?")[0] if kind == POSTGRESQL else f"{kind}:{place}"


def senders(sources: Sequence[SourceSettings]) -> Sequence[SourceSettings]:
    """All who may send."""
    return sources or NO_SOURCES


NO_SOURCES = (SourceSettings(name="default", addresses=read_networks("0.0.0.0/0, ::/0")),)
