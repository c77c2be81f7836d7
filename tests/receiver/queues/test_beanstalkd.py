"""beanstalkd as the queue, with a real one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from keeper.receiver.queues.beanstalkd import BeanstalkdQueue
from keeper.receiver.queues.beanstalkd_intake import BeanstalkdIntake
from keeper.receiver.queues.beanstalkd_line import Site
from tests.peers.beanstalkd import Beanstalkd
from tests.receiver.queues.contract import *  # noqa: F403  # the tests of every queue
from tests.receiver.queues.contract import Ground

TUBES = itertools.count()


def unexpected(why: str) -> None:
    raise AssertionError(why)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beanstalkd]:
    with Beanstalkd(tmp_path_factory.mktemp("beanstalkd")) as beanstalkd:
        yield beanstalkd


def queue_in(beanstalkd: Beanstalkd, tube: str, most_bytes: int = 1 << 30) -> BeanstalkdQueue:
    return BeanstalkdQueue(Site("127.0.0.1", beanstalkd.port, tube), most_bytes, time.time, unexpected)


def intake_of(beanstalkd: Beanstalkd, tube: str) -> BeanstalkdIntake:
    return BeanstalkdIntake(Site("127.0.0.1", beanstalkd.port, tube))


@pytest.fixture
def ground(running: Beanstalkd) -> Ground:
    """A tube of its own. Records of one put come in order, those of different puts as their lines are fast."""
    tube = f"tube-{next(TUBES)}"
    return Ground(lambda: queue_in(running, tube), lambda: intake_of(running, tube), order=False)
