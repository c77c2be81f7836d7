"""Makes pipelines from settings: which subjects there are, what they remember, which rules judge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from keeper.alarms import Alarms, Silenced
from keeper.core.alert import Alert
from keeper.core.format import Format
from keeper.core.memory import Bounds, Expected, Memory, Subject
from keeper.delivery.arrears import Arrears, Terms
from keeper.delivery.delivery import Delivery
from keeper.delivery.parcel import Parcel
from keeper.delivery.plan import may_wait
from keeper.delivery.recovery import Recovery, RecoveryTerms
from keeper.formats.nodeos import NodeosFormat
from keeper.formats.patterns import PatternFormat
from keeper.formats.statistic_agent import StatisticAgentFormat
from keeper.pipeline import Pipeline
from keeper.rules.judge import Judge
from keeper.rules.rule import Rule
from keeper.settings import AgentSettings, NodeSettings, Settings

KEEPER = "keeper"  # the subject that is keeper itself
COLLECTORS = "collectors"  # the one that is all collector scripts together
RECEIVER = "receiver"  # the one that is the receiver of [receiver]


def subjects(settings: Settings) -> list[Subject]:
    """Everything that is watched, keeper itself last."""
    found = [node_subject(node) for node in settings.nodes]
    found += [Subject(log.name, "log", sources=frozenset({"log"})) for log in settings.logs]
    found += [
        Subject(
            endpoint.name,
            "endpoint",
            sources=frozenset({"endpoint"}),
            expected=Expected(endpoint.status, endpoint.changes_within, endpoint.least, endpoint.most),
        )
        for endpoint in settings.endpoints
    ]
    found += [agent_subject(agent) for agent in settings.agents if agent.log]
    if settings.collectors is not None:
        found.append(Subject(COLLECTORS, "collectors", sources=frozenset({COLLECTORS})))
    if settings.receiver is not None:
        found.append(Subject(RECEIVER, "receiver", sources=frozenset({"status"})))
    found.append(Subject(KEEPER, "keeper", role=settings.keeper.role))
    return found


def node_subject(node: NodeSettings) -> Subject:
    sources = {"log"} if node.log else set()
    if node.api:
        sources |= {"api", "details"}
    if node.reference_apis:
        sources.add("reference")
    return Subject(
        node.name,
        "node",
        role=node.role,
        producers=frozenset(node.producer),
        sources=frozenset(sources),
        references=len(node.reference_apis),
    )


def agent_subject(agent: AgentSettings) -> Subject:
    return Subject(agent.name, "agent", sources=frozenset({"log"}))


def forms(settings: Settings) -> dict[str, Format]:
    """The format of each subject's log, by its name."""
    made: dict[str, Format] = {node.name: NodeosFormat() for node in settings.nodes if node.log}
    made.update({log.name: PatternFormat(log.patterns) for log in settings.logs})
    made.update({agent.name: StatisticAgentFormat() for agent in settings.agents if agent.log})
    return made


def rules_for(subject: Subject, rules: Mapping[str, Rule]) -> list[Rule]:
    """The rules that judge this subject, in the order of their table."""
    return [
        rule
        for rule in rules.values()
        if rule.enabled and subject.kind in rule.kinds and (not rule.subjects or subject.name in rule.subjects)
    ]


def pipeline(
    subject: Subject,
    settings: Settings,
    form: Format | None,
    alerts: Mapping[tuple[str, str], Alert],
    silenced: Silenced,
    now: float,
    kept: Pipeline | None = None,
    delivery: Delivery | None = None,
) -> Pipeline:
    """One subject's pipeline. `alerts` are those known so far, by (rule, subject); `kept` is the pipeline of the same
    subject before a reload, whose memory and verdicts go on; `delivery` is an agent's."""
    grace = next((n.window_grace for n in settings.nodes if n.name == subject.name), 1.0)
    rules = rules_for(subject, settings.rules)
    left = {rule.name: alerts.get((rule.name, subject.name)) for rule in rules}
    own = {name: alert or Alert(name, subject.name) for name, alert in left.items()}
    if kept is not None:
        kept.memory.subject = subject
        kept.memory.chain.grace = grace
        judge = Judge(kept.memory, rules, now, kept.judge)
        return Pipeline(kept.memory, judge, Alarms(rules, own, silenced, kept.alarms), form, kept, delivery)
    bounds = Bounds(settings.keeper.ring_events, settings.keeper.ring_bytes)
    memory = Memory(subject, bounds, grace, now)
    alarms = Alarms(rules, own, silenced)
    alarms.woken(now)
    return Pipeline(memory, Judge(memory, rules, now), alarms, form, delivery=delivery)


def delivery_of(agent: AgentSettings, kept: Delivery | None, parcels: Callable[[str], Sequence[Parcel]]) -> Delivery:
    """An agent's delivery: the one there was, on the new terms, or one that begins with what is stored."""
    terms = Terms(
        skip=frozenset(agent.skip),
        repeat=may_wait(agent),
        answer_within=agent.answer_within,
        packets=agent.keep_packets,
        size=agent.keep_bytes,
        tries=agent.attempts,
    )
    recovery = RecoveryTerms(
        automatic=agent.automatic,
        packets=agent.recovered_packets,
        seconds=agent.recovered_for,
        budget=agent.budget,
        slow=agent.slow,
        rest=agent.rest,
    )
    if kept is None:
        return Delivery(Arrears(agent.name, terms, parcels(agent.name)), Recovery(recovery))
    kept.arrears.replan(terms)
    kept.recovery.terms = recovery
    return kept
