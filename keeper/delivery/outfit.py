"""What an agent's settings say of sending: wire, pacing, limits and connection, by hand and in the daemon alike."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from keeper.core.source import Now, Wait
from keeper.delivery.exchange import Line
from keeper.delivery.ledger import Ledger
from keeper.delivery.pacing import Adaptive, Classic, Pacing
from keeper.delivery.packet import Packet, WrongLine
from keeper.delivery.plan import Item, may_repeat
from keeper.delivery.sender import Limits
from keeper.delivery.wire import Wire
from keeper.delivery.wire_json import JsonWire
from keeper.delivery.wire_thrift import thrift_wire
from keeper.errors import KeeperError
from keeper.settings import AgentSettings


def wire_of(settings: AgentSettings) -> Wire:
    """Raises KeeperError when the IDL is missing or cannot be understood."""
    if settings.wire == "json":
        return JsonWire(settings.methods, settings.defaults)
    if not settings.idl:
        raise KeeperError("Thrift needs the site's IDL: give --idl FILE, or idl in [agent:NAME]; or --wire json")
    return thrift_wire(Path(settings.idl), settings.methods, settings.defaults)


def pacing_of(settings: AgentSettings) -> Pacing:
    if settings.pacing == "classic":
        return Classic(most=min(4, settings.in_flight), pause=settings.event_pause)
    return Adaptive(most=settings.in_flight)


def limits_of(settings: AgentSettings) -> Limits:
    return Limits(settings.in_flight, settings.attempts, settings.give_up, may_repeat(settings))


def line_of(settings: AgentSettings, wire: Wire, now: Now) -> Line:
    """A connection for one thread. Raises KeeperError when the trusted certificates cannot be read."""
    return Line(
        settings.url,
        wire,
        now,
        connect_timeout=settings.connect_timeout,
        request_timeout=settings.request_timeout,
        ca_file=settings.ca_file,
        token=settings.token,
    )


def ask_receiver(
    found: Iterable[Packet | WrongLine], ledger: Ledger, settings: AgentSettings, now: Now, wait: Wait
) -> str:
    """With unknown_outcome = ask: see `ask_first`. Otherwise nothing is asked, and nothing remains to be known."""
    if settings.unknown_outcome != "ask":
        return ""
    if not settings.confirm:
        raise KeeperError(f"[agent:{settings.name}] has no confirm, the address of keeper's receiver")
    try:
        from keeper.delivery.ask_first import ask_first  # noqa: PLC0415  # it reads packets as the receiver does
    except ImportError as error:
        raise KeeperError(f"asking needs an extra package ({error.name}): pip install 'keeper[receiver]'") from error
    return ask_first(found, ledger, settings, now, wait)


def headers_of(settings: AgentSettings, item: Item) -> dict[str, str]:
    """The key by which a receiver can store each packet once, however often it comes."""
    return {"Idempotency-Key": f'"{settings.name}/{item.id}/{item.content}"'}
