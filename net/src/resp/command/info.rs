//! `INFO [section …]`: figures for people and tools, in Redis's form.

use super::cluster::endpoint;
use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec};
use crate::cluster::Part;
use crate::resp::server::{Facts, REDIS_VERSION, ServerInfo};
use std::fmt::Write;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["loading", "stale"],
    categories: &["slow", "dangerous"],
    summary: "Returns information and statistics about the server.",
    since: "1.0.0",
    group: "server",
    arguments: &[Argument::string("section").optional().multiple()],
    run: Some(run),
    ..CommandSpec::new("info", -1)
};

/// Writes one section's lines. Writing to a string cannot fail, so results are let go.
type Section = fn(&Facts, &dyn ServerInfo, &mut String);

const SECTIONS: &[(&str, Section)] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", cpu),
    ("Zones", zones),
    ("Keyspace", keyspace),
];

/// Words that mean every section.
const ALL: [&[u8]; 3] = [b"all", b"default", b"everything"];

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let asked = call.args.from(1);
    let all =
        asked.is_empty() || asked.iter().any(|word| ALL.iter().any(|all| all.eq_ignore_ascii_case(word)));
    let facts = call.server.facts();
    let mut text = String::new();
    for (name, write_section) in SECTIONS {
        if all || asked.iter().any(|word| name.as_bytes().eq_ignore_ascii_case(word)) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            let _ = write!(text, "# {name}\r\n");
            write_section(&facts, call.server, &mut text);
        }
    }
    call.reply().verbatim(*b"txt", text.as_bytes());
    Ok(Step::Replied)
}

fn server(facts: &Facts, server: &dyn ServerInfo, text: &mut String) {
    let uptime_s = facts.uptime_ms / 1_000;
    let _ = write!(
        text,
        "redis_version:{REDIS_VERSION}\r\nsluice_version:{}\r\nredis_mode:standalone\r\nos:{} {}\r\narch_bits:{}\r\n\
         multiplexing_api:epoll\r\nprocess_id:{}\r\nrun_id:{:040x}\r\ntcp_port:{}\r\nhttp_port:{}\r\n\
         server_time_usec:{}\r\nuptime_in_seconds:{uptime_s}\r\nuptime_in_days:{}\r\nworkers:{}\r\n",
        facts.version,
        std::env::consts::OS,
        std::env::consts::ARCH,
        usize::BITS,
        facts.process_id,
        facts.run_id,
        facts.resp_port,
        facts.http_port,
        server.wall_us(),
        uptime_s / 86_400,
        facts.workers,
    );
}

fn clients(facts: &Facts, _: &dyn ServerInfo, text: &mut String) {
    let _ = write!(
        text,
        "connected_clients:{}\r\ncluster_connections:0\r\nmaxclients:{}\r\nblocked_clients:{}\r\n\
         tracking_clients:0\r\n",
        facts.connections, facts.connections_max, facts.connections_parked,
    );
}

fn memory(facts: &Facts, _: &dyn ServerInfo, text: &mut String) {
    let figures = [
        ("used_memory", facts.memory_used_bytes),
        ("used_memory_rss", facts.memory_resident_bytes),
        ("maxmemory", facts.memory_max_bytes),
    ];
    for (name, bytes) in figures {
        let _ = write!(text, "{name}:{bytes}\r\n{name}_human:{}\r\n", human(bytes));
    }
    text.push_str("maxmemory_policy:noeviction\r\n");
}

fn stats(facts: &Facts, _: &dyn ServerInfo, text: &mut String) {
    let _ = write!(
        text,
        "total_connections_received:{}\r\ntotal_commands_processed:{}\r\ninstantaneous_ops_per_sec:{}\r\n\
         total_net_input_bytes:{}\r\ntotal_net_output_bytes:{}\r\nrejected_connections:{}\r\n\
         total_error_replies:{}\r\ntotal_polls:{}\r\npubsub_channels:{}\r\npubsub_patterns:{}\r\n\
         pubsub_subscriptions:{}\r\ntotal_published:{}\r\ntotal_messages_delivered:{}\r\n\
         total_messages_dropped:{}\r\ntotal_subscribers_closed:{}\r\n",
        facts.connections_total,
        facts.requests_total,
        facts.requests_per_second,
        facts.input_bytes_total,
        facts.output_bytes_total,
        facts.connections_refused,
        facts.errors_total,
        facts.polls_total,
        facts.channels,
        facts.patterns,
        facts.subscriptions,
        facts.published_total,
        facts.delivered_total,
        facts.messages_dropped,
        facts.subscribers_closed,
    );
}

/// Connections are accepted when everything is loaded; clients wait until they have read so.
fn persistence(_: &Facts, _: &dyn ServerInfo, text: &mut String) {
    text.push_str("loading:0\r\nasync_loading:0\r\n");
}

/// Every node takes joins and changes, so each is a master to its clients; the others are listed as its replicas,
/// with the entries of the groups that this node leads as offsets.
fn replication(_: &Facts, server: &dyn ServerInfo, text: &mut String) {
    let status = server.cluster().status();
    let led = || status.groups.iter().filter(|group| group.leader == Some(status.node));
    let others = status.nodes.iter().filter(|node| node.id != status.node);
    let others: Vec<_> =
        others.filter(|node| matches!(node.part, Part::Voter | Part::Learner) && !node.is_down()).collect();
    let _ = write!(text, "role:master\r\nconnected_slaves:{}\r\n", others.len());
    for (index, node) in others.iter().enumerate() {
        let (host, port) = endpoint(&node.addresses.resp);
        let matched = led().flat_map(|group| &group.progress).filter(|progress| progress.node == node.id);
        let offset: u64 = matched.filter_map(|progress| progress.matched).sum();
        let lag_s = node.heard_ms.unwrap_or(0) / 1_000;
        let _ =
            write!(text, "slave{index}:ip={host},port={port},state=online,offset={offset},lag={lag_s}\r\n");
    }
    let offset: u64 = led().map(|group| group.last_log).sum();
    let _ = write!(text, "master_repl_offset:{offset}\r\ngroups_led:{}\r\n", led().count());
    for group in &status.groups {
        let leader = group.leader.map_or_else(|| "none".to_owned(), |node| node.to_string());
        let _ = write!(
            text,
            "group{}:leader={leader},term={},last_log={},committed={},applied={}\r\n",
            group.id, group.term, group.last_log, group.committed, group.applied
        );
    }
}

fn cpu(facts: &Facts, _: &dyn ServerInfo, text: &mut String) {
    for (name, us) in [("used_cpu_sys", facts.cpu_system_us), ("used_cpu_user", facts.cpu_user_us)] {
        let _ = write!(text, "{name}:{}.{:06}\r\n", us / 1_000_000, us % 1_000_000);
    }
}

fn zones(facts: &Facts, _: &dyn ServerInfo, text: &mut String) {
    let _ = write!(text, "zones:{}\r\ngroups:{}\r\nwaiting:{}\r\n", facts.zones, facts.groups, facts.waiting);
}

/// An empty database has no line.
fn keyspace(facts: &Facts, _: &dyn ServerInfo, text: &mut String) {
    if facts.streams > 0 {
        let _ = write!(text, "db0:keys={},expires={},avg_ttl=0\r\n", facts.streams, facts.streams_expiring);
    }
}

/// As Redis shortens sizes: `1.51M`.
fn human(bytes: u64) -> String {
    let units = [(1u64 << 40, 'T'), (1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'K')];
    match units.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.2}{unit}", bytes as f64 / *size as f64),
        None => format!("{bytes}B"),
    }
}
