"""A keeper that knows only the lease, the guard and the fence: it produces whenever it can have the lease.

    python -m tests.failover.holder DIRECTORY HOST API PIDFILE ETCD...

What it does is printed, a line each.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from threading import Event

from keeper.actions.brief_http import read_address
from keeper.actions.fence import Fenced, Ladder, fence
from keeper.actions.kill import read_kill
from keeper.actions.producer_api import ProducerApi
from keeper.errors import KeeperError
from keeper.failover.etcd import EtcdLease, Identity
from keeper.failover.etcd_gateway import Gateway, Login
from keeper.failover.lease import Denied, Grant, Timing, Unreachable
from keeper.runtime.clock import since_boot
from keeper.runtime.guard_process import Duty, GuardFired, GuardLost, GuardProcess

TIMING = Timing(ttl=4.0, renew=0.5, request_timeout=0.5, act_within=1.5, margin=0.5)
CLUSTER = "eosstore"


def say(*words: object) -> None:
    print(f"{since_boot():.3f}", *words, flush=True)


class Holder:
    def __init__(self, directory: str, host: str, api: str, kill: str, urls: tuple[str, ...]) -> None:
        self.lease = EtcdLease(
            Gateway(urls, since_boot, Login()), Identity(CLUSTER, host, f"{host}-{directory}"), TIMING, since_boot
        )
        self.guard = GuardProcess(Path(directory))
        self.duty = Duty(api, kill, TIMING.act_within)
        self.ladder = Ladder(ProducerApi(read_address(api), since_boot), read_kill(kill, since_boot), TIMING.act_within)
        self.grant: Grant | None = None

    def step(self) -> None:
        try:
            if self.grant is None:
                got = self.lease.acquire()
                if isinstance(got, Denied):
                    return
                self.guard.arm(fence_at(got), self.duty)
                self.guard.resume()
                self.grant = got
                say("producing in epoch", got.epoch)
                return
            got = self.lease.renew(self.grant)
            if isinstance(got, Denied):
                self.stop(got.why)
                return
            self.guard.arm(fence_at(got), self.duty)
            self.grant = got
            if self.ladder.api.paused(0.2) is True:
                say("the node was started again")
                self.guard.resume()
        except Unreachable as error:
            say(error)
            if self.grant is not None and since_boot() > fence_at(self.grant) - 0.2:
                self.stop("the lease cannot be renewed")
        except GuardFired as error:
            self.grant = None
            if error.report["fenced"]:
                self.guard.disarm()
            say(error)
        except GuardLost as error:
            self.stop(str(error))
            self.guard.close()
            self.guard.start()
        except KeeperError as error:
            say(error)

    def stop(self, why: str) -> None:
        """Fence, and disarm only what is verified."""
        say("stops:", why)
        self.grant = None
        result = fence(self.ladder, since_boot, Event().wait)
        say(result)
        if isinstance(result, Fenced):
            try:
                self.guard.disarm()
            except KeeperError as error:
                say(error)


def fence_at(grant: Grant) -> float:
    """LATE makes it wrong on purpose."""
    return grant.until - TIMING.act_within - TIMING.margin + float(os.environ.get("LATE", "0"))


def main(directory: str, host: str, api: str, kill: str, *urls: str) -> None:
    holder = Holder(directory, host, api, kill, urls)
    holder.guard.start()
    say("started")
    while True:
        try:
            holder.step()
        except KeeperError as error:
            say(error)
        time.sleep(TIMING.renew)


if __name__ == "__main__":
    main(*sys.argv[1:])
