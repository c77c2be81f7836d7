"""The sources of a subject, made from its settings. A new kind of source is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from keeper.core.lines import MAX_LINE
from keeper.core.source import Now, Source
from keeper.receiver.settings import ReceiverSettings
from keeper.settings import AgentSettings, EndpointSettings, LogSettings, NodeSettings
from keeper.sources.docker_logs import DockerLogs, DockerLogsSettings
from keeper.sources.file_tail import FileTail, FileTailSettings
from keeper.sources.http_endpoint import HttpEndpointSettings, http_endpoint
from keeper.sources.http_health import (
    NodeApiSettings,
    NodeDetailsSettings,
    ReferenceApiSettings,
    node_api,
    node_details,
    reference_api,
)
from keeper.sources.receiver_status import ReceiverStatusSettings, receiver_status

AGENT_LINE = 16 << 20  # bytes: packets of 5 MB are seen (a container's log cuts them at MAX_LINE all the same)


class Wanted(NamedTuple):
    """A source to be run: whom it tells of, as what, and how it is made. `identity` differs when its settings do."""

    subject: str
    kind: str
    identity: str
    make: Callable[[], Source]


def sources_of_node(node: NodeSettings, positions: Mapping[str, str], now: Now, random: Random) -> list[Wanted]:
    """Every source of one node: `log`, `api`, `details`, and a `reference` for each reference address."""
    wanted = []
    if node.log:
        wanted.append(_log(node.name, node.log, node.lookback, positions, now))
    if node.api:
        api = NodeApiSettings(
            node=node.name, url=node.api, interval=node.api_interval, timeout=node.api_timeout, ca_file=node.ca_file
        )
        details = NodeDetailsSettings(node=node.name, url=node.api, timeout=node.api_timeout, ca_file=node.ca_file)
        wanted.append(Wanted(node.name, "api", repr(api), lambda: node_api(api, now)))
        wanted.append(Wanted(node.name, "details", repr(details), lambda: node_details(details, now)))
    for url in node.reference_apis:
        wanted.append(_reference(node, url, now, random))
    return wanted


def sources_of_log(log: LogSettings, positions: Mapping[str, str], now: Now) -> list[Wanted]:
    return [_log(log.name, log.log, log.lookback, positions, now)]


def sources_of_agent(agent: AgentSettings, positions: Mapping[str, str], now: Now) -> list[Wanted]:
    return [_log(agent.name, agent.log, agent.lookback, positions, now, AGENT_LINE)] if agent.log else []


def sources_of_endpoint(endpoint: EndpointSettings, now: Now) -> list[Wanted]:
    settings = HttpEndpointSettings(
        name=endpoint.name,
        url=endpoint.url,
        field=endpoint.field,
        interval=endpoint.interval,
        timeout=endpoint.timeout,
        ca_file=endpoint.ca_file,
    )
    return [Wanted(endpoint.name, "endpoint", repr(settings), lambda: http_endpoint(settings, now))]


def sources_of_receiver(name: str, receiver: ReceiverSettings, now: Now) -> list[Wanted]:
    settings = ReceiverStatusSettings(name, receiver.status_listen)
    return [Wanted(name, "status", repr(settings), lambda: receiver_status(settings, now))]


def _reference(node: NodeSettings, url: str, now: Now, random: Random) -> Wanted:
    settings = ReferenceApiSettings(
        node=node.name,
        url=url,
        interval=node.reference_interval,
        phase=random.uniform(0, node.reference_interval),
        ca_file=node.ca_file,
    )
    identity = repr((node.name, url, node.reference_interval, node.ca_file))
    return Wanted(node.name, "reference", identity, lambda: reference_api(settings, now))


def _log(
    subject: str, log: str, lookback: int, positions: Mapping[str, str], now: Now, max_line: int = MAX_LINE
) -> Wanted:
    kind, _, where = log.partition(":")
    name = f"{subject}/log"
    wanted = WantedLog(name, where, lookback, max_line)
    return Wanted(subject, "log", repr((log, lookback)), lambda: LOGS[kind](wanted, positions.get(name), now))


class WantedLog(NamedTuple):
    """A log to be followed. `max_line` in bytes: what is longer is cut, and counted."""

    name: str
    where: str
    lookback: int
    max_line: int


def _file(log: WantedLog, position: str | None, now: Now) -> Source:
    settings = FileTailSettings(lookback=log.lookback, max_line=log.max_line)
    return FileTail(log.name, log.where, position, now, settings)


def _docker(log: WantedLog, position: str | None, now: Now) -> Source:
    return DockerLogs(log.name, log.where, position, now, DockerLogsSettings(lookback=log.lookback))


LOGS: dict[str, Callable[[WantedLog, str | None, Now], Source]] = {"file": _file, "docker": _docker}
