"""The section [opentsdb]: where the points of collectors go, beside Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.options import choice, count, duration, flag, option, secret, size, text
from keeper.opentsdb.terms import HTTP, TELNET, Target, Terms, read_hosts

LEAST_DEDUP = 2.0  # seconds


def read_path(value: str) -> str:
    if not value.startswith("/") or not value.isascii() or any(c.isspace() for c in value):
        raise ValueError(f"{value!r} is no path of an address; it begins with / and has no blanks")
    return value


def read_ca_file(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError(f"{value!r} is not an absolute path")
    return value


@dataclass(frozen=True, kw_only=True)
class OpentsdbSettings:
    """[opentsdb]: OpenTSDB, VictoriaMetrics or whatever takes their lines. One of the hosts gets each point."""

    hosts: tuple[Target, ...] = option(None, read_hosts, "HOST:PORT, [v6]:PORT or HOST, several with commas")
    way: str = choice("telnet", (TELNET, HTTP), "telnet: put lines; http: JSON, which says what was refused")
    path: str = option("/api/put", read_path, "of http")
    tls: bool = flag("no", "encrypt, and check who answers")
    ca_file: str = option("", read_ca_file, "certificates to trust instead of the system's")
    username: str = text("", "for basic authentication, of http")
    password: str = secret("", "for basic authentication, of http")
    gzip: bool = flag("no", "of http: send it packed")
    milliseconds: bool = flag("yes", "no: times are cut to seconds, as VictoriaMetrics does by telnet")
    timeout: float = duration("10s", "how long sending a batch may take", minimum=0.5)
    batch: int = count("5000", "the most points sent at once", minimum=1, maximum=100_000)
    dedup: float = duration("300s", "the same value is sent so often at most; 0s: always, else 2s and more")
    evict: float = duration("6000s", "after so long without a point a series is forgotten", minimum=1)
    spool: int = size("256MiB", "disk for points that cannot be sent; the oldest fall out", minimum=1 << 20)

    def terms(self) -> Terms:
        return Terms(
            hosts=self.hosts,
            way=self.way,
            tls=self.tls,
            ca_file=self.ca_file,
            path=self.path,
            user=self.username,
            password=self.password,
            gzip=self.gzip,
            timeout=self.timeout,
            most=self.batch,
        )


def why_not(settings: OpentsdbSettings) -> tuple[str, str]:
    """The option that does not fit the others and a sentence; empty when all is well."""
    if 0 < settings.dedup < LEAST_DEDUP:
        return "dedup", f"{settings.dedup:g}s is too short; the least is {LEAST_DEDUP:g}s, 0s holds nothing back"
    if settings.evict <= settings.dedup:
        return "evict", f"{settings.evict:g}s must be longer than dedup, which is {settings.dedup:g}s"
    if settings.way == TELNET and (settings.username or settings.password):
        return "username", "telnet knows no users; write way = http"
    if bool(settings.username) != bool(settings.password):
        return "username", "a username needs a password, and a password a username"
    return "", ""
