//! Requests in RESP. For every input:
//!
//! - a request lies inside the input, and each part of it is incomplete and asks for no more than the whole;
//! - its arguments, written as an array, are read as the same arguments;
//! - what a command replies is one well-formed reply, in either version; a question writes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_engine::id::RequestHash;
use sluice_net::caller::RequestId;
use sluice_net::cluster::{Addresses, Alone, Cluster};
use sluice_net::pubsub::Wish;
use sluice_net::resp::args::ArgsBuf;
use sluice_net::resp::command::{Step, execute};
use sluice_net::resp::decode::{Decoded, RequestBounds, decode};
use sluice_net::resp::encode::{Proto, Writer};
use sluice_net::resp::limit;
use sluice_net::resp::reply;
use sluice_net::resp::server::{ClientRow, Facts, Role, ServerInfo, SlowRow};
use sluice_net::resp::session::RespSession;
use std::net::SocketAddr;
use std::sync::LazyLock;

fuzz_target!(|input: &[u8]| {
    let [options, input @ ..] = input else { return };
    let server = Server { guarded: options & 1 != 0 };
    let mut session = RespSession::new(1, server.default_role());
    let mut buf = ArgsBuf::new();
    let mut at = 0;
    while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
        let bounds =
            if session.role().is_some() { RequestBounds::ORDINARY } else { RequestBounds::UNAUTHENTICATED };
        match decode(rest, bounds, &mut buf) {
            Ok(Decoded::Request { args, consumed }) => {
                check_extent(rest, consumed, bounds, *options);
                check_rewritten(args.iter().collect());
                let mut out = Vec::new();
                let step = execute(args, &mut session, &server, &mut out);
                check_reply(&step, &out);
                if matches!(step, Step::Close) {
                    return;
                }
                at += consumed;
            }
            Ok(Decoded::Empty { consumed }) => {
                check_extent(rest, consumed, bounds, *options);
                at += consumed;
            }
            Ok(Decoded::Incomplete { needed }) => {
                assert!(needed > rest.len() && needed <= limit::REQUEST_BYTES_MAX);
                return;
            }
            Err(malformed) => {
                assert!(!malformed.to_string().contains(['\r', '\n']));
                return;
            }
        }
    }
});

/// Cuts the request where the input says.
fn check_extent(rest: &[u8], consumed: usize, bounds: RequestBounds, options: u8) {
    assert!(consumed > 0 && consumed <= rest.len());
    let cut = consumed * usize::from(options >> 1) / 128;
    match decode(&rest[..cut], bounds, &mut ArgsBuf::new()) {
        Ok(Decoded::Incomplete { needed }) => assert!(needed > cut && needed <= consumed),
        other => panic!("the first {cut} of {consumed} bytes are {other:?}"),
    }
}

fn check_rewritten(words: Vec<&[u8]>) {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Proto::Resp2);
    writer.array(words.len());
    words.iter().for_each(|word| writer.bulk(word));
    match decode(&bytes, RequestBounds::ORDINARY, &mut ArgsBuf::new()) {
        Ok(Decoded::Request { args, consumed }) => {
            assert_eq!(consumed, bytes.len());
            assert!(args.iter().eq(words));
        }
        other => panic!("{other:?}"),
    }
}

fn check_reply(step: &Step<'_>, out: &[u8]) {
    match step {
        Step::Ask(..) | Step::Key(_) | Step::Exec(_) | Step::Follow(_) | Step::Unfollow(_) => assert!(out.is_empty()),
        // Of those only the reply to `RESET` is written already.
        Step::Channels(Wish::Forget) => assert_eq!(out, b"+RESET\r\n"),
        Step::Channels(_) => assert!(out.is_empty()),
        Step::Close if out.is_empty() => {}
        Step::Replied | Step::Close => match reply::decode(out) {
            Ok(reply::Reply::Value { consumed, .. }) => assert_eq!(consumed, out.len()),
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(out)),
        },
    }
}

/// A server with one other connection, that the user `u` with the password `p` may use.
struct Server {
    guarded: bool,
}

static ALONE: LazyLock<Alone> = LazyLock::new(|| Alone::new(1, Addresses::default()));

impl ServerInfo for Server {
    fn cluster(&self) -> &dyn Cluster {
        &*ALONE
    }

    fn default_role(&self) -> Option<Role> {
        (!self.guarded).then_some(Role::Admin)
    }

    fn authenticate(&self, user: &[u8], password: &[u8]) -> Option<Role> {
        (user == b"u" && password == b"p").then_some(Role::Operator)
    }

    fn wall_us(&self) -> u64 {
        1_700_000_000_000_000
    }

    fn request_hash(&self, name: &[u8], request: &RequestId<'_>) -> RequestHash {
        RequestHash((name.len() * 1_000 + request.id.len()) as u128)
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn visit_config(&self, visit: &mut dyn FnMut(&str, &str)) {
        visit("maxclients", "10000");
    }

    fn visit_clients(&self, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        self.visit_client(1, visit);
        self.visit_client(2, visit);
    }

    fn visit_client(&self, id: u64, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        if id > 2 {
            return;
        }
        let address = SocketAddr::from(([127, 0, 0, 1], id as u16));
        visit(&ClientRow {
            id,
            peer: address,
            local: address,
            fd: 1,
            age_s: 0,
            idle_s: 0,
            input_bytes: 0,
            output_bytes: 0,
            memory_bytes: 0,
            command: "ping",
            name: b"n",
            lib_name: b"",
            lib_version: b"",
            user: b"u",
            proto: Proto::Resp2,
            channels: 0,
            patterns: 0,
        });
    }

    fn kill_client(&self, _: u64) -> bool {
        true
    }

    fn visit_slow(&self, visit: &mut dyn FnMut(&SlowRow<'_>)) {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        visit(&SlowRow { id: 1, wall_s: 1, took_us: 1, command: "info", peer, name: b"" });
    }

    fn reset_slow(&self) {}

    fn reset_counters(&self) {}
}
