"""Every metric keeper exports, in one place. All series that can be known at start exist from the start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

LATENCY_BUCKETS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
ANSWER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)
PUSH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Declares the metrics in a registry of its own. Labels come from the configuration and from closed sets only."""

    def __init__(self, registry: CollectorRegistry) -> None:  # noqa: PLR0915  # a declaration a metric, nothing else
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a fourth of the page, and nobody asks for it
        r = registry
        self.registry = r
        ProcessCollector(registry=r)
        self.build = Info("keeper_build", "Version of keeper.", registry=r)
        self.role = Gauge("keeper_role", "1 for the configured role of the node.", ["node", "role"], registry=r)
        self.started = Gauge("keeper_start_timestamp_seconds", "When this keeper started.", registry=r)
        # -- sources
        source = ["subject", "source"]
        self.source_up = Gauge("keeper_source_up", "1 while the source sees its subject.", source, registry=r)
        self.source_last_event = Gauge(
            "keeper_source_last_event_timestamp_seconds", "Arrival of the last line or answer.", source, registry=r
        )
        self.source_lines = Counter("keeper_source_lines", "Lines read.", source, registry=r)
        self.source_bytes = Counter("keeper_source_bytes", "Bytes of lines read.", source, registry=r)
        self.source_unrecognized = Counter(
            "keeper_source_unrecognized_lines", "Lines the format did not understand.", source, registry=r
        )
        self.source_cut = Counter("keeper_source_cut_lines", "Lines over the limit, cut.", source, registry=r)
        self.source_lost = Counter("keeper_source_lost_bytes", "Bytes gone before they were read.", source, registry=r)
        self.source_losses = Counter("keeper_source_losses", "Times something was lost.", source, registry=r)
        self.source_failures = Counter(
            "keeper_source_failures", "Questions without a valid answer.", ["subject", "source"], registry=r
        )
        self.events = Counter("keeper_events", "Events by kind.", ["subject", "kind"], registry=r)
        self.ring_forgotten = Counter(
            "keeper_ring_forgotten_events", "Events that fell out of a full ring.", ["subject"], registry=r
        )
        self.ring_bytes = Gauge("keeper_ring_bytes", "About how much the rings hold.", ["subject"], registry=r)
        # -- the node
        self.head = Gauge("keeper_node_head_block", "Newest block known to the node.", ["node"], registry=r)
        self.head_time = Gauge(
            "keeper_node_head_block_timestamp_seconds", "Time of the newest block.", ["node"], registry=r
        )
        self.lib = Gauge("keeper_node_lib_block", "Last irreversible block.", ["node"], registry=r)
        self.peers = Gauge("keeper_node_peers", "Open peer connections.", ["node"], registry=r)
        self.paused = Gauge("keeper_node_paused", "1 while the API says paused, 0 while not.", ["node"], registry=r)
        self.block_latency = Histogram(
            "keeper_block_latency_seconds",
            "Age of received blocks on arrival.",
            ["node"],
            buckets=LATENCY_BUCKETS,
            registry=r,
        )
        self.produced = Counter("keeper_blocks_produced", "Blocks this node signed.", ["node"], registry=r)
        self.received = Counter("keeper_blocks_received", "Blocks this node received.", ["node"], registry=r)
        self.missed = Counter(
            "keeper_missed_blocks", "Empty slots by the producer scheduled for them.", ["node", "producer"], registry=r
        )
        self.windows = Counter(
            "keeper_producer_windows", "Windows judged, by their producer.", ["node", "producer"], registry=r
        )
        self.own_last = Gauge(
            "keeper_own_last_block_timestamp_seconds", "Time of our producer's newest block.", ["node"], registry=r
        )
        self.api_seconds = Histogram(
            "keeper_api_answer_seconds", "How long get_info took.", ["node"], buckets=PUSH_BUCKETS, registry=r
        )
        # -- handing the role over
        node = ["node"]
        self.failover_state = Gauge(
            "keeper_failover_state", "1 for the state this host is in.", ["node", "state"], registry=r
        )
        self.failover_wanted = Gauge("keeper_failover_wanted", "1 if this host shall produce.", node, registry=r)
        self.failover_observed = Gauge(
            "keeper_failover_unpaused",
            "1 if the node is seen un-paused, 0 paused, NaN not known.",
            ["node", "cluster"],
            registry=r,
        )
        self.lease_configured = Gauge(
            "keeper_failover_lease", "1 with a lease: at most one produces. 0: best effort.", node, registry=r
        )
        self.lease_held = Gauge("keeper_lease_held", "1 while this host holds the lease.", node, registry=r)
        self.lease_expiry = Gauge(
            "keeper_lease_expiry_timestamp_seconds", "When the lease ends if not renewed; 0 without.", node, registry=r
        )
        self.lease_epoch = Gauge("keeper_lease_epoch", "Epoch of the last lease this host had.", node, registry=r)
        self.automation_paused = Gauge(
            "keeper_automation_paused", "1 while automation is paused, NaN if not known.", node, registry=r
        )
        self.takeovers = Counter(
            "keeper_takeovers", "Changes of the role on this host, by what came of it.", ["node", "result"], registry=r
        )
        self.takeovers_counted = Gauge(
            "keeper_failover_takeovers_counted", "Takeovers that count for the fuse now.", node, registry=r
        )
        self.fuse_blown = Gauge("keeper_failover_fuse_blown", "1 if a person must look first.", node, registry=r)
        self.failover_refused = Counter(
            "keeper_failover_refused", "Things to do that found too much waiting before them.", node, registry=r
        )
        self.failover_troubles = Gauge("keeper_failover_troubles", "What a person must look at.", node, registry=r)
        self.why_not = Gauge(
            "keeper_failover_why_not", "1 for each condition that speaks against a takeover.",
            ["node", "condition"], registry=r,
        )  # fmt: skip
        self.last_drill = Gauge(
            "keeper_last_drill_timestamp_seconds", "When the last drill ended.", ["node", "result"], registry=r
        )
        # -- collector scripts
        collector = ["collector"]
        self.collector_failing = Gauge(
            "keeper_collector_failing", "1 while the script does not work.", collector, registry=r
        )
        self.collector_runs = Counter("keeper_collector_runs", "Times the script was started.", collector, registry=r)
        self.collector_killed = Counter(
            "keeper_collector_killed", "Times it did not end when it was told to.", collector, registry=r
        )
        self.collector_lines = Counter("keeper_collector_lines", "Lines it printed.", collector, registry=r)
        self.collector_points = Counter("keeper_collector_points", "Points taken of them.", collector, registry=r)
        self.collector_rejected = Counter(
            "keeper_collector_rejected_lines",
            "Lines that were no point, by reason.",
            ["collector", "reason"],
            registry=r,
        )
        self.collector_dropped = Counter(
            "keeper_collector_dropped_points", "Points keeper did not take in time.", collector, registry=r
        )
        self.collector_series = Gauge("keeper_collector_series", "Series it has now.", collector, registry=r)
        self.collector_last_point = Gauge(
            "keeper_collector_last_point_timestamp_seconds", "When its last point came.", collector, registry=r
        )
        self.collector_runner_losses = Counter(
            "keeper_collector_runner_losses", "Times the process that runs the scripts was lost.", registry=r
        )
        self.collector_left_out = Counter(
            "keeper_collector_left_out_points", "Points not shown, as too many series are already.", registry=r
        )
        # -- points on their way to OpenTSDB
        self.tsdb_up = Gauge("keeper_opentsdb_up", "1 while one of the hosts takes points.", registry=r)
        self.tsdb_up.set(float("nan"))  # until one is configured
        self.tsdb_sent = Counter("keeper_opentsdb_sent_points", "Points that were taken.", registry=r)
        self.tsdb_refused = Counter("keeper_opentsdb_refused_points", "Points that never will be.", registry=r)
        self.tsdb_repeated = Counter(
            "keeper_opentsdb_repeated_points", "Points sent again though they may have arrived.", registry=r
        )
        self.tsdb_dropped = Counter("keeper_opentsdb_dropped_points", "Points that fell out of the spool.", registry=r)
        self.tsdb_failures = Counter("keeper_opentsdb_failures", "Tries that failed.", registry=r)
        self.tsdb_waiting = Gauge("keeper_opentsdb_waiting_points", "Points in the spool.", registry=r)
        self.tsdb_bytes = Gauge("keeper_opentsdb_spool_bytes", "What the spool holds on the disk.", registry=r)
        self.tsdb_oldest = Gauge(
            "keeper_opentsdb_oldest_point_timestamp_seconds", "When the oldest of them came; 0 without any.", registry=r
        )
        self.tsdb_held = Gauge(
            "keeper_opentsdb_held_points", "Points left out as they repeat the one before.", registry=r
        )
        # -- statistics agents
        agent = ["agent"]
        self.packets_sent = Counter("keeper_packets_sent", "Packets the agent sent.", agent, registry=r)
        self.packets_delivered = Counter(
            "keeper_packets_delivered", "Packets of the agent that the server accepted at once.", agent, registry=r
        )
        self.packets_failed = Counter(
            "keeper_packets_failed",
            "Packets that were not accepted at once, by what the agent heard.",
            ["agent", "outcome"],
            registry=r,
        )
        self.packet_seconds = Histogram(
            "keeper_packet_answer_seconds", "How long accepted answers took.", agent, buckets=ANSWER_BUCKETS, registry=r
        )
        self.packets_unpairable = Counter(
            "keeper_packets_unpairable", "Sends without an id, and answers to no known send.", agent, registry=r
        )
        self.packets_skipped = Counter(
            "keeper_packets_skipped", "Packets of types that are not sent again.", agent, registry=r
        )
        self.packets_forgotten = Counter(
            "keeper_packets_forgotten", "Undelivered packets that fell out; collect finds them.", agent, registry=r
        )
        self.undelivered = Gauge(
            "keeper_packets_undelivered", "Packets that have not arrived.", ["agent", "stand"], registry=r
        )
        self.oldest_undelivered = Gauge(
            "keeper_oldest_undelivered_timestamp_seconds",
            "When the oldest due or held packet was sent; 0 without one.",
            agent,
            registry=r,
        )
        self.resend_active = Gauge("keeper_resend_active", "1 while packets are being sent again.", agent, registry=r)
        self.resend_packets = Counter(
            "keeper_resend_packets", "Packets sent again, by what came of it.", ["agent", "result"], registry=r
        )
        self.resend_events = Counter(
            "keeper_resend_delivered_events", "Events in packets sent again and accepted.", agent, registry=r
        )
        # -- verdicts and alerts
        self.rule_state = Gauge(
            "keeper_rule_state", "1 for the state the rule is in.", ["subject", "rule", "state"], registry=r
        )
        self.rule_since = Gauge(
            "keeper_rule_state_since_timestamp_seconds", "Since when.", ["subject", "rule"], registry=r
        )
        self.alerts_firing = Gauge("keeper_alerts_firing", "Alerts firing now.", ["severity"], registry=r)
        self.alert_firings = Counter("keeper_alert_firings", "Times an alert fired.", ["subject", "rule"], registry=r)
        self.alerts_held = Gauge("keeper_alerts_held", "Failing, but explained by another or silenced.", registry=r)
        target = ["target"]
        self.pushes = Counter("keeper_alert_pushes", "Deliveries that were accepted.", target, registry=r)
        self.push_failures = Counter("keeper_alert_push_failures", "Deliveries that failed.", target, registry=r)
        self.push_refused = Counter("keeper_alert_refused", "Notices a receiver will never take.", target, registry=r)
        self.push_dropped = Counter("keeper_alert_dropped", "Notices dropped from a full outbox.", target, registry=r)
        self.push_queue = Gauge("keeper_alert_queue_length", "Notices waiting for delivery.", target, registry=r)
        self.push_last = Gauge(
            "keeper_alert_last_push_timestamp_seconds", "Last accepted delivery.", target, registry=r
        )
        self.silences = Gauge("keeper_silences_active", "Silences in force.", registry=r)
        # -- keeper itself
        self.loop_last = Gauge("keeper_loop_last_run_timestamp_seconds", "Last turn of the loop.", registry=r)
        self.loop_late = Counter("keeper_loop_late_seconds", "Seconds the loop was late in all.", registry=r)
        self.clock_jumps = Counter("keeper_clock_jumps", "Times the wall clock jumped.", registry=r)
        self.inbox_length = Gauge("keeper_inbox_length", "Items waiting for the loop.", registry=r)
        self.inbox_dropped = Counter(
            "keeper_inbox_dropped_answers", "Answers dropped because the loop was behind.", ["subject"], registry=r
        )
        self.state_writable = Gauge("keeper_state_writable", "1 while the state database can be written.", registry=r)
        self.state_dropped = Counter(
            "keeper_state_dropped_entries", "Journal entries lost because the disk was full.", registry=r
        )
        self.reload_ok = Gauge("keeper_config_last_reload_successful", "1 if the last reload was taken.", registry=r)
        self.reload_at = Gauge(
            "keeper_config_last_reload_success_timestamp_seconds", "When the configuration was taken.", registry=r
        )
