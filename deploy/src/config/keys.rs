//! The table of all keys: the name in a file, and how its value enters the configuration.
//!
//! The variable of the environment follows from the name: `listen.resp` is `SLUICE_LISTEN_RESP`.

use sluice_net::network::Network;
use tracing::Level;

use super::value::Read;
use super::{Config, ConfigError, LogFormat, Origin, Value};
use crate::limit;

/// Sets the four ports at once; each address keeps its host.
pub(super) const PORTS: &str = "ports";

struct Key {
    name: &'static str,
    set: fn(&mut Config, &Value) -> Read<()>,
}

/// Makes an entry of the table: a name, and an assignment to one field.
macro_rules! key {
    ($name:expr, |$value:ident| $($field:ident).+ = $read:expr) => {
        Key { name: $name, set: |config, $value| { config.$($field).+ = $read; Ok(()) } }
    };
}

const LEVELS: &[(&str, Level)] = &[
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];
const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

const KEYS: &[Key] = &[
    Key { name: PORTS, set: set_ports },
    key!("listen.resp", |value| listen.resp = value.address()?),
    key!("listen.http", |value| listen.http = value.address()?),
    key!("listen.admin", |value| listen.admin = value.address()?),
    Key { name: "listen.peer", set: set_peer },
    key!("listen.names", |value| listen.names = names(value)?),
    key!("data_dir", |value| data_dir = value.path()?),
    key!("workers", |value| workers = Some(value.count(1..=limit::WORKERS_MAX)?)),
    key!("drain_delay", |value| drain_delay = Some(value.duration(limit::DRAIN_DELAY_MS_MAX)?)),
    key!("memory_max", |value| memory_max = value.memory()?),
    key!("insecure", |value| insecure = value.switch()?),
    key!("limits.connections", |value| limits.connections = Some(value.count(1..=limit::CONNECTIONS_MAX)?)),
    key!("limits.connections_per_address", |value| limits.address_connections =
        Some(value.count(1..=limit::CONNECTIONS_MAX)?)),
    key!("limits.login_timeout", |value| limits.login_timeout =
        value.duration(limit::IDLE_TIMEOUT_MS_MAX)?),
    key!("limits.resp_idle_timeout", |value| limits.resp_idle_timeout =
        value.duration(limit::IDLE_TIMEOUT_MS_MAX)?),
    key!("limits.http_idle_timeout", |value| limits.http_idle_timeout =
        value.duration(limit::IDLE_TIMEOUT_MS_MAX)?),
    key!("limits.request_timeout", |value| limits.request_timeout =
        value.duration(limit::IDLE_TIMEOUT_MS_MAX)?),
    key!("limits.backlog", |value| limits.backlog = value.number_u32(1..=limit::BACKLOG_MAX)?),
    key!("log.level", |value| log.level = value.one_of(LEVELS)?),
    key!("log.format", |value| log.format = value.one_of(FORMATS)?),
    key!("node.advertise", |value| node.advertise = Some(value.host()?)),
    key!("node.join", |value| node.join = Some(value.endpoint()?)),
    key!("node.snapshot_bytes", |value| node.snapshot_bytes = value.bytes(limit::SNAPSHOT_BYTES)?),
    key!("cluster.groups", |value| cluster.groups = value.number_u16(1..=limit::GROUPS_MAX)?),
    key!("cluster.heartbeat", |value| cluster.heartbeat = value.time(limit::HEARTBEAT_MS)?),
    key!("cluster.election_min", |value| cluster.election_min = value.time(limit::ELECTION_MS)?),
    key!("cluster.election_max", |value| cluster.election_max = value.time(limit::ELECTION_MS)?),
    key!("cluster.evict_hold", |value| cluster.evict_hold = value.duration(limit::EVICT_HOLD_MS_MAX)?),
    key!("cluster.clock_skew_max", |value| cluster.clock_skew_max =
        value.duration(limit::CLOCK_SKEW_MS_MAX)?),
    key!("cluster.join_secret_file", |value| cluster.join_secret_file = Some(value.path()?)),
    key!("tls.peers.certificate", |value| peer_tls.certificate = Some(value.path()?)),
    key!("tls.peers.key", |value| peer_tls.key = Some(value.path()?)),
    key!("tls.peers.ca", |value| peer_tls.ca = Some(value.path()?)),
    key!("tls.peers.name", |value| peer_tls.name = Some(value.host()?)),
    key!("auth.resp_users", |value| auth.resp_users = Some(value.path()?)),
    key!("auth.writer_tokens", |value| auth.writer_tokens = Some(value.path()?)),
    key!("auth.admin_tokens", |value| auth.admin_tokens = Some(value.path()?)),
    key!("cors.origins", |value| cors.origins = origins(value)?),
    key!("cors.max_age", |value| cors.max_age = value.duration(limit::IDLE_TIMEOUT_MS_MAX)?),
    key!("proxies.trusted", |value| trusted_proxies = networks(value)?),
];

/// Who names the address wants the port open.
fn set_peer(config: &mut Config, value: &Value) -> Read<()> {
    config.listen.peer = value.address()?;
    config.listen.peer_is_named = true;
    Ok(())
}

fn set_ports(config: &mut Config, value: &Value) -> Read<()> {
    let base = value.number(0..=u64::from(limit::PORT_BASE_MAX))?;
    let base = u16::try_from(base).map_err(|_| "is no port".to_owned())?;
    let listen = &mut config.listen;
    let addresses = [&mut listen.resp, &mut listen.http, &mut listen.admin, &mut listen.peer];
    for (address, offset) in addresses.into_iter().zip(0u16..) {
        // Base 0 asks the system for any free port, four times.
        address.set_port(if base == 0 { 0 } else { base + offset });
    }
    Ok(())
}

/// An origin as browsers send it: scheme and host, no path, no trailing slash.
fn origins(value: &Value) -> Read<Vec<String>> {
    let origins = value.texts()?;
    let is_origin = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        origin == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', ',']))
    };
    match origins.iter().find(|origin| !is_origin(origin)) {
        None => Ok(origins),
        Some(odd) => Err(format!("must list origins such as \"https://shop.example\" or \"*\", not {odd:?}")),
    }
}

/// Names of hosts, without ports.
fn names(value: &Value) -> Read<Vec<String>> {
    let names = value.texts()?;
    let is_name = |name: &String| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        (1..=limit::HOST_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_part)
    };
    match names.iter().find(|name| !is_name(name)) {
        Some(odd) => Err(format!("must list names of hosts such as \"shop.internal\", not {odd:?}")),
        None if names.len() > limit::NAMES_MAX => Err(format!("lists more than {} names", limit::NAMES_MAX)),
        None => Ok(names),
    }
}

fn networks(value: &Value) -> Read<Vec<Network>> {
    let texts = value.texts()?;
    if texts.len() > limit::NAMES_MAX {
        return Err(format!("lists more than {} networks", limit::NAMES_MAX));
    }
    let read = |text: &String| {
        let odd = || format!("must list addresses such as \"10.0.0.0/8\" or \"127.0.0.1\", not {text:?}");
        Network::parse(text).ok_or_else(odd)
    };
    texts.iter().map(read).collect()
}

/// Judges one value.
pub(super) fn set(config: &mut Config, key: &str, value: &Value, origin: &Origin) -> Result<(), ConfigError> {
    let bad = |why| ConfigError::BadValue { origin: origin.clone(), key: key.to_owned(), why };
    let Some(entry) = KEYS.iter().find(|entry| entry.name == key) else {
        if is_section(key) {
            return Err(bad(format!("is a section: write [{key}] on a line of its own")));
        }
        let known = siblings(key);
        return Err(ConfigError::UnknownKey { origin: origin.clone(), key: key.to_owned(), known });
    };
    (entry.set)(config, value).map_err(bad)?;
    config.origins.insert(entry.name, origin.clone());
    Ok(())
}

/// Whether `name` opens a section, such as `listen`.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|entry| entry.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// `LISTEN_RESP` is the key `listen.resp`.
pub(super) fn by_variable(rest: &str) -> Option<&'static str> {
    let spelled = |name: &str| name.replace('.', "_").to_uppercase();
    KEYS.iter().map(|entry| entry.name).find(|name| spelled(name) == rest)
}

/// What could have been meant: the keys of the same section, or the top-level keys and sections.
fn siblings(key: &str) -> String {
    let section = key.rsplit_once('.').map(|(section, _)| section).filter(|section| is_section(section));
    let mut known: Vec<&str> = match section {
        Some(section) => {
            KEYS.iter().filter_map(|entry| entry.name.strip_prefix(section)?.strip_prefix('.')).collect()
        }
        None => KEYS
            .iter()
            .filter_map(|entry| entry.name.split('.').next())
            .chain(["zone", "namespace"])
            .collect(),
    };
    known.dedup();
    known.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{KEYS, PORTS};
    use crate::config::Config;

    /// The file that ships with the server, in which every key is a comment.
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sluice.toml");

    /// The example with its comments made keys; files of credentials stay out, for nobody has them.
    fn uncommented(example: &str) -> String {
        let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let uncomment = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if is_key(rest) || rest.starts_with("[[") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        let open = |line: &&str| {
            !["resp_users", "writer_tokens", "admin_tokens", "/etc/sluice/"]
                .iter()
                .any(|key| line.contains(key))
        };
        example.lines().filter(open).map(uncomment).collect()
    }

    #[test]
    fn the_example_changes_nothing_as_it_ships() {
        assert_eq!(
            Config::load(Some(EXAMPLE.as_ref()), &[]).unwrap(),
            Config { from_file: true, ..Config::default() }
        );
    }

    #[test]
    fn the_example_shows_every_key_with_a_value_that_is_accepted() {
        let example = std::fs::read_to_string(EXAMPLE).unwrap();
        for key in KEYS.iter().filter(|key| key.name != PORTS) {
            let last = key.name.rsplit('.').next().unwrap();
            assert!(example.contains(&format!("\n# {last} = ")), "`{}` is not shown", key.name);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sluice.toml");
        std::fs::write(&path, uncommented(&example)).unwrap();
        let config = Config::load(Some(&path), &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((config.zones.len(), config.workers), (1, Some(2)));
        assert_eq!(config.zones[0].patch.title.len(), 2);
        assert_eq!(config.namespaces.len(), 1);
    }
}
