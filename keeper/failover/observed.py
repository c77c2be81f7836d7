"""What was observed, put together to the facts of one moment: what is too old is not known any more.

Pure: the shell hands in what it heard with the time *before* it asked, on the host's clock since boot.
"""

from __future__ import annotations

from typing import NamedTuple

from keeper.failover.actions import Answer
from keeper.failover.facts import Facts, OfChain, OfCluster, OfKeeper, OfNode
from keeper.failover.lease import Seen
from keeper.failover.terms import Terms
from keeper.rules.phrases import counted

NEVER = float("-inf")
NODE_LASTS = 2.0  # seconds an answer of the node counts
CHAIN_LASTS = 3.0  # the same of what its log and API tell, which grows older with the moment all the same
STORE_LASTS = 5.0
SILENT_STORE = 10.0  # seconds without an answer of the store, until people are told
NOBODY_LEADS = 60.0  # seconds nobody holds the lease, until people are told


class NodeSample(NamedTuple):
    """One look at the producer API. `paused` is None without an answer, and `nobody`: nothing listens there. `api` is
    False where it answers that it has no producer API."""

    asked_at: float
    paused: bool | None
    nobody: bool = False
    api: bool | None = None
    why: str = ""


class StoreLook(NamedTuple):
    asked_at: float
    seen: Seen


class StoreFailed(NamedTuple):
    why: str


class ChainLook(NamedTuple):
    """What keeper's memory of the node says, at a time. `distrust` as in OfKeeper. `own_block`: how old the newest
    block is that this node signed; `keyless`: its log says that it has no key, after its last start; `started`: when
    that was; `round_seconds` of the active schedule, 0 where it is not known."""

    at: float
    chain: OfChain
    distrust: str
    own_block: float | None
    keyless: bool
    started: float | None
    round_seconds: float


class Stands(NamedTuple):
    """What keeper itself adds: `gone` is of this very moment. `paused_here`: automation is paused on this host."""

    gone: bool | None
    journal: bool
    cooled: float
    takeovers: int
    order: str
    paused_here: str | None


def aged(chain: OfChain, seconds: float) -> OfChain:
    """The same so many seconds later, if nothing was heard since."""

    def later(age: float | None) -> float | None:
        return None if age is None else age + seconds

    return chain._replace(
        judged=later(chain.judged),
        behind=later(chain.behind),
        flat=later(chain.flat),
        elsewhere=later(chain.elsewhere),
        gap=None if chain.gap is None else max(0.0, chain.gap - seconds),
    )


class Observed:
    """`configuration`: the fingerprint of this host's configuration. `key`: None where nothing is known of a key."""

    def __init__(self, terms: Terms, configuration: str, now: float) -> None:
        self._terms = terms
        self._configuration = configuration
        self.sample = NodeSample(NEVER, None)
        self._answered_at = now
        self._paused_since = float("inf")
        self._api: bool | None = None
        self.look = ChainLook(NEVER, OfChain(), "", None, False, None, 0.0)
        self.seen: Seen | None = None
        self._seen_at = NEVER
        self._begun = now
        self.store_error = ""
        self._vacant_since: float | None = None
        self._was_held = False
        self._fit_since: float | None = None

    # -- what was heard --------------------------------------------------------------------------------------------

    def heard_node(self, sample: NodeSample) -> None:
        if sample.asked_at < self.sample.asked_at:
            return
        before, self.sample = self.sample, sample
        if sample.paused is not None:
            self._answered_at = sample.asked_at
            self._api = True
        elif sample.api is False:
            self._api = False
        if sample.paused is not True:
            self._paused_since = float("inf") if sample.paused is False else self._paused_since
        elif before.paused is not True or sample.asked_at - before.asked_at > NODE_LASTS:
            self._paused_since = sample.asked_at

    def heard_chain(self, look: ChainLook) -> None:
        self.look = look
        fit = self._is_fit(look.chain)
        if not fit:
            self._fit_since = None
        elif self._fit_since is None:
            self._fit_since = look.at

    def heard_store(self, seen: Seen, asked_at: float) -> None:
        held = bool(seen.holder)
        if asked_at - self._seen_at > STORE_LASTS:
            self._vacant_since = None  # somebody may have held it unseen
        if held:
            self._was_held, self._vacant_since = True, None
        elif self._vacant_since is None:
            self._vacant_since = asked_at
        self.seen, self._seen_at, self.store_error = seen, asked_at, ""

    def store_failed(self, why: str) -> None:
        self.store_error = why

    # -- what it comes to ------------------------------------------------------------------------------------------

    def facts(self, stands: Stands, answers: tuple[Answer, ...], now: float) -> Facts:
        fresh = now - self.look.at <= CHAIN_LASTS
        return Facts(
            aged(self.look.chain, now - self.look.at) if fresh else OfChain(),
            self._node(stands.gone, now, fresh=fresh),
            self._cluster(stands.paused_here, now),
            OfKeeper(
                self.look.distrust if fresh else None,
                stands.journal,
                stands.cooled,
                stands.takeovers,
                self._healthy(now) if fresh else None,
                stands.order,
            ),
            answers,
        )

    def _node(self, gone: bool | None, now: float, *, fresh: bool) -> OfNode:
        sample, look = self.sample, self.look
        own = look.own_block
        return OfNode(
            paused=sample.paused if now - sample.asked_at <= NODE_LASTS else None,
            asked_at=sample.asked_at,
            paused_since=self._paused_since,
            silent=max(0.0, now - self._answered_at),
            quiet=own + now - look.at > 1.0 if fresh and own is not None else None,
            gone=gone,
            started=look.started,
            key=not look.keyless if fresh else None,
            api=self._api,
        )

    def _cluster(self, paused_here: str | None, now: float) -> OfCluster:
        if not self._terms.lease:
            return OfCluster(paused_here, "", True, frozenset(), None)
        seen = self.seen
        if seen is None or now - self._seen_at > STORE_LASTS or paused_here is None:
            return OfCluster()
        vacant = 0.0
        if self._was_held and self._vacant_since is not None:
            vacant = now - self._vacant_since
        return OfCluster(
            seen.paused or paused_here, seen.wanted, not self.differing(), frozenset(seen.hashes), vacant, seen.holder
        )

    def _is_fit(self, chain: OfChain) -> bool:
        terms = self._terms
        if chain.behind is None or chain.flat is None or chain.others is None or chain.due is None:
            return False
        return chain.behind <= terms.behind and chain.flat <= terms.flat and chain.others >= chain.due

    def _healthy(self, now: float) -> int | None:
        if self.look.round_seconds <= 0 or self.look.chain.behind is None:
            return None
        return 0 if self._fit_since is None else int((now - self._fit_since) // self.look.round_seconds)

    # -- what people must know -------------------------------------------------------------------------------------

    def differing(self) -> str:
        """Which hosts have another idea of the lease than this one; empty when none has."""
        seen = self.seen
        others = {} if seen is None else dict(seen.hashes)
        named = [f"{host} has {said or 'none'}" for host, said in sorted(others.items()) if said != self._configuration]
        if not named:
            return ""
        return f"this host's configuration has the fingerprint {self._configuration}, but {', '.join(named)}"

    def troubles(self, now: float) -> list[str]:
        """Of the node and the cluster, in sentences."""
        found = []
        if self._api is False:
            found.append(f"the node cannot be paused: {self.sample.why}")
        if self.look.keyless:
            found.append("the node's log says that it does not have our key: it could not produce")
        if self._terms.lease:
            found += self._store_troubles(now)
        return found

    def _store_troubles(self, now: float) -> list[str]:
        found = []
        last = max(self._seen_at, self._begun)
        if now - last > SILENT_STORE:
            found.append(f"the lease store does not answer: {self.store_error or 'no answer yet'}")
        if differing := self.differing():
            found.append(f"the hosts differ in their configuration: {differing}; give all the same timing and producer")
        seen = self.seen
        if seen is None:
            return found
        if seen.twins and now - self._begun > 2 * self._terms.timing.ttl:
            found.append(f"two keepers are called {', '.join(seen.twins)}: give each host a [keeper] name of its own")
        leaders = sorted(host for host, role in seen.roles.items() if role == "A")
        if len(leaders) > 1:
            found.append(f"{' and '.join(leaders)} are both configured as A: one host is A, the others B and C")
        if self._was_held and self._vacant_since is not None and now - self._vacant_since > NOBODY_LEADS:
            found.append(f"nobody has held the lease for {now - self._vacant_since:.0f} s: nobody produces")
        return found


def fuse_trouble(takeovers: int, terms: Terms) -> str:
    """Empty while it holds."""
    if takeovers < terms.fuse:
        return ""
    return (
        f"the fuse is blown: {counted(takeovers, 'takeover')} by itself; look why, then `keeper failover resume` "
        "on this host"
    )
