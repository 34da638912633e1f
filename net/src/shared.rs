//! What all workers of a server share, and what commands may ask about it.

use crate::caller::RequestId;
use crate::clients::Register;
use crate::cluster::Cluster;
use crate::config::NetConfig;
use crate::pass;
use crate::pubsub::channels::Channels;
use crate::resp::command::fault::Fault;
use crate::resp::command::spec::Replies;
use crate::resp::server::{ClientRow, Facts, PassKeyRow, Role, ServerInfo, SlowRow};
use crate::shares::Shares;
use crate::stats::Stats;
use crate::wall::Wall;
use crate::worker::lines::Lines;
use crate::worker::mailbox::Mailbox;
use sluice_engine::account::Part;
use sluice_engine::directory::Directory;
use sluice_engine::id::RequestHash;
use sluice_engine::pass::{PassKeyId, PassSeed};
use sluice_engine::time::WallMs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// How far the end has come; only ever grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    /// Serving.
    No,
    /// No new connections; existing ones are answered and closed.
    Draining,
    /// Every connection closes now.
    Now,
}

/// A zone's name in a reply, before and after it is written.
const ZONE_REPLY_BYTES: usize = 2 * (sluice_engine::limit::ZONE_NAME_BYTES_MAX + 16);

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: NetConfig,
    pub(crate) wall: Wall,
    pub(crate) directory: Arc<Directory>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) stats: Stats,
    pub(crate) register: Register,
    pub(crate) channels: Channels,
    /// By worker.
    pub(crate) mailboxes: Vec<Mailbox>,
    /// By worker: set by whoever killed one of its connections.
    pub(crate) kills: Vec<AtomicBool>,
    /// Connections of all workers.
    pub(crate) shares: Shares,
    /// Reads that wait for news of streams.
    pub(crate) blocked: AtomicUsize,
    /// Those of them that read for a group, in their order.
    pub(crate) lines: Lines,
    /// Whether `/readyz` says yes.
    pub(crate) ready: AtomicBool,
    /// When it was last said that HTTP came to the RESP port; 0: never.
    pub(crate) http_told_at: AtomicU64,
    ending: AtomicU8,
    run_id: u128,
}

impl Shared {
    pub(crate) fn new(
        config: NetConfig,
        directory: Arc<Directory>,
        cluster: Arc<dyn Cluster>,
        mailboxes: Vec<Mailbox>,
    ) -> Shared {
        let random = || u128::from(RandomState::new().build_hasher().finish());
        Shared {
            stats: Stats::new(mailboxes.len()),
            register: Register::default(),
            channels: Channels::new(),
            kills: mailboxes.iter().map(|_| AtomicBool::new(false)).collect(),
            shares: Shares::new(&config),
            blocked: AtomicUsize::new(0),
            lines: Lines::new(mailboxes.len()),
            ready: AtomicBool::new(true),
            http_told_at: AtomicU64::new(0),
            ending: AtomicU8::new(Ending::No as u8),
            run_id: random() << 64 | random(),
            wall: Wall::start(config.clock),
            config,
            directory,
            cluster,
            mailboxes,
        }
    }

    /// Wall time, without the steps of the system's clock.
    pub(crate) fn wall_ms(&self) -> WallMs {
        self.wall.now()
    }

    /// Bytes that are on their way to clients, or are kept for what they listen to.
    fn passing_bytes(&self) -> u64 {
        let account = self.directory.account();
        account.of(Part::Passing).0 + account.of(Part::Standing).0
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::Acquire) {
            0 => Ending::No,
            1 => Ending::Draining,
            _ => Ending::Now,
        }
    }

    /// Goes on to this stage and tells every worker.
    pub(crate) fn end(&self, ending: Ending) {
        self.ending.fetch_max(ending as u8, Ordering::AcqRel);
        self.mailboxes.iter().for_each(Mailbox::notify);
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// Seconds of wall time.
pub(crate) fn wall_s() -> u64 {
    wall().as_secs()
}

impl ServerInfo for Shared {
    fn default_role(&self) -> Option<Role> {
        self.config.auth.anonymous()
    }

    fn authenticate(&self, user: &[u8], password: &[u8]) -> Option<Role> {
        self.config.auth.user(user, password)
    }

    fn wall_us(&self) -> u64 {
        self.wall.now().0 * 1_000 + u64::from(wall().subsec_micros() % 1_000)
    }

    fn admit_reply(&self, replies: Replies) -> Result<(), Fault<'static>> {
        let bytes = match replies {
            Replies::Short => 0,
            Replies::Clients => self.register.said_bytes(),
            Replies::Channels => self.channels.bytes(),
            Replies::Zones => self.directory.zone_count() * ZONE_REPLY_BYTES,
        };
        let account = self.directory.account();
        if bytes as u64 > account.answer_max() {
            return Err(Fault::Text("ERR the reply would be longer than any may be"));
        }
        // Only looked at: what is written is counted with its connection.
        match account.try_charge(Part::Passing, bytes as u64) {
            Some(_) => Ok(()),
            None => Err(Fault::Text("BUSY there is no room for the reply now")),
        }
    }

    fn is_scarce(&self) -> bool {
        let (used, max) = self.directory.account().of(Part::Passing);
        used >= max / 2
    }

    fn request_hash(&self, name: &[u8], request: &RequestId<'_>) -> RequestHash {
        request.hash(&self.directory, name)
    }

    fn pass_keys(&self) -> Vec<PassKeyRow> {
        pass::all_keys(&self.directory).iter().map(pass::row).collect()
    }

    fn draw_pass_key(&self) -> Option<(PassKeyId, PassSeed)> {
        pass::draw()
    }

    fn facts(&self) -> Facts {
        let totals = self.stats.totals();
        let process = Process::read();
        let (streams, streams_expiring) = self.directory.streams();
        let (messages_dropped, subscribers_closed) = self.channels.losses();
        Facts {
            version: env!("CARGO_PKG_VERSION"),
            process_id: std::process::id(),
            run_id: self.run_id,
            uptime_ms: self.config.clock.now().0,
            resp_port: self.config.resp.port(),
            http_port: self.config.http.port(),
            workers: self.mailboxes.len(),
            connections: self.shares.total() as u64,
            connections_parked: self.blocked.load(Ordering::Relaxed) as u64,
            connections_max: self.config.connections_max as u64,
            connections_total: totals.accepted,
            connections_refused: totals.refused,
            requests_total: totals.resp_requests + totals.http_requests,
            requests_per_second: self.stats.rate(),
            polls_total: totals.polls,
            input_bytes_total: totals.bytes_in,
            output_bytes_total: totals.bytes_out,
            errors_total: totals.errors,
            channels: self.channels.channel_count() as u64,
            patterns: self.channels.pattern_count() as u64,
            subscriptions: self.channels.subscriptions() as u64,
            published_total: totals.published,
            delivered_total: totals.delivered,
            messages_dropped,
            subscribers_closed,
            memory_used_bytes: self.directory.memory_used() + self.passing_bytes(),
            memory_max_bytes: self.config.memory_max_bytes,
            memory_resident_bytes: process.resident_bytes,
            cpu_system_us: process.system_us,
            cpu_user_us: process.user_us,
            zones: self.directory.zone_count() as u64,
            streams,
            streams_expiring,
            groups: self.directory.groups() as u64,
            ..Facts::default()
        }
    }

    fn cluster(&self) -> &dyn Cluster {
        &*self.cluster
    }

    fn visit_config(&self, visit: &mut dyn FnMut(&str, &str)) {
        let config = &self.config;
        let numbers = [
            ("maxclients", config.connections_max as u64),
            ("maxmemory", config.memory_max_bytes),
            ("port", u64::from(config.resp.port())),
            ("slowlog-log-slower-than", config.slow_ms * 1_000),
            ("slowlog-max-len", crate::limit::SLOW_LOG_MAX as u64),
            ("tcp-backlog", u64::from(config.backlog)),
            ("timeout", config.resp_idle_ms / 1_000),
        ];
        for (name, value) in numbers {
            visit(name, itoa::Buffer::new().format(value));
        }
        visit("bind", &config.resp.ip().to_string());
    }

    fn visit_clients(&self, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        self.register.visit(self.config.clock.now(), visit);
    }

    fn visit_client(&self, id: u64, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        self.register.visit_one(id, self.config.clock.now(), visit);
    }

    fn visit_channels(&self, visit: &mut dyn FnMut(&[u8]) -> bool) {
        self.channels.visit(visit);
    }

    fn subscribers(&self, channel: &[u8]) -> u64 {
        self.channels.subscribers(channel)
    }

    fn patterns(&self) -> u64 {
        self.channels.pattern_count() as u64
    }

    fn kill_client(&self, id: u64) -> bool {
        let Some(worker) = self.register.kill(id) else { return false };
        if let Some(kill) = self.kills.get(worker) {
            kill.store(true, Ordering::Release);
        }
        self.mailboxes.get(worker).map(Mailbox::notify);
        true
    }

    fn visit_slow(&self, visit: &mut dyn FnMut(&SlowRow<'_>)) {
        for slow in self.stats.slow() {
            visit(&SlowRow {
                id: slow.id,
                wall_s: slow.wall_s,
                took_us: slow.took_us,
                command: slow.command,
                peer: slow.peer,
                name: b"",
            });
        }
    }

    fn reset_slow(&self) {
        self.stats.reset_slow();
    }

    fn reset_counters(&self) {
        self.stats.reset();
    }
}

/// The process as the kernel sees it; 0 where `/proc` does not say.
#[derive(Default)]
struct Process {
    resident_bytes: u64,
    user_us: u64,
    system_us: u64,
}

impl Process {
    fn read() -> Process {
        let page_bytes = rustix::param::page_size() as u64;
        let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The second field is a name in parentheses that may hold spaces.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let number = |text: &str, index| -> u64 {
            text.split_whitespace().nth(index).and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        Process {
            resident_bytes: number(&statm, 1) * page_bytes,
            user_us: number(after_name, 11) * tick_us,
            system_us: number(after_name, 12) * tick_us,
        }
    }
}

/// What `INFO` and `CONFIG` say about the listeners is where they really are.
pub(crate) fn with_local(mut config: NetConfig, resp: SocketAddr, http: SocketAddr) -> NetConfig {
    config.resp = resp;
    config.http = http;
    config
}
