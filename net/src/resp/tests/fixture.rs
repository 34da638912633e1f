//! A server of two connections and a few figures, and a way to talk to it.

use crate::caller::RequestId;
use crate::cluster::{Addresses, Alone, Cluster};
use crate::pubsub::Wish;
use crate::request::{Request, RequestKind};
use crate::resp::args::ArgsBuf;
use crate::resp::command::key_call::KeyCall;
use crate::resp::command::{Step, execute};
use crate::resp::decode::{Decoded, RequestBounds, decode};
use crate::resp::encode::Proto;
use crate::resp::server::{ClientRow, Facts, Role, ServerInfo, SlowRow};
use crate::resp::session::RespSession;
use sluice_engine::id::RequestHash;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;

/// The connection that talks.
pub(super) const ME: u64 = 7;
/// Another one.
pub(super) const OTHER: u64 = 9;

/// What the commands are run against.
pub(super) struct Fixture {
    /// Whether one has to log in.
    pub(super) guarded: bool,
    /// Ids that were killed.
    pub(super) killed: RefCell<Vec<u64>>,
    /// How often the counters and the slow log were reset.
    pub(super) resets: Cell<u32>,
    /// Connections that were shown to commands.
    pub(super) shown: Cell<u32>,
    /// What it belongs to.
    pub(super) cluster: Box<dyn Cluster>,
}

impl Fixture {
    /// A server that asks nobody for a password.
    pub(super) fn open() -> Fixture {
        let addresses = Addresses { resp: "127.0.0.1:7379".to_owned(), ..Addresses::default() };
        let cluster = Box::new(Alone::new(6, addresses));
        let (resets, shown) = (Cell::new(0), Cell::new(0));
        Fixture { guarded: false, killed: RefCell::default(), resets, shown, cluster }
    }

    /// One with the users `gate` (client), `op` (operator) and `default` (admin), whose passwords are their names.
    pub(super) fn guarded() -> Fixture {
        Fixture { guarded: true, ..Fixture::open() }
    }

    /// A connection that has just come.
    pub(super) fn connect(&self) -> RespSession {
        RespSession::new(ME, self.default_role())
    }

    /// What a new connection is sent for `input`. A question is shown as `?` and its debug text.
    pub(super) fn says(&self, input: &[u8]) -> String {
        self.answers(&mut self.connect(), input)
    }

    /// The same on a connection that is there.
    pub(super) fn answers(&self, session: &mut RespSession, input: &[u8]) -> String {
        let (mut buf, mut out, mut at) = (ArgsBuf::new(), Vec::new(), 0);
        while at < input.len() {
            let args = match decode(&input[at..], RequestBounds::ORDINARY, &mut buf) {
                Ok(Decoded::Request { args, consumed }) => {
                    at += consumed;
                    args
                }
                other => panic!("{:?}: {other:?}", String::from_utf8_lossy(&input[at..])),
            };
            match execute(args, session, self, &mut out) {
                Step::Replied | Step::Channels(Wish::Forget) => {}
                Step::Ask(request, _) => out.extend_from_slice(format!("?{request:?}").as_bytes()),
                Step::Key(call) => out.extend_from_slice(format!("?{:?}", call.op).as_bytes()),
                Step::Exec(queue) => {
                    let queued = String::from_utf8_lossy(&queue.into_bytes()).into_owned();
                    out.extend_from_slice(format!("?Exec{queued:?}").as_bytes());
                }
                Step::Follow(streams) => out.extend_from_slice(format!("?{streams:?}").as_bytes()),
                Step::Unfollow(keys) => out.extend_from_slice(format!("?{keys:?}").as_bytes()),
                Step::Channels(wish) => out.extend_from_slice(format!("?{wish:?}").as_bytes()),
                Step::Close => {
                    out.extend_from_slice(b"<close>");
                    break;
                }
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The operation on keys that an inline request asks for.
    pub(super) fn calls(&self, input: &[u8]) -> KeyCall {
        let (mut buf, mut out) = (ArgsBuf::new(), Vec::new());
        let Ok(Decoded::Request { args, .. }) = decode(input, RequestBounds::ORDINARY, &mut buf) else {
            panic!("{input:?} is no request");
        };
        match execute(args, &mut self.connect(), self, &mut out) {
            Step::Key(call) => call,
            other => panic!("{other:?}, {}", String::from_utf8_lossy(&out)),
        }
    }

    /// Checks what an inline request asks the engine for.
    pub(super) fn expect(&self, input: &[u8], expected: &Request<'_>, expected_kind: RequestKind) {
        let (mut buf, mut out) = (ArgsBuf::new(), Vec::new());
        let Ok(Decoded::Request { args, .. }) = decode(input, RequestBounds::ORDINARY, &mut buf) else {
            panic!("{input:?} is no request");
        };
        match execute(args, &mut self.connect(), self, &mut out) {
            Step::Ask(request, kind) => assert_eq!((&request, kind), (expected, expected_kind)),
            other => panic!("{other:?}, {}", String::from_utf8_lossy(&out)),
        }
        assert!(out.is_empty(), "a question writes nothing");
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn row(id: u64, port: u16, name: &'static [u8]) -> ClientRow<'static> {
    ClientRow {
        id,
        peer: address(port),
        local: address(7379),
        fd: 12,
        age_s: 5,
        idle_s: 1,
        input_bytes: 3,
        output_bytes: 4,
        memory_bytes: 500,
        command: "q.poll",
        name,
        lib_name: b"lib",
        lib_version: b"1.0",
        user: b"gate",
        proto: Proto::Resp3,
        channels: 0,
        patterns: 0,
    }
}

impl ServerInfo for Fixture {
    fn default_role(&self) -> Option<Role> {
        (!self.guarded).then_some(Role::Admin)
    }

    fn authenticate(&self, user: &[u8], password: &[u8]) -> Option<Role> {
        let role = match user {
            b"gate" => Role::Client,
            b"op" => Role::Operator,
            b"default" => Role::Admin,
            _ => return None,
        };
        (self.guarded && user == password).then_some(role)
    }

    fn wall_us(&self) -> u64 {
        1_700_000_000_000_042
    }

    fn request_hash(&self, name: &[u8], request: &RequestId<'_>) -> RequestHash {
        RequestHash((name.len() * 100 + request.id.len()) as u128)
    }

    fn facts(&self) -> Facts {
        Facts { version: "0.1.0", zones: 3, waiting: 12, memory_used_bytes: 1_582_968, ..Facts::default() }
    }

    fn cluster(&self) -> &dyn Cluster {
        &*self.cluster
    }

    fn visit_config(&self, visit: &mut dyn FnMut(&str, &str)) {
        visit("maxclients", "10000");
        visit("maxmemory", "1073741824");
    }

    fn visit_clients(&self, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        self.shown.set(self.shown.get() + 2);
        visit(&row(ME, 40_007, b"stale"));
        visit(&row(OTHER, 40_009, b"other"));
    }

    fn visit_client(&self, id: u64, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        match id {
            ME => visit(&row(ME, 40_007, b"stale")),
            OTHER => visit(&row(OTHER, 40_009, b"other")),
            _ => return,
        }
        self.shown.set(self.shown.get() + 1);
    }

    fn kill_client(&self, id: u64) -> bool {
        self.killed.borrow_mut().push(id);
        true
    }

    fn visit_slow(&self, visit: &mut dyn FnMut(&SlowRow<'_>)) {
        for id in [2, 1] {
            visit(&SlowRow {
                id,
                wall_s: 1_700_000_000,
                took_us: 15_000,
                command: "q.zone|list",
                peer: address(40_009),
                name: b"other",
            });
        }
    }

    fn reset_slow(&self) {
        self.resets.set(self.resets.get() + 1);
    }

    fn reset_counters(&self) {
        self.resets.set(self.resets.get() + 1);
    }
}
