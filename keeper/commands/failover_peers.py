"""What the commands of failover talk to: the lease store, the node's API and the way to kill it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keeper.actions.brief_http import read_address, resolved
from keeper.actions.producer_api import ProducerApi
from keeper.errors import KeeperError
from keeper.failover.etcd import EtcdLease, Identity
from keeper.failover.etcd_gateway import Gateway, Login
from keeper.failover.plan import api_of, cluster_of, node_of, terms_of
from keeper.runtime.clock import since_boot
from keeper.settings import Settings


def store_of(settings: Settings) -> EtcdLease:
    """The cluster's store, to look and to say what is wanted; never to take the lease. KeeperError without one."""
    failover = settings.failover
    if failover is None or not failover.lease:
        raise KeeperError("this needs a lease: write [failover] lease = etcd:http://HOST:2379, ...")
    gateway = Gateway(failover.lease, since_boot, Login(failover.username, failover.password), failover.ca_file)
    identity = Identity(cluster_of(settings), settings.keeper.name, f"command-{os.getpid()}")
    return EtcdLease(gateway, identity, terms_of(settings).timing, since_boot)


def api_at(settings: Settings) -> ProducerApi:
    node = node_of(settings)
    if settings.failover is None or node is None:
        raise KeeperError("there is no node to hand over")
    try:
        return ProducerApi(resolved(read_address(api_of(settings.failover, node))), since_boot)
    except (ValueError, OSError) as error:
        raise KeeperError(f"[failover] api: {error}") from error


class Steps:
    """Timed steps, printed as they happen and kept for the record."""

    def __init__(self) -> None:
        self.began = since_boot()
        self.lines: list[str] = []
        self.well = True

    def say(self, words: str) -> None:
        line = f"{since_boot() - self.began:6.2f} s  {words}"
        self.lines.append(line.strip())
        print(line, flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """Print what came of it and how long it took; a KeeperError is a bad step, and the next is taken."""
        began, words = since_boot(), [""]
        try:
            yield lambda said: words.__setitem__(0, f": {said}")
        except KeeperError as error:
            self.well = False
            words[0] = f": BAD: {error}"
        self.say(f"{what}{words[0]} ({1000 * (since_boot() - began):.0f} ms)")

    @property
    def took(self) -> float:
        return since_boot() - self.began
