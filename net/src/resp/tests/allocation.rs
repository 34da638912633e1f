//! A poll allocates nothing on its way through this module, from the bytes of the request to those of the answer.

use super::fixture::Fixture;
use crate::request::{Answer, Request, RequestKind};
use crate::resp::args::ArgsBuf;
use crate::resp::command::{Step, encode_answer, execute};
use crate::resp::decode::{Decoded, RequestBounds, decode};
use crate::resp::session::RespSession;
use allocation_counter::measure;
use sluice_engine::error::Refusal;
use sluice_engine::reply::{Eta, Standing, Waiting};
use sluice_engine::time::LogTime;

const POLL: &[u8] = b"*3\r\n$6\r\nQ.POLL\r\n$4\r\nshop\r\n$4\r\ntext\r\n";

/// One poll that is answered with `standing`, or refused.
fn poll(
    standing: Result<Standing, Refusal>,
    session: &mut RespSession,
    server: &Fixture,
    buf: &mut ArgsBuf,
    out: &mut Vec<u8>,
) {
    let Ok(Decoded::Request { args, .. }) = decode(POLL, RequestBounds::ORDINARY, buf) else {
        panic!("a poll is a request");
    };
    let Step::Ask(Request::Poll { zone, token }, kind) = execute(args, session, server, out) else {
        panic!("a poll is a question");
    };
    let answer = match standing {
        Ok(standing) => Answer::Place { zone, token, standing },
        Err(refusal) => Answer::Refused(refusal),
    };
    assert_eq!(kind, RequestKind::Poll);
    encode_answer(&answer, kind, session.proto(), out);
}

#[test]
fn a_poll_allocates_nothing_once_buffers_have_grown() {
    let server = Fixture::open();
    let (mut session, mut buf, mut out) = (server.connect(), ArgsBuf::new(), Vec::with_capacity(1 << 16));
    let waiting = Waiting { position: u64::MAX, eta: Eta::Ms(u64::MAX), poll_ms: u32::MAX };
    let answers = [
        Ok(Standing::Waiting(waiting)),
        Ok(Standing::Waiting(Waiting { position: 1, eta: Eta::Unknown, poll_ms: 20 })),
        Ok(Standing::Admitted(LogTime(u64::MAX))),
        Err(Refusal::Gone),
        Err(Refusal::Busy { retry_ms: 100 }),
    ];
    let mut round = || {
        for answer in answers {
            poll(answer, &mut session, &server, &mut buf, &mut out);
        }
    };
    let first = measure(&mut round);
    assert!(first.count_total > 0, "the buffer of arguments grows once, and the count sees it");
    assert_eq!(measure(&mut round).count_total, 0);
}
