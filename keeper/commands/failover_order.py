"""Orders: takeover and step-down for this host, a planned switch for the cluster."""

from __future__ import annotations

import getpass
from pathlib import Path
from threading import Event
from typing import Any

from keeper.commands.failover_peers import Steps, store_of
from keeper.commands.status import ask
from keeper.errors import KeeperError
from keeper.failover.lease import LeaseStore, Seen, Unreachable
from keeper.runtime.book import answer_to, give_order
from keeper.runtime.clock import Clock, since_boot
from keeper.settings import Settings

ANSWERED_WITHIN = 45.0  # seconds; the daemon tries an order for 30
EVERY = 0.25  # seconds between two looks
DRY = "nothing was done; add --not-a-drill to do it"


def order(settings: Settings, what: str, *, acts: bool) -> int:
    """Have the keeper of this host take over or step down, and wait until it says what came of it."""
    status = status_of(settings)
    if not acts:
        print(explained(what, status))
        print(DRY)
        return 0
    state_dir = Path(settings.keeper.state_dir)
    number = give_order(state_dir, what, getpass.getuser(), "", Clock().wall())
    until, wait = since_boot() + ANSWERED_WITHIN, Event().wait
    while since_boot() < until:
        if answer := answer_to(state_dir, number):
            print(f"{what}: {answer}")
            return 0 if answer.startswith("done") else 1
        wait(EVERY)
    raise KeeperError(f"keeper did not answer within {ANSWERED_WITHIN:.0f} s; see keeper failover status")


def status_of(settings: Settings) -> dict[str, Any]:
    """What the running keeper of this host says about failover."""
    host, _, port = settings.keeper.listen.rpartition(":")
    host = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host  # noqa: S104  # compared, not bound
    failover: dict[str, Any] = ask(f"{host}:{port}").get("failover") or {}
    if not failover:
        raise KeeperError("the keeper that runs has no failover; restart it with this configuration")
    return failover


def explained(what: str, status: dict[str, Any]) -> str:
    """What the order would do, as things stand."""
    if what == "step-down":
        if status["state"] in ("standby", "suspended"):
            return f"{status['host']} does not produce: there is nothing to step down from"
        lease = ", give the lease back so that a standby takes over" if status["lease"] else ""
        return f"{status['host']} would pause its node, verify it{lease}, and rest"
    if status["state"] == "producing":
        return f"{status['host']} produces already"
    # An order needs no missed window, no rest and no fuse, but a lease to say that the other has stopped.
    waived = ("missed", "nobody_called", "cooled", "fuse") if status["lease"] else ()
    against = [sentence for name, sentence in status["against"] if name not in waived]
    if against:
        return f"{status['host']} would not take over: {'; '.join(against)}"
    if status["lease"] and status["holder"] not in ("", status["host"]):
        return (
            f"{status['host']} would ask for the lease and not get it, as {status['holder']} has it; "
            f"`keeper failover switch --to {status['host']}` asks for it"
        )
    first = "take the lease, arm the guard, " if status["lease"] else ""
    return f"{status['host']} would {first}resume its node and verify it"


def switch(settings: Settings, to: str, within: float, *, acts: bool) -> int:
    store = store_of(settings)
    try:
        seen = store.look()
        if why := why_not_switch(seen, to):
            raise KeeperError(why)
        print(f"{seen.holder} waits for the gap between our windows, pauses, verifies, passes the lease to {to}")
        if not acts:
            print(DRY)
            return 0
        return 0 if hand_over(store, to, within, Steps()) else 1
    finally:
        store.close()


def why_not_switch(seen: Seen, to: str) -> str:
    """Empty when a switch can begin."""
    known = ", ".join(sorted(seen.hashes)) or "none"
    conditions = (
        (to not in seen.hashes, f"no keeper called {to} is there; known are {known}"),
        (seen.roles.get(to) == "F", f"{to} has role F: it only watches"),
        (seen.holder == to, f"{to} has the lease already"),
        (not seen.holder, f"nobody has the lease: run `keeper failover takeover` on {to}"),
        (bool(seen.paused), f"automation is paused: {seen.paused}"),
        (len(set(seen.hashes.values())) > 1, "the hosts differ in their configuration; see keeper failover status"),
    )
    return next((why for so, why in conditions if so), "")


def hand_over(store: LeaseStore, to: str, within: float, steps: Steps) -> bool:
    """Ask for the switch and watch it. It is withdrawn when it does not happen in time, or on Ctrl-C."""
    before = store.look()
    store.want(to)
    steps.say(f"a switch from {before.holder} to {to} is wanted; it waits for the gap")
    until, wait, holder = since_boot() + within, Event().wait, before.holder
    try:
        while since_boot() < until:
            wait(EVERY)
            try:
                seen = store.look()
            except Unreachable as error:
                steps.say(f"the store does not answer: {error}")
                continue
            if seen.holder != holder:
                holder = seen.holder
                steps.say(f"{holder} has the lease, epoch {seen.epoch}" if holder else "the lease is free")
            if seen.holder == to and not seen.wanted:
                steps.say(f"{to} produces")
                return True
            if not seen.wanted and seen.holder != to and seen.holder:
                steps.say(f"{to} declined, or somebody withdrew it: see keeper failover status on {to}")
                return False
    except KeyboardInterrupt:
        store.want("")
        raise
    store.want("")
    steps.say(f"not done within {within:.0f} s, and withdrawn")
    return False
