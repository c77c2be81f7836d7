"""What is wrong with [receiver] and [source:NAME], beyond what each option tells by itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from keeper.receiver.settings import (
    CONFIRMED,
    JETSTREAM,
    OPENAPI,
    POSTGRESQL,
    Network,
    ReceiverSettings,
    SourceSettings,
)

if TYPE_CHECKING:
    from keeper.settings import Settings

ANY, ANY_4 = "[::]", "0.0.0.0"  # noqa: S104  # nothing listens here
TOKEN = re.compile(r"[!-~]+")  # what a header carries as it is


def mistakes(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """The section, the option (empty: the section itself) and a sentence, for each."""
    receiver, sources = settings.receiver, settings.sources
    if receiver is None:
        for one in sources:
            yield f"source:{one.name}", "", f"[source:{one.name}]: there is no [receiver]"
        return
    for option, why in (
        *_listening(receiver, sources, settings.keeper.listen),
        *_together(receiver),
        *_sizes(receiver),
        *_paths(receiver),
    ):
        yield "receiver", option, f"[receiver] {option}: {why}"
    for name, option, why in _secrets(sources):
        yield f"source:{name}", option, f"[source:{name}]{f' {option}' if option else ''}: {why}"


def _listening(
    receiver: ReceiverSettings, sources: Sequence[SourceSettings], keepers: str
) -> Iterator[tuple[str, str]]:
    taken = [("[keeper] listen", keepers)]
    for option in ("listen", "lines_listen", "status_listen"):
        address = getattr(receiver, option)
        if not address:
            continue
        for whose, other in taken:
            if _meet(address, other):
                yield option, f"{address} is taken by {whose}; give it a port of its own"
        taken.append((f"[receiver] {option}", address))
        if option != "status_listen" and not sources and not _is_loopback(address):
            yield (
                option,
                f"{address} can be reached from other hosts, and whoever reaches it could send; add a [source:NAME] "
                "with a token or with addresses (0.0.0.0/0, ::/0 if anybody may), or listen on 127.0.0.1",
            )
    if receiver.lines_listen and sources:
        yield from _by_tcp(sources)
    if receiver.lines_confirm and not receiver.lines_listen:
        yield "lines_confirm", "there is no lines_listen"


def _by_tcp(sources: Sequence[SourceSettings]) -> Iterator[tuple[str, str]]:
    """Lines by TCP bring no secret, and do not say whose they are."""
    known: dict[Network, str] = {}
    for source in sources:
        if source.token or source.username:
            continue
        for network in source.addresses:
            if known.setdefault(network, source.name) != source.name:
                yield (
                    "lines_listen",
                    f"lines from {network} could be of [source:{known[network]}] and of [source:{source.name}], and by "
                    "TCP nothing says which",
                )
    if not known:
        yield (
            "lines_listen",
            "lines by TCP bring no secret, and every [source:NAME] has one: nobody could send any; add one that has "
            "addresses and neither token nor username",
        )


def _meet(one: str, other: str) -> bool:
    """Whether only one of the two could be listened on."""
    (host, _, port), (other_host, _, other_port) = (_plain(address).rpartition(":") for address in (one, other))
    if int(port) != int(other_port) or int(port) == 0:
        return False
    hosts = {host, other_host}
    return len(hosts) == 1 or ANY in hosts or (ANY_4 in hosts and not any(name.startswith("[") for name in hosts))


def _plain(address: str) -> str:
    return address.lower().replace("localhost:", "127.0.0.1:")


def _is_loopback(address: str) -> bool:
    host = _plain(address).rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # some name


def _together(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    """Options of which one is nothing without another."""
    jetstream = receiver.queue[0] == JETSTREAM
    for option, other, well in (
        ("tls_cert", "tls_key", receiver.tls_key),
        ("tls_key", "tls_cert", receiver.tls_cert),
        ("queue_user", "queue = jetstream:...", jetstream),
        ("queue_password", "queue = jetstream:...", jetstream),
        ("queue_user", "queue_password", receiver.queue_password),
        ("queue_password", "queue_user", receiver.queue_user),
        ("store_password", "store = postgresql://...", receiver.store[0] == POSTGRESQL),
    ):
        if getattr(receiver, option) and not well:
            yield option, f"it needs {other}, too"


def _sizes(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    if receiver.max_line > receiver.max_body:
        yield "max_line", f"{receiver.max_line} bytes are more than a body may have ({receiver.max_body}, max_body)"
    for option in ("max_pending", "queue_bytes"):
        bound = getattr(receiver, option)
        if bound < receiver.max_body:
            yield option, f"{bound} bytes are less than one body may have ({receiver.max_body}, max_body)"


def _paths(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    taken: dict[str, str] = {}
    for option in ("packet_paths", "line_paths", "put_paths"):
        for path in dict.fromkeys(getattr(receiver, option)):
            if path in taken:
                yield option, f"{path} stands in {taken[path]}, too; what comes there can be only one of them"
            if path in (CONFIRMED, OPENAPI):
                yield option, f"{path} is the receiver's own: there it tells what it has"
            taken[path] = option
    if not taken and not receiver.lines_listen:
        yield "packet_paths", "nothing could come: it is empty, as line_paths, put_paths and lines_listen are"


def _secrets(sources: Sequence[SourceSettings]) -> Iterator[tuple[str, str, str]]:
    tokens: dict[str, str] = {}
    users: dict[str, str] = {}
    for one in sources:
        if not (one.token or one.username or one.password or one.addresses):
            yield one.name, "", "nothing shows who sends as it; give it a token, username and password, or addresses"
        if one.token and not TOKEN.fullmatch(one.token):
            yield one.name, "token", "it has blanks, or characters that are not ASCII; no header carries it as it is"
        if one.token in tokens:
            yield one.name, "token", f"it is that of [source:{tokens[one.token]}], too"
        if ":" in one.username:
            yield one.name, "username", "a user of basic authentication has no colon in its name"
        if one.username and not one.password:
            yield one.name, "username", "it needs password, too"
        if one.password and not one.username:
            yield one.name, "password", "it needs username, too"
        if one.username in users:
            yield one.name, "username", f"{one.username} is that of [source:{users[one.username]}], too"
        if one.token:
            tokens.setdefault(one.token, one.name)
        if one.username:
            users.setdefault(one.username, one.name)
