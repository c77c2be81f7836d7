"""The rules. A new one is one file and one line here."""

from keeper.rules.agent_silent import AgentSilent
from keeper.rules.answer_slow import AnswerSlow
from keeper.rules.blocks_silent import BlocksSilent
from keeper.rules.clock_jump import ClockJump
from keeper.rules.collector_failing import CollectorFailing
from keeper.rules.delivery_backlog import DeliveryBacklog
from keeper.rules.delivery_failing import DeliveryFailing
from keeper.rules.delivery_outage import DeliveryOutage
from keeper.rules.double_production import DoubleProduction
from keeper.rules.drill_overdue import DrillOverdue
from keeper.rules.endpoint_failing import EndpointFailing
from keeper.rules.exception_logged import ExceptionLogged
from keeper.rules.failover_trouble import FailoverTrouble
from keeper.rules.few_producers import FewProducers
from keeper.rules.fork import Fork
from keeper.rules.head_lag import HeadLag
from keeper.rules.head_stalled import HeadStalled
from keeper.rules.http_down import HttpDown
from keeper.rules.lib_stalled import LibStalled
from keeper.rules.log_silent import LogSilent
from keeper.rules.missed_blocks import MissedBlocks
from keeper.rules.node_restarted import NodeRestarted
from keeper.rules.not_producing import NotProducing
from keeper.rules.opentsdb_behind import OpentsdbBehind
from keeper.rules.own_missed import OwnMissed
from keeper.rules.own_silent import OwnSilent
from keeper.rules.packets_set_aside import PacketsSetAside
from keeper.rules.parser_blind import ParserBlind
from keeper.rules.pattern_seen import PatternSeen
from keeper.rules.peers_low import PeersLow
from keeper.rules.queue_behind import QueueBehind
from keeper.rules.queue_spoiled import QueueSpoiled
from keeper.rules.receiver_down import ReceiverDown
from keeper.rules.receiver_refusing import ReceiverRefusing
from keeper.rules.resources import Resources
from keeper.rules.role_changed import RoleChanged
from keeper.rules.rule import Rule
from keeper.rules.self_late import SelfLate
from keeper.rules.sender_silent import SenderSilent
from keeper.rules.source_down import SourceDown
from keeper.rules.state_unwritable import StateUnwritable
from keeper.rules.store_failing import StoreFailing
from keeper.rules.takeover_due import TakeoverDue
from keeper.rules.worker_failing import WorkerFailing
from keeper.rules.wrong_producer import WrongProducer

RULES: dict[str, type[Rule]] = {
    "source_down": SourceDown,
    "http_down": HttpDown,
    "head_stalled": HeadStalled,
    "lib_stalled": LibStalled,
    "head_lag": HeadLag,
    "few_producers": FewProducers,
    "log_silent": LogSilent,
    "blocks_silent": BlocksSilent,
    "parser_blind": ParserBlind,
    "missed_blocks": MissedBlocks,
    "own_missed": OwnMissed,
    "own_silent": OwnSilent,
    "takeover_due": TakeoverDue,
    "failover_trouble": FailoverTrouble,
    "role_changed": RoleChanged,
    "drill_overdue": DrillOverdue,
    "not_producing": NotProducing,
    "wrong_producer": WrongProducer,
    "double_production": DoubleProduction,
    "fork": Fork,
    "peers_low": PeersLow,
    "resources": Resources,
    "endpoint_failing": EndpointFailing,
    "pattern_seen": PatternSeen,
    "delivery_outage": DeliveryOutage,
    "delivery_failing": DeliveryFailing,
    "delivery_backlog": DeliveryBacklog,
    "answer_slow": AnswerSlow,
    "agent_silent": AgentSilent,
    "collector_failing": CollectorFailing,
    "opentsdb_behind": OpentsdbBehind,
    "receiver_down": ReceiverDown,
    "receiver_refusing": ReceiverRefusing,
    "store_failing": StoreFailing,
    "worker_failing": WorkerFailing,
    "sender_silent": SenderSilent,
    "queue_behind": QueueBehind,
    "packets_set_aside": PacketsSetAside,
    "queue_spoiled": QueueSpoiled,
    "exception_logged": ExceptionLogged,
    "node_restarted": NodeRestarted,
    "self_late": SelfLate,
    "clock_jump": ClockJump,
    "state_unwritable": StateUnwritable,
}
