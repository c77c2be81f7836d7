"""Drills: a rehearsal that changes nothing, and the real thing, there and back, in the gap between two windows."""

from __future__ import annotations

from pathlib import Path

from keeper.actions.bounded import run as run_bounded
from keeper.actions.kill import read_kill
from keeper.actions.producer_api import Done, ProducerApi
from keeper.actions.trust import why_not_trusted
from keeper.commands.failover_order import hand_over, status_of, why_not_switch
from keeper.commands.failover_peers import Steps, api_at, store_of
from keeper.errors import KeeperError
from keeper.failover.plan import HOOKS, api_of, node_of, terms_of
from keeper.runtime.book import Drill, add_drill
from keeper.runtime.clock import Clock, since_boot
from keeper.settings import FailoverSettings, Settings

WAIVED = ("missed", "cooled", "paused")  # what a rehearsal on a quiet day cannot have
LIVES = ("is there", "is active", "is running", "is activating")  # how the ways to kill say that they see it
SWITCH_WITHIN = 300.0  # seconds for each way


def rehearse(settings: Settings) -> int:
    """Walk every step of a takeover that changes nothing, with its time; record it."""
    failover, node = settings.failover, node_of(settings)
    if failover is None or node is None:
        raise KeeperError("there is no node to hand over")
    steps = Steps()
    with steps.step("keeper itself") as say:
        status = status_of(settings)
        against = [sentence for name, sentence in status["against"] if name not in WAIVED]
        say(f"{status['state']}; {'; '.join(against) or 'nothing but our own blocks speaks against a takeover'}")
        if status["troubles"]:
            raise KeeperError(status["troubles"][0])
    if failover.lease:
        with steps.step("lease store") as say:
            seen = store_of(settings).look()
            say(f"{seen.holder or 'nobody'} has the lease; {', '.join(sorted(seen.hashes)) or 'nobody'} is there")
    with steps.step("producer API") as say:
        say(_try_api(api_at(settings)))
    if failover.kill:
        with steps.step("kill command") as say:
            say(_try_kill(failover))
    for name in (*HOOKS, "takeover", "step_down"):
        if path := getattr(failover, name):
            with steps.step(f"script {name}") as say:
                say(_try_script(settings, name, Path(path)))
    record(settings, "rehearsal", steps)
    return 0 if steps.well else 1


def _try_api(api: ProducerApi) -> str:
    """A node that is paused is paused once more, as the fence does; one that produces is only asked."""
    paused = api.paused(1.0)
    if not isinstance(paused, bool):
        raise KeeperError(paused.why)
    if not paused:
        return "the node produces, and is not touched"
    said = api.pause(1.0)
    if not isinstance(said, Done):
        raise KeeperError(said.why)
    return "paused once more and read back"


def _try_kill(failover: FailoverSettings) -> str:
    """It must find the process it would end."""
    if failover.kill.startswith("script:"):
        if why := why_not_trusted(Path(failover.kill.partition(":")[2])):
            raise KeeperError(why)
        return "the script may be run; it was not"
    why = read_kill(failover.kill, since_boot, failover.docker).gone(since_boot() + 1.0)
    if not why:
        raise KeeperError(f"{failover.kill} finds no process to end, though the node runs")
    if not why.endswith(LIVES):
        raise KeeperError(why)
    return why


def _try_script(settings: Settings, name: str, path: Path) -> str:
    """Only pre_takeover is run, and told that it is a drill: it has to say what it would say."""
    if why := why_not_trusted(path):
        raise KeeperError(why)
    if name != "pre_takeover":
        return "may be run; it was not"
    terms = terms_of(settings)
    environment = {
        "KEEPER_ACTION": name, "KEEPER_DRILL": "1", "KEEPER_HOST": terms.host, "KEEPER_ROLE": terms.role,
        "KEEPER_EPOCH": "0", "KEEPER_REASON": "drill", **_of_node(settings),
    }  # fmt: skip
    try:
        code, said = run_bounded([str(path)], environment, since_boot() + terms.hook_within, since_boot)
    except OSError as error:
        raise KeeperError(f"it cannot be started: {error.strerror}") from error
    if code is None:
        raise KeeperError(f"it did not end within {terms.hook_within:g} s: a takeover would be vetoed")
    return "it agrees" if code == 0 else f"it would veto with {code}: {said[:100]}"


def _of_node(settings: Settings) -> dict[str, str]:
    failover, node = settings.failover, node_of(settings)
    if failover is None or node is None:
        return {}
    return {"KEEPER_PRODUCER": ",".join(node.producer), "KEEPER_API": api_of(failover, node)}


def there_and_back(settings: Settings, to: str | None) -> int:
    """Hand the role to a standby and back, each in the gap between two windows; record it."""
    store, steps = store_of(settings), Steps()
    try:
        seen = store.look()
        own = settings.keeper.name
        standbys = sorted(host for host, role in seen.roles.items() if role in "ABC" and host != seen.holder)
        target = to or (own if own in standbys else next(iter(standbys), ""))
        if not target:
            raise KeeperError("there is no standby to hand over to; see keeper failover status")
        if why := why_not_switch(seen, target):
            raise KeeperError(why)
        first = seen.holder
        steps.well = hand_over(store, target, SWITCH_WITHIN, steps) and hand_over(store, first, SWITCH_WITHIN, steps)
        steps.say("the drill was good" if steps.well else "the drill was BAD: see who produces now")
    finally:
        store.close()
    record(settings, "switch", steps)
    return 0 if steps.well else 1


def record(settings: Settings, kind: str, steps: Steps) -> None:
    drill = Drill(Clock().wall(), kind, steps.well, steps.took, "; ".join(steps.lines))
    add_drill(Path(settings.keeper.state_dir), drill)
