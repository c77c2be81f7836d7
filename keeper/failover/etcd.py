"""The lease in etcd: one key, attached to a lease of etcd's, that whoever may produce has to hold.

What is relied on: transactions are linearizable, and etcd ends a lease of its own no earlier than its `ttl` after it
was granted. A renewal is therefore a new lease and a transaction that attaches the key to it, and not etcd's keepalive:
a member that was frozen while another became the leader answers a keepalive out of its own memory, and up to 3.4.30
and 3.5.12 it even revokes, by its old knowledge, leases that were renewed elsewhere (etcd #15247). A lease that it has
never heard of it cannot end. The old one runs out by itself.

Every question may arrive twice, or late, when a frozen member wakes up with it. The key's value and the revision that
made it say whose it is, and each renewal names the revision of the one before it, so that a late one cannot attach the
key to an older lease again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from keeper.core.source import Now
from keeper.failover.etcd_gateway import Gateway, coded, decoded
from keeper.failover.lease import Denied, Grant, Seen, Timing, Unreachable
from keeper.formats.json_answer import one_line


class Identity(NamedTuple):
    """`cluster` is what the lease is about, the same on all hosts that share it; `host` a name of its own for each.
    `instance` must differ between any two keepers that may run at the same time, also of copied machines; one who
    starts with that of his predecessor goes on with his lease."""

    cluster: str
    host: str
    instance: str


class _Held(NamedTuple):
    """The lease's key as it was found."""

    value: str
    epoch: int
    modified: int
    token: str


FOR_EVER = "0"  # no lease
TRIES = 3  # of a renewal: earlier ones of ours whose answers were lost may come in between


class EtcdLease:
    """Implements LeaseStore. `now` must go on while the machine sleeps (CLOCK_BOOTTIME): etcd's clock does."""

    def __init__(self, gateway: Gateway, identity: Identity, timing: Timing, now: Now) -> None:
        self._gateway = gateway
        self._identity = identity
        self._timing = timing
        self._now = now
        self._top = f"keeper/{identity.cluster}/"
        self._key = f"{self._top}lease"
        self._modified = 0  # the key's revision when we wrote it last
        self._ours = json.dumps({"host": identity.host, "instance": identity.instance}, sort_keys=True)

    def acquire(self) -> Grant | Denied:
        until = self._deadline()
        held = _held(self._gateway.ask("kv/range", {"key": coded(self._key)}, until))
        if held is None:
            token, end = self._lease(until)
            free = {"key": coded(self._key), "result": "EQUAL", "target": "CREATE", "create_revision": "0"}
            written = self._write([free], token, until)
            if isinstance(written, int):
                self._modified = written
                return Grant(written, token, end)
            held = written
        if held is not None and held.value == self._ours:
            # An answer was lost, or the question came late: it is ours already. Only a new lease says for how long.
            return self._hold(held.epoch, until)
        return self._denied(held)

    def renew(self, grant: Grant) -> Grant | Denied:
        return self._hold(grant.epoch, self._deadline())

    def release(self, grant: Grant) -> None:
        question = {
            "compare": self._still_ours(grant.epoch),
            "success": [{"request_delete_range": {"key": coded(self._key)}}],
        }
        self._gateway.ask("kv/txn", question, self._deadline())

    def look(self) -> Seen:
        everything = {"key": coded(self._top), "range_end": coded(_after(self._top)), "limit": "1000"}
        answer = self._gateway.ask("kv/range", everything, self._deadline())
        found = {decoded(row.get("key")).removeprefix(self._top): row for row in _rows(answer)}
        values = {key: decoded(row.get("value", "")) for key, row in found.items()}
        hosts = [
            (said.get("host", ""), said)
            for key, value in values.items()
            if key.startswith("hosts/") and (said := _fields(value))
        ]
        names = [name for name, _ in hosts]
        return Seen(
            holder=_holder(values["lease"]) if "lease" in values else "",
            epoch=_number(found["lease"].get("create_revision")) if "lease" in found else 0,
            paused=values.get("paused", ""),
            wanted=values.get("wanted", ""),
            hashes={name: said.get("configuration", "") for name, said in hosts},
            roles={name: said.get("role", "") for name, said in hosts},
            twins=tuple(sorted({name for name in names if names.count(name) > 1})),
        )

    def announce(self, role: str, configuration: str) -> None:
        until = self._deadline()
        token, _ = self._lease(until)
        host, instance = self._identity.host, self._identity.instance
        said = json.dumps({"host": host, "role": role, "configuration": configuration})
        self._put(f"hosts/{host}/{instance}", said, token, until)

    def pause(self, why: str) -> None:
        self._put("paused", why, FOR_EVER, self._deadline())

    def want(self, host: str) -> None:
        self._put("wanted", host, FOR_EVER, self._deadline())

    def close(self) -> None:
        self._gateway.close()

    def _deadline(self) -> float:
        return self._now() + self._timing.request_timeout

    def _lease(self, until: float) -> tuple[str, float]:
        """A new lease of etcd's: its id, and when it may end. Counted from before the question."""
        asked = self._now()
        answer = self._gateway.ask("lease/grant", {"TTL": str(math.ceil(self._timing.ttl))}, until)
        if _number(answer.get("TTL")) < self._timing.ttl:
            raise Unreachable(
                f"etcd grants a lease of {_number(answer.get('TTL'))}s, less than ttl = {self._timing.ttl:g}s"
            )
        return str(answer.get("ID", "")), asked + self._timing.ttl

    def _hold(self, epoch: int, until: float) -> Grant | Denied:
        """Attach the key to a new lease, if it is still the one of that epoch and ours."""
        token, end = self._lease(until)
        for _ in range(TRIES):
            unchanged = {
                "key": coded(self._key),
                "result": "EQUAL",
                "target": "MOD",
                "mod_revision": str(self._modified),
            }
            written = self._write([*self._still_ours(epoch), unchanged], token, until)
            if isinstance(written, int):
                self._modified = written
                return Grant(epoch, token, end)
            if written is None or (written.value, written.epoch) != (self._ours, epoch):
                return self._denied(written)
            self._modified = written.modified
            if written.token == token:  # the answer to our first try was lost
                return Grant(epoch, token, end)
        raise Unreachable(f"{self._key} changed {TRIES} times while it was renewed")

    def _write(self, conditions: list[dict[str, str]], token: str, until: float) -> int | _Held | None:
        """Write the key if the conditions hold: the revision. If they do not: what stands there."""
        key = coded(self._key)
        question = {
            "compare": conditions,
            "success": [{"request_put": {"key": key, "value": coded(self._ours), "lease": token}}],
            "failure": [{"request_range": {"key": key}}],
        }
        answer = self._gateway.ask("kv/txn", question, until)
        return _revision(answer) if answer.get("succeeded") is True else _held(_range_in(answer))

    def _still_ours(self, epoch: int) -> list[dict[str, str]]:
        key = coded(self._key)
        return [
            {"key": key, "result": "EQUAL", "target": "CREATE", "create_revision": str(epoch)},
            {"key": key, "result": "EQUAL", "target": "VALUE", "value": coded(self._ours)},
        ]

    def _put(self, name: str, value: str, token: str, until: float) -> None:
        key = coded(f"{self._top}{name}")
        if value:
            self._gateway.ask("kv/put", {"key": key, "value": coded(value), "lease": token}, until)
        else:
            self._gateway.ask("kv/deleterange", {"key": key}, until)

    def _denied(self, held: _Held | None) -> Denied:
        if held is None:
            return Denied("", "nobody has the lease any more: ours was not renewed in time, or somebody deleted it")
        said = _fields(held.value)
        if not said.get("host"):
            what = one_line(held.value, 60)
            return Denied("", f"no keeper wrote what stands in {self._key} ({what!r}): find out who did and delete it")
        if said["host"] == self._identity.host and held.value != self._ours:
            return Denied(
                said["host"],
                f"another keeper with our name {said['host']} has the lease: this one before it was restarted, "
                "or a host with the same name",
            )
        if held.value == self._ours:
            return Denied("", "the lease was taken from us and given back: this is a new one, ask for it again")
        return Denied(said["host"], f"{said['host']} has the lease")


def _rows(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = answer.get("kvs", [])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _held(answer: Mapping[str, Any]) -> _Held | None:
    for row in _rows(answer):
        created, modified = _number(row.get("create_revision")), _number(row.get("mod_revision"))
        return _Held(decoded(row.get("value", "")), created, modified, str(row.get("lease", "")))
    return None


def _range_in(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was read when a transaction's conditions did not hold. Raises Unreachable."""
    try:
        found = answer["responses"][0]["response_range"]
        if isinstance(found, dict):
            return found
    except (KeyError, IndexError, TypeError):
        pass
    raise Unreachable("etcd answers a transaction with something else")


def _revision(answer: Mapping[str, Any]) -> int:
    """Of the transaction: grows with each change in the cluster."""
    revision = _number(answer["header"].get("revision"))
    if not revision:
        raise Unreachable("etcd answers a transaction without its revision")
    return revision


def _number(text: object) -> int:
    """The gateway writes 64-bit numbers as text and leaves zeros out."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20 else 0


def _fields(value: str) -> dict[str, str]:
    try:
        said = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {key: one_line(text, 200) for key, text in said.items() if isinstance(text, str)}


def _holder(value: str) -> str:
    return _fields(value).get("host", "") or f"something that is no keeper ({one_line(value, 40)!r})"


def _after(prefix: str) -> str:
    """The end of the range of all keys that begin so."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
