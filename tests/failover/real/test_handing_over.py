"""Real hosts, one after the other lost, cut off, frozen or switched: the other produces, and never two at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.failover.real.fleet import MEMBERS, Fleet, fleet
from tests.peers.chain import Chain


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, kept: Chain) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet"), kept) as hosts:
        hosts.begin("A")
        yield hosts


@pytest.fixture(autouse=True)
def healed(two: Fleet) -> Iterator[None]:
    """Each test begins with all hosts well, and ends with a look at all that was observed so far."""
    two.heal()
    two.await_producer("AB")
    for name in two.hosts:
        if name != two.producer():
            two.await_ready(name)
    yield
    two.check()


@pytest.mark.timeout(200)
def test_a_planned_switch_loses_no_block(two: Fleet) -> None:
    """There and back, and until the window after it is signed."""
    with two.counting("switched there and back") as blocks:
        for _ in range(2):
            other = next(name for name in two.hosts if name != two.producer())
            two.switch_to(other)
        two.pass_window()
    assert blocks() == 0


@pytest.mark.timeout(200)
@pytest.mark.parametrize("fault", ["node killed", "cut off from etcd", "keeper killed", "host lost", "node frozen"])
def test_the_other_takes_over(two: Fleet, fault: str) -> None:
    """Whatever becomes of the host that produces; when it is well again it is a standby, and stays one."""
    active, other = two.producer(), next(name for name in two.hosts if name != two.producer())
    host = two[active]
    with two.counting(fault):
        if fault == "node killed":
            host.node.kill()
        elif fault == "host lost":
            host.kill_all()
        elif fault == "keeper killed":
            host.keeper.kill()
        elif fault == "node frozen":
            host.freeze(keeper=False)
        else:
            two.ground.part(active, *MEMBERS)
        _, took = two.await_producer(other)
    print(f"{fault}: {other} produces {took:.1f} s after {active} was hit")
    assert took < 30
    two.heal()
    assert host.node.paused()
    assert two.await_producer(other)[0] == other
