"""`keeper replay`: last night's log through the rules, in seconds."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from keeper.commands.parse import chunks_of
from keeper.config import load
from keeper.core.batch import Parsed
from keeper.core.format import Format
from keeper.core.lines import MAX_LINE, LineSplitter
from keeper.errors import KeeperError
from keeper.formats.nodeos import NodeosFormat
from keeper.formats.statistic_agent import StatisticAgentFormat
from keeper.replay import Moment, Replay
from keeper.runtime.apart import apart, processors
from keeper.runtime.clock import Clock, iso
from keeper.settings import AgentSettings, NodeSettings, Settings

AGENT_LINE = 16 << 20  # bytes: packets of 5 MB are seen
LONG = 4 << 20  # bytes of log, packed or not, worth a process of their own
# What a log tells are tuples, never in a cycle: to look for one after every 700 of them would cost 3 % of the time.
UNCOLLECTED = 20_000
MARKS = {"failing": "-", "ok": "+", "unknown": "?", "FIRING": "!", "RESOLVED": "=", "event": "*", "failover": ">"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, required=True, help="the configuration whose rules judge")
    parser.add_argument(
        "logs", nargs="+", type=Path, metavar="LOG", help="logs of one node or agent; plain, .gz or .xz"
    )
    parser.add_argument("--node", help="which [node:NAME] the logs are of (default: the first)")
    parser.add_argument("--agent", metavar="NAME", help="the logs are those of this [agent:NAME]")
    parser.add_argument("--role", choices=("A", "B", "C", "F"), help="judge as if the node had this role")
    parser.add_argument(
        "--failover", action="store_true", help="tell what handing over the role would have done, and why not before"
    )
    parser.add_argument("--alerts", action="store_true", help="print only alerts, no verdicts")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the summary last")
    parser.epilog = (
        "Several logs are put in order by their first dated line. Nothing is sent and nothing is stored.\n"
        "Only what the log tells is judged; rules that need the API stay silent. Of an agent's log it also says when\n"
        "keeper would begin to send again what was lost.\n\n"
        "example: keeper replay -c config.ini --role B /var/log/nodeos.log.1.gz /var/log/nodeos.log"
    )


def run(args: argparse.Namespace) -> int:
    gc.set_threshold(UNCOLLECTED)
    settings = load(args.config)
    agent = chosen_agent(settings, args)
    watched = agent or chosen(settings, args.node, args.role)
    replay = Replay(settings, watched, failover=args.failover or settings.failover is not None)
    clock = Clock()
    began = clock.now()
    counts: dict[str, int] = {}
    if agent is not None:
        for path in in_order(args.logs, StatisticAgentFormat):
            for data in complete(path, AGENT_LINE):
                show(replay.feed(data, path.stat().st_mtime), args, counts)
    else:
        logs = in_order(args.logs, NodeosFormat)
        # For a short log a second process would cost more than it saves.
        long = processors() > 1 and sum(map(size, logs)) >= LONG
        for parsed in apart(lambda: read(logs)) if long else read(logs):
            show(replay.take(parsed), args, counts)
    summary(replay, args, counts, clock.now() - began)
    return 0


def read(logs: list[Path]) -> Iterator[Parsed]:
    """What the logs tell, as one; the time a file was changed dates lines whose clock has no date."""
    form = NodeosFormat()
    seen = 0.0
    for path in logs:
        for data in complete(path):
            seen = path.stat().st_mtime
            yield form.parse(data, seen)
    yield Parsed(form.flush(seen), 0, 0, 0)


def size(path: Path) -> int:
    """0 for a file that cannot be seen: who reads it says why."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def chosen_agent(settings: Settings, args: argparse.Namespace) -> AgentSettings | None:
    """The agent the logs are of; None when they are a node's: that is so unless an agent is named, or all there is."""
    if args.agent is None and (settings.nodes or args.node or not settings.agents):
        return None
    found = next((agent for agent in settings.agents if args.agent in (None, agent.name)), None)
    if found is None:
        known = ", ".join(agent.name for agent in settings.agents) or "none"
        raise KeeperError(f"there is no [agent:{args.agent}]; known are {known}")
    return found


def chosen(settings: Settings, name: str | None, role: str | None) -> NodeSettings:
    """The node the logs are of, in the role it is to be judged in."""
    if not settings.nodes:
        raise KeeperError("the configuration has no [node] and no [agent:NAME] whose log could be judged")
    found = next((n for n in settings.nodes if name in (None, n.name)), None)
    if found is None:
        raise KeeperError(f"there is no [node:{name}]; known are {', '.join(n.name for n in settings.nodes)}")
    return found if role is None else _with_role(found, role)


def _with_role(node: NodeSettings, role: str) -> NodeSettings:
    return NodeSettings(**{**node.__dict__, "role": role})


def in_order(logs: list[Path], made: Callable[[], Format]) -> list[Path]:
    """The logs by the time of their first event; those without one by their modification time."""
    return logs if len(logs) == 1 else sorted(logs, key=lambda path: _first_at(path, made()))


def _first_at(path: Path, form: Format) -> float:
    probe = LineSplitter()
    for data in chunks_of(path):
        events = form.parse(probe.feed(data), path.stat().st_mtime).events
        if events:
            return events[0].at
    return path.stat().st_mtime


def complete(path: Path, max_line: int = MAX_LINE) -> Iterable[bytes]:
    """Chunks of complete lines; the file's last line counts even without its newline."""
    splitter = LineSplitter(max_line)
    for data in chunks_of(path):
        if lines := splitter.feed(data):
            yield lines
    if rest := splitter.flush():
        yield rest


def show(moments: Iterable[Moment], args: argparse.Namespace, counts: dict[str, int]) -> None:
    """Print them, all at once: standard output may be unbuffered."""
    lines: list[str] = []
    for moment in moments:
        counts[moment.kind] = counts.get(moment.kind, 0) + 1
        if args.alerts and not moment.kind.isupper() and moment.kind != "failover":
            continue
        if args.json:
            lines.append(json.dumps({**moment._asdict(), "at": iso(moment.at)}))
        else:
            mark = MARKS.get(moment.kind, " ")
            lines.append(f"{iso(moment.at)[:-5]}Z {mark} {moment.kind:<8} {moment.rule:<18} {moment.text}")
    if lines:
        print("\n".join(lines))


def summary(replay: Replay, args: argparse.Namespace, counts: dict[str, int], seconds: float) -> None:
    """Say how much was read, and loudly if little of it was understood."""
    share = replay.recognized / replay.lines if replay.lines else 0.0
    if args.json:
        span = [None if at is None else iso(at) for at in (replay.first_at, replay.last_at)]
        told = {"lines": replay.lines, "recognized": replay.recognized, "events": replay.events, "from": span[0]}
        print(json.dumps({"summary": {**told, "to": span[1], "seconds": round(seconds, 3), "moments": counts}}))
        return
    if replay.first_at is None or replay.last_at is None:
        print(
            f"{replay.lines:,} lines, none of them says anything to keeper; try `keeper parse nodeos`", file=sys.stderr
        )
        return
    span_text = f"{iso(replay.first_at)[:-5]}Z to {iso(replay.last_at)[:-5]}Z"
    fired = counts.get("FIRING", 0)
    print(
        f"{replay.lines:,} lines, {share:.1%} recognised, {replay.events:,} events, {span_text}; "
        f"{fired} alert{'' if fired == 1 else 's'} fired; {seconds:.1f} s",
        file=sys.stderr,
    )
