//! `/metrics`: what a monitoring system should see, of this node as it sees the cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sluice_engine::memory::Memory;
use sluice_engine::reply::Stats;
use sluice_engine::zone::settings::ZoneName;
use sluice_net::cluster::{Cluster, Group, Status};
use sluice_net::limit::SURVEY_ZONES_MAX;
use sluice_net::observer::Observer;
use tokio::sync::oneshot;

use super::Shared;
use super::host::Listening;
use super::namespaces;
use super::page::Page;
use crate::limit;

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    let mut page = Page::default();
    cluster(&*shared.cluster, &mut page);
    if let Some(server) = shared.server.get() {
        serving(server, &mut page);
        zones(&survey(server).await, &mut page);
        namespaces::show(server, &mut page).await;
    }
    if let Some(listening) = Listening::read(Path::new("/proc/net/netstat")) {
        host(listening, &mut page);
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4"), (header::CACHE_CONTROL, "no-store")];
    (kind, page.finish()).into_response()
}

/// Figures are counts far below 2^53, which a float holds exactly.
fn float(figure: u64) -> f64 {
    figure as f64
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn cluster(cluster: &dyn Cluster, page: &mut Page) {
    let status = cluster.status();
    let version = env!("CARGO_PKG_VERSION");
    page.gauge("build_info", "Always 1; the version is a label.").of(&[("version", version)], 1.0);
    page.gauge("recovered", "Whether what was committed is applied again.").is(truth(cluster.is_ready()));
    page.gauge("can_write", "Whether every group has a leader in reach.").is(truth(cluster.can_write()));
    let mut reachable = page.gauge("node_reachable", "Whether a node of the cluster was heard of lately.");
    for node in &status.nodes {
        // What this node cannot know is left out.
        if let Some(known) = node.reachable {
            reachable.of(&[("node", &node.id.to_string()), ("part", node.part.word())], truth(known));
        }
    }
    let mut full = page.gauge("node_disk_full", "Whether a node's disk has no room for its log.");
    for node in &status.nodes {
        full.of(&[("node", &node.id.to_string())], truth(node.disk_full));
    }
    let mut behind = page.gauge("node_behind", "Whether a node has less than it acknowledged.");
    for node in &status.nodes {
        behind.of(&[("node", &node.id.to_string())], truth(node.behind));
    }
    type Figure = fn(&Group) -> f64;
    let figures: [(&str, &str, Figure); 7] = [
        ("group_has_leader", "Whether a leader is known.", |group| truth(group.leader.is_some())),
        ("group_term", "The term.", |group| float(group.term)),
        ("group_last_log_index", "The last entry logged here.", |group| float(group.last_log)),
        ("group_committed_index", "The last entry known to be committed.", |group| float(group.committed)),
        ("group_applied_index", "The last entry applied here.", |group| float(group.applied)),
        ("group_snapshot_index", "The last entry in a snapshot here.", |group| {
            float(group.snapshot.unwrap_or(0))
        }),
        ("group_log_bytes", "Bytes logged since that snapshot.", |group| float(group.log_bytes)),
    ];
    for (name, help, figure) in figures {
        let mut family = page.gauge(name, help);
        for group in &status.groups {
            family.of(&[("group", &group.id.to_string())], figure(group));
        }
    }
    leadership(&status, page);
    page.counter("log_syncs_total", "Times that the log was made durable.").is(float(status.log.syncs));
    page.gauge("log_full", "Whether the disk has no room for the log.").is(truth(status.log.is_full));
    clocks(&status, page);
    let help = "Messages of peers that no member can have sent, or that cannot be true.";
    page.counter("peer_messages_refused_total", help).is(float(status.refused_messages));
    let help = "Bytes of records written to the log.";
    page.counter("log_written_bytes_total", help).is(float(status.log.written_bytes));
}

fn clocks(status: &Status, page: &mut Page) {
    let help =
        "Seconds by which this leader's wall clock is ahead of others', where it does not agree with most.";
    page.gauge("clock_ahead_seconds", help).is(status.clocks.ahead_ms as f64 / 1e3);
    let help = "Nodes whose wall clocks stand elsewhere than most, as this leader finds.";
    page.gauge("clocks_off", help).is(float(status.clocks.off.len() as u64));
}

fn leadership(status: &Status, page: &mut Page) {
    let mut leads = page.gauge("group_is_leader", "Whether this node leads the group.");
    for group in &status.groups {
        leads.of(&[("group", &group.id.to_string())], truth(group.leader == Some(status.node)));
    }
    let mut lag = page.gauge("group_lag_entries", "Entries that a node lacks, as this leader knows.");
    for group in &status.groups {
        for progress in &group.progress {
            let (number, node) = (group.id.to_string(), progress.node.to_string());
            let behind = group.lag(progress.node).unwrap_or(group.last_log);
            lag.of(&[("group", &number), ("node", &node)], float(behind));
        }
    }
}

fn serving(server: &Observer, page: &mut Page) {
    let (facts, totals) = (server.facts(), server.totals());
    page.gauge("ready", "Whether traffic should be sent here.").is(truth(server.is_ready()));
    page.gauge("uptime_seconds", "Seconds since the start.").is(float(facts.uptime_ms) / 1e3);
    let help = "Seconds by which the system's clock is ahead of the time that this node goes by: it was set.";
    page.gauge("clock_step_seconds", help).is(server.clock_step_ms() as f64 / 1e3);
    page.gauge("connections", "Connections now.").is(float(facts.connections));
    page.gauge("connections_max", "Connections allowed at once.").is(float(facts.connections_max));
    page.gauge("subscriptions", "Channels and patterns listened to.").is(float(facts.subscriptions));
    page.gauge("memory_used_bytes", "Bytes counted under the bound.").is(float(facts.memory_used_bytes));
    page.gauge("memory_max_bytes", "The bound.").is(float(facts.memory_max_bytes));
    memory(&server.memory(), page);
    page.counter(
        "peer_messages_unfit_total",
        "Messages of other nodes left out: they said what they may not say.",
    )
    .is(float(server.unfit()));
    page.gauge("memory_resident_bytes", "Resident bytes.").is(float(facts.memory_resident_bytes));
    let counters = [
        ("connections_accepted_total", "Connections accepted.", totals.accepted),
        ("connections_refused_total", "Connections refused, for want of room.", totals.refused),
        ("polls_total", "Polls.", totals.polls),
        ("joins_total", "Joins asked for.", totals.joins),
        ("error_replies_total", "Error replies.", totals.errors),
        ("published_total", "Messages published here.", totals.published),
        ("delivered_total", "Messages handed to subscribers, once for each.", totals.delivered),
        ("messages_dropped_total", "Messages lost: too many on their way.", facts.messages_dropped),
        ("subscribers_closed_total", "Subscribers closed: they did not read.", facts.subscribers_closed),
        ("received_bytes_total", "Bytes received.", totals.bytes_in),
        ("sent_bytes_total", "Bytes sent.", totals.bytes_out),
        ("worker_long_turns_total", "Turns of a worker with over 5 ms of CPU time.", totals.long_turns),
    ];
    for (name, help, value) in counters {
        page.counter(name, help).is(float(value));
    }
    let help = "CPU time of the longest turn of a worker since the start.";
    page.gauge("worker_turn_cpu_seconds_max", help).is(float(server.longest_turn_us()) / 1e6);
    let mut requests = page.counter("requests_total", "Requests answered.");
    requests.of(&[("protocol", "resp")], float(totals.resp_requests));
    requests.of(&[("protocol", "http")], float(totals.http_requests));
    let mut cpu = page.counter("cpu_seconds_total", "CPU time of the process.");
    cpu.of(&[("mode", "user")], float(facts.cpu_user_us) / 1e6);
    cpu.of(&[("mode", "system")], float(facts.cpu_system_us) / 1e6);
}

/// By use: what it takes, what it may take, and who was refused.
fn memory(memory: &Memory, page: &mut Page) {
    let (used, shares) = (memory.used, memory.shares);
    let mut family = page.gauge("memory_share_used_bytes", "Bytes counted, by what takes them.");
    family.of(&[("share", "zones")], float(used.zones));
    family.of(&[("share", "streams")], float(used.streams));
    let mut family = page.gauge("memory_share_max_bytes", "What they may take together.");
    family.of(&[("share", "zones")], float(shares.zones));
    family.of(&[("share", "streams")], float(shares.streams));
    let mut family = page.counter(
        "memory_refusals_total",
        "Requests refused with FULL or OOM, by the bound that was reached.",
    );
    memory.refused.iter().for_each(|(bound, count)| family.of(&[("bound", bound.word())], float(*count)));
}

fn host(listening: Listening, page: &mut Page) {
    let help = "Times that an accept queue of this host was full.";
    page.counter("host_listen_overflows_total", help).is(float(listening.overflows));
    let help = "Connections that this host dropped before anybody accepted them.";
    page.counter("host_listen_drops_total", help).is(float(listening.drops));
}

/// Statistics of every zone, asked for in parts so that no worker stalls. What does not come in time is left out.
async fn survey(server: &Observer) -> Vec<(ZoneName, Stats)> {
    let mut told = Vec::new();
    for (group, zones) in server.zones() {
        for part in zones.chunks(SURVEY_ZONES_MAX) {
            if told.len() >= limit::METRICS_ZONES_MAX {
                return told;
            }
            let (sender, taken) = oneshot::channel();
            server.survey(group, part.to_vec(), Box::new(move |stats| drop(sender.send(stats))));
            let within = Duration::from_millis(limit::SURVEY_MS_MAX);
            if let Ok(Ok(stats)) = tokio::time::timeout(within, taken).await {
                told.extend(stats);
            }
        }
    }
    told
}

fn zones(zones: &[(ZoneName, Stats)], page: &mut Page) {
    type Figure = fn(&Stats) -> f64;
    let gauges: [(&str, &str, Figure); 5] = [
        ("zone_waiting", "Live waiters.", |stats| float(stats.waiting)),
        ("zone_present", "Waiters who polled lately.", |stats| float(stats.present)),
        ("zone_limit", "Admissions allowed a window.", |stats| float(stats.limit)),
        ("zone_admitted_window", "Admissions in the window now.", |stats| float(stats.admitted_60s)),
        ("zone_eta_seconds", "Estimated wait of a joiner; -1: unknown.", |stats| {
            if stats.eta_ms < 0 { -1.0 } else { stats.eta_ms as f64 / 1e3 }
        }),
    ];
    let counters: [(&str, &str, Figure); 4] = [
        ("zone_joined_total", "Joins accepted.", |stats| float(stats.joined_total)),
        ("zone_admitted_total", "Admissions.", |stats| float(stats.admitted_total)),
        ("zone_abandoned_total", "Waiters dropped for silence.", |stats| float(stats.abandoned_total)),
        ("zone_left_total", "Waiters who left.", |stats| float(stats.left_total)),
    ];
    for (name, help, figure) in gauges {
        let mut family = page.gauge(name, help);
        zones.iter().for_each(|(zone, stats)| family.of(&[("zone", zone.as_str())], figure(stats)));
    }
    for (name, help, figure) in counters {
        let mut family = page.counter(name, help);
        zones.iter().for_each(|(zone, stats)| family.of(&[("zone", zone.as_str())], figure(stats)));
    }
}
