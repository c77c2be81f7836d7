"""What all tests share: no silent skips where they are forbidden, slow tests only on request, and the real peers."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

from tests.peers.alertmanager import Alertmanager
from tests.peers.chain import Chain, kept_chain
from tests.peers.docker_engine import DockerEngine
from tests.peers.network import PRODUCERS, Network
from tests.peers.prometheus import Prometheus

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

# Random on purpose: each run tries something new, and a failure prints the blob that repeats it.
hypothesis.settings.register_profile("ci", derandomize=False, print_blob=True, deadline=None)
hypothesis.settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _forbid_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _forbid_skip((yield))


def _forbid_skip(report: Report) -> Report:
    """Turn a skip, of a test or of a whole file, into a failure where KEEPER_FORBID_SKIPS is set."""
    if report.skipped and os.environ.get("KEEPER_FORBID_SKIPS") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skips are forbidden here (KEEPER_FORBID_SKIPS): {reason}"
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


@pytest.fixture
def seed() -> int:
    """A number for `random.Random`; KEEPER_SEED repeats a run. pytest shows the line when the test fails."""
    chosen = int(os.environ.get("KEEPER_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed {chosen}: KEEPER_SEED={chosen} repeats this")
    return chosen


@pytest.fixture
def new_alertmanager(tmp_path: Path) -> Iterator[Callable[..., Alertmanager]]:
    """Start Alertmanagers, each with its own inbox; arguments as `Alertmanager` takes them after the directory."""
    with ExitStack() as running:
        started: list[Alertmanager] = []

        def start(*arguments: Any, **keywords: Any) -> Alertmanager:
            alertmanager = Alertmanager(tmp_path / f"alertmanager-{len(started)}", *arguments, **keywords)
            started.append(running.enter_context(alertmanager))
            return alertmanager

        yield start


@pytest.fixture
def new_prometheus(tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """Start Prometheus servers; arguments as `Prometheus` takes them after the directory."""
    with ExitStack() as running:
        started: list[Prometheus] = []

        def start(*arguments: Any, **keywords: Any) -> Prometheus:
            prometheus = Prometheus(tmp_path / f"prometheus-{len(started)}", *arguments, **keywords)
            started.append(running.enter_context(prometheus))
            return prometheus

        yield start


@pytest.fixture(scope="session")
def kept(request: pytest.FixtureRequest) -> Chain:
    """The chain of five producers. The first run of a checkout makes it in a minute and keeps it in pytest's cache."""
    cache = request.config.cache
    assert cache is not None
    return kept_chain(cache.mkdir("antelope"), PRODUCERS)


@pytest.fixture(scope="session")
def testnet(kept: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A real Antelope network (tests/peers/network.py), one for the whole run, as the last test left it."""
    with Network(tmp_path_factory.mktemp("testnet"), kept) as network:
        yield network


@pytest.fixture
def fresh_testnet(testnet: Network) -> Network:
    """The network, reset: all nodes running on the prepared chain, A producing, B and C paused. Takes 4 s."""
    testnet.reset()
    return testnet


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """One Docker engine for all tests. Who stops it starts it again."""
    with DockerEngine() as engine:
        yield engine
