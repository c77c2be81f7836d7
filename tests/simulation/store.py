"""A store of leases as etcd is one: a lease ends `ttl` after its last renewal, on the store's own clock."""

from __future__ import annotations

from keeper.failover.lease import Denied
from tests.simulation.clockwork import Clockwork


class Store:
    """`rate`: how fast its clock runs. While it is `down` it neither answers nor forgets. `careless`, a mutant: every
    host looks first whether the lease is free, and writes it then, whatever has become of it."""

    def __init__(self, world: Clockwork, ttl: float, rate: float, careless: bool) -> None:
        self.world = world
        self.ttl = ttl
        self.rate = rate
        self.careless = careless
        self.down = False
        self.holder = ""
        self.token = ""
        self.epoch = 0
        self.ends = 0.0
        self.vacant_since: float | None = None
        self.wanted = ""
        self.paused = ""
        self.paused_since = 0.0
        self.heard: dict[str, float] = {}

    @property
    def clock(self) -> float:
        return self.world.now * self.rate

    def expire(self) -> str:
        """Who holds the lease now."""
        if self.holder and self.clock >= self.ends:
            self.world.tell("store", f"the lease of {self.holder} has ended")
            self._vacate()
        return self.holder

    def _vacate(self) -> None:
        self.holder = self.token = ""
        self.vacant_since = self.world.now

    def acquire(self, host: str, looked: bool) -> tuple[int, str] | Denied:
        if self.expire() and not looked:
            return Denied(self.holder, "it is taken")
        self.epoch += 1
        self.holder, self.token, self.ends = host, f"{host}{self.epoch}", self.clock + self.ttl
        self.world.tell("store", f"{host} has the lease, epoch {self.epoch}")
        return self.epoch, self.token

    def renew(self, token: str) -> tuple[int, str] | Denied:
        self.expire()
        if token != self.token:
            return Denied(self.holder, "it ended")
        self.ends = self.clock + self.ttl
        return self.epoch, self.token

    def release(self, token: str) -> None:
        self.expire()
        if token == self.token:
            self.world.tell("store", f"{self.holder} gave the lease back")
            self._vacate()

    def want(self, host: str) -> None:
        self.wanted = host
        self.world.tell("store", f"wanted: {host or 'nobody'}")

    def pause(self, why: str) -> None:
        self.paused, self.paused_since = why, self.world.now
        self.world.tell("store", f"automation: {why or 'goes on'}")

    def vacant(self) -> float:
        """For how long nobody has held what was held before."""
        if self.expire() or self.vacant_since is None:
            return 0.0
        return self.world.now - self.vacant_since

    def there(self) -> frozenset[str]:
        return frozenset(host for host, at in self.heard.items() if self.world.now - at < 10.0)
