"""The dashboards are what Grafana reads, and every query of them returns data from a keeper that watches a node
and a statistics agent, and runs collector scripts, and from a receiver."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from tests.deploy.files import DASHBOARDS, SHIPPED, TOP
from tests.deploy.scripted_agent import ScriptedAgent
from tests.deploy.scripted_collectors import ScriptedCollectors
from tests.deploy.scripted_node import OURS, ScriptedNode
from tests.deploy.scripted_receiver import ScriptedReceiver
from tests.peers import free_ports
from tests.peers.ask import answers, eventually, get, get_json
from tests.peers.inbox import Inbox
from tests.peers.process import Program
from tests.peers.prometheus import Prometheus, promtool

BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
NODE = "tokyo"
AGENT = "stats"
AGENTS = "keeper-agent"  # the dashboard
# What the scripted agent does not bring about, and what may have come before the first scrape.
STILL = {"Refused for ever", "Lost and cut", "Firings"}
COLLECTORS = "keeper-collectors"  # the dashboard
# What scripts alone do not bring about, and what can be seen only while OpenTSDB is away.
LOST = re.compile("losses|dropped|left_out|repeated")
RECEIVER = "keeper-receiver"  # the dashboard
# What a receiver that is well does not bring about, and what is over before it is scraped.
RARE = re.compile("lost|deaths|trouble|dead|turned_away|pending|queue_(records|oldest|bytes)|429")
AWAY = re.compile("opentsdb_(waiting|oldest|spool|failures)")


class Query(NamedTuple):
    """One query of a dashboard; `instant` ones are asked for now, others over the last minute."""

    board: str
    place: str
    expr: str
    instant: bool


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show data."""
    return [panel for panel in board["panels"] if panel["type"] not in ("row", "text")]


def queries() -> list[Query]:
    """Every expression: of panels, annotations and variables."""
    found = []
    for name, board in BOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                found.append(Query(name, panel["title"], target["expr"], target["instant"]))
        for annotation in board["annotations"]["list"]:
            if "expr" in annotation:
                found.append(Query(name, annotation["name"], annotation["expr"], True))
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
                found.append(Query(name, f"${variable['name']}", f"group by ({label}) ({metric}) == 1", True))
    return found


# -- the files -----------------------------------------------------------------------------------------------------


def test_the_dashboards_are_there() -> None:
    """The fleet, one node, one agent, the collectors of one keeper, one receiver, with identities links can rely on."""
    assert {name: board["uid"] for name, board in BOARDS.items()} == {name: name for name in BOARDS}
    assert set(BOARDS) == {"keeper-fleet", "keeper-node", "keeper-agent", "keeper-collectors", "keeper-receiver"}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_is_one_grafana_reads(board: dict[str, Any]) -> None:
    """Unique panel ids, nothing overlaps or hangs over the 24 columns, all data comes from the chosen Prometheus."""
    assert board["schemaVersion"] == 39
    assert board["id"] is None, "an id belongs to one Grafana"
    assert board["refresh"]
    assert [variable["name"] for variable in board["templating"]["list"]][:2] == ["datasource", "instance"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24, panel["title"]
        assert place["w"] > 0 and place["h"] > 0 and place["y"] >= 0, panel["title"]
    for one, other in combinations(board["panels"], 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    for panel in panels(board):
        assert panel["datasource"] == DATASOURCE, panel["title"]
        assert panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == DATASOURCE, panel["title"]
            assert target["expr"], panel["title"]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_panel_says_what_it_means_for_the_one_who_looks(board: dict[str, Any]) -> None:
    """Each panel has a title of its own kind, a description, a unit and thresholds."""
    assert len({panel["title"] for panel in panels(board)}) == len(panels(board))
    for panel in panels(board):
        assert len(panel["description"]) > 40, panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_variable_a_query_uses_is_declared(board: dict[str, Any]) -> None:
    """No query, title or link speaks of a variable the dashboard does not have."""
    declared = {variable["name"] for variable in board["templating"]["list"]}
    exprs = " ".join(target["expr"] for panel in panels(board) for target in panel["targets"])
    assert set(re.findall(r"\$\{?(\w+)", exprs)) <= declared | {"__rate_interval", "__range", "1"}


def test_the_links_between_the_dashboards_lead_somewhere() -> None:
    """Every /d/UID in a link is the identity of one of the dashboards, with variables it has."""
    variables = {name: {v["name"] for v in board["templating"]["list"]} for name, board in BOARDS.items()}
    links = re.findall(r"/d/([\w-]+)/[\w-]+\?([^\"]*)", " ".join(path.read_text() for path in DASHBOARDS.iterdir()))
    assert links
    for uid, query in links:
        assert set(re.findall(r"var-(\w+)=", query)) <= variables[uid]


def test_grafana_is_told_where_the_dashboards_are() -> None:
    """The provider is a file provider with a path, the datasource a Prometheus: the two files Grafana provisions."""
    provider = (TOP / "grafana/provisioning/dashboards/keeper.yml").read_text()
    assert "type: file" in provider and "path: /" in provider
    datasource = (TOP / "grafana/provisioning/datasources/prometheus.yml").read_text()
    assert "type: prometheus" in datasource and "url: http" in datasource


def test_what_the_dashboard_says_of_the_configuration_is_so() -> None:
    """The text about counters names metrics that keeper's own collectors have, and that count; so do the queries that
    take a metric as a counter or a gauge, and no others."""
    counters = set(re.findall(r"(?m)^\| `([a-z._0-9]+)` \| counter ", SHIPPED.read_text()))
    [text] = [panel for panel in BOARDS[COLLECTORS]["panels"] if panel["type"] == "text"]
    told = set(re.findall(r"`type\.(\S+) = counter`", text["options"]["content"]))
    assert told and told <= counters
    exprs = " ".join(query.expr for query in queries() if query.board == COLLECTORS)
    assert set(re.findall(r"(\w+)\(_total\)\?", exprs)) == {name.replace(".", "_") for name in told}


# -- the queries ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedCollectors]:
    with ScriptedCollectors(tmp_path_factory.mktemp("collecting") / "collectors") as it:
        yield it


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, collectors: ScriptedCollectors) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a keeper and a receiver every second. The keeper watches a node that is well but for a
    producer that misses blocks, one that is not there, and an agent whose packets are refused again and again; it runs
    `collectors`; one target takes its alerts, one does not."""
    directory = tmp_path_factory.mktemp("watched")
    listen, nobody = free_ports(2)
    with (
        ScriptedNode(directory / "nodeos.log") as node,
        ScriptedAgent(directory / "statistic.log") as agent,
        Inbox() as inbox,
        ScriptedReceiver(directory / "receiver") as receiver,
    ):
        config = directory / "config.ini"
        config.write_text(
            f"[keeper]\nname = tokyo-1\nrole = A\nlisten = 127.0.0.1:{listen}\nstate_dir = {directory}\n"
            f"[node:{NODE}]\nproducer = {OURS}\nlog = file:{node.log}\napi = {node.url}\nreference_apis = {node.url}\n"
            f"[node:gone]\nlog = file:{directory}/never.log\napi = http://127.0.0.1:{nobody}\n"
            f"{agent.settings(AGENT)}"
            f"{collectors.settings()}"
            "[failover]\n"
            f"[alertmanager]\nurls = {inbox.url}, http://127.0.0.1:{nobody}\ninterval = 2s\n"
        )
        keeper = Program("keeper", [sys.executable, "-m", "keeper", "run", "-c", str(config)], directory / "keeper.log")
        targets = [f"127.0.0.1:{listen}", receiver.target]
        with keeper, Prometheus(directory / "prometheus", targets=targets) as prometheus:
            keeper.start(lambda: answers(f"http://127.0.0.1:{listen}/-/ready"))
            yield prometheus


def data(prometheus: Prometheus, query: Query) -> list[float]:
    """The finite values Prometheus answers, with the dashboard's variables filled in as Grafana would."""
    expr = query.expr.replace("$__rate_interval", "15s").replace("$__range", "60s")
    expr = expr.replace("$instance", ".*").replace("$node", NODE).replace("$agent", AGENT)
    expr = expr.replace("$collector", ".*")
    now = time.time()
    if query.instant:
        answer = get_json(f"{prometheus.url}/api/v1/query", query=expr, time=now)
    else:
        answer = get_json(f"{prometheus.url}/api/v1/query_range", query=expr, start=now - 60, end=now, step=1)
    values = [value for series in answer["data"]["result"] for _, value in series.get("values", [series.get("value")])]
    return [number for number in map(float, values) if math.isfinite(number)]


def moves(prometheus: Prometheus, query: Query) -> None:
    """Wait until it has something else than 0 to show."""
    eventually(lambda: any(data(prometheus, query)), f"more than 0 for {query.expr}", deadline=90, every=0.5)


def of_collectors() -> list[Query]:
    """What the dashboard of the collectors asks about keeper; what the host does is its own affair."""
    asked = [query for query in queries() if query.board == COLLECTORS and "keeper_" in query.expr]
    return [query for query in asked if not LOST.search(query.expr)]


@pytest.mark.parametrize("query", queries(), ids=lambda q: f"{q.board}: {q.place}")
def test_every_query_returns_data(watched: Prometheus, query: Query) -> None:
    """The query is valid and, while keeper watches, has at least one number to show."""
    eventually(lambda: data(watched, query), f"data for {query.expr}", deadline=90, every=0.5)


@pytest.mark.parametrize(
    "query", [q for q in queries() if q.board == AGENTS and q.place not in STILL], ids=lambda q: q.place
)
def test_what_happens_to_the_packets_of_an_agent_can_be_seen(watched: Prometheus, query: Query) -> None:
    """Packets that are refused, held, forgotten and sent again move every query about them from 0."""
    moves(watched, query)


@pytest.mark.parametrize("query", [q for q in of_collectors() if not AWAY.search(q.expr)], ids=lambda q: q.place)
def test_what_happens_to_collectors_can_be_seen(watched: Prometheus, query: Query) -> None:
    """Scripts that fail, hang, print what is no point or what OpenTSDB refuses move every query about them from 0."""
    moves(watched, query)


@pytest.mark.parametrize(
    "query", [q for q in queries() if q.board == RECEIVER and not RARE.search(q.expr)], ids=lambda q: q.place
)
def test_what_a_receiver_takes_in_can_be_seen(watched: Prometheus, query: Query) -> None:
    """What is sent, sent again, wrong, refused or with an old id moves every query about it from 0."""
    moves(watched, query)


def test_the_metrics_of_a_keeper_at_work_are_accepted(watched: Prometheus) -> None:
    """promtool can read the page of a keeper that has watched for a while, and finds no fault in what is keeper's; the
    names that scripts give are theirs, such as `df.bytes.total`, which is a gauge."""
    targets = get_json(f"{watched.url}/api/v1/targets")["data"]["activeTargets"]
    assert len(targets) == 2
    for target in targets:
        checked = promtool("check", "metrics", stdin=get(target["scrapeUrl"]).text)
        assert checked.returncode in (0, 3), checked.stderr  # 3: it has advice
        assert re.findall("(?m)^(?:keeper|process|python)_.*", checked.stderr) == []


def test_an_outage_of_opentsdb_can_be_seen(watched: Prometheus, collectors: ScriptedCollectors) -> None:
    """When nobody takes points any more, every query about those that wait moves from 0, and that is said. The last
    test: it stays away."""
    collectors.end_opentsdb()
    for query in of_collectors():
        if AWAY.search(query.expr):
            moves(watched, query)
    watched.wait_for("keeper_opentsdb_up == 0")
