//! What the event stream of a token says, and when its place is asked for again.
//!
//! | event | id | data |
//! |---|---|---|
//! | `position` | none | the poll's body; only where something in it changed |
//! | `admitted` | `admitted` | the poll's body |
//! | `gone` | `gone` | zone, token, and the code that a poll would have had |
//!
//! The last two end the stream. Their ids are how a browser says that it has read them: it comes back with
//! `Last-Event-ID` and is told 204, which stops it. Whoever lost that frame comes back without, and is told again.

use super::json::Object;
use super::place::write_resource;
use super::sse;
use crate::request::{Answer, Request};
use sluice_engine::error::Refusal;
use sluice_engine::reply::{Standing, Waiting};

/// When to ask again where the answer does not say.
const ASK_AGAIN_MS: u32 = 1_000;

/// The id of the event that ends a stream well.
const ADMITTED: &str = "admitted";
/// The id of the event that ends a stream for want of a place.
const GONE: &str = "gone";

/// Whether a reader with this last id has read the end of its stream.
pub(crate) fn has_ended(last_event_id: Option<&[u8]>) -> bool {
    last_event_id.is_some_and(|id| id == ADMITTED.as_bytes() || id == GONE.as_bytes())
}

/// Whose place it is. Kept as one allocation each, without room to grow.
pub(crate) struct Name {
    zone: Box<[u8]>,
    token: Box<[u8]>,
}

/// The stream of one token.
pub(crate) struct Watch {
    name: Name,
    /// What was said last.
    said: Option<Waiting>,
}

/// What follows an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Ask again after so many milliseconds.
    Ask(u32),
    /// Nothing more will ever be said.
    End,
}

impl Name {
    /// The question whose answer the stream tells.
    pub(crate) fn request(&self) -> Request<'_> {
        Request::Poll { zone: &self.zone, token: &self.token }
    }

    /// The zone's name.
    pub(crate) fn zone(&self) -> &[u8] {
        &self.zone
    }
}

impl Watch {
    /// The stream of a token that nothing was said about yet.
    pub(crate) fn new(zone: &[u8], token: &[u8]) -> Watch {
        Watch { name: Name { zone: zone.into(), token: token.into() }, said: None }
    }

    /// Whose it is, and what was said: apart, because an answer borrows the name.
    pub(crate) fn parts(&mut self) -> (&Name, &mut Option<Waiting>) {
        (&self.name, &mut self.said)
    }
}

/// Writes what an answer is worth saying. While the reader is behind (not `clear`), a position can wait: a newer one comes.
pub(crate) fn tell(
    answer: &Answer<'_>,
    name: &Name,
    said: &mut Option<Waiting>,
    clear: bool,
    body: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Next {
    let next = match answer {
        Answer::Place { zone, token, standing: standing @ Standing::Waiting(waiting), .. } => {
            if clear && said.is_none_or(|said| differs(said, *waiting)) {
                write_resource(body, zone, token, *standing, None);
                sse::event(out, "position", None, body);
                *said = Some(*waiting);
            }
            Next::Ask(waiting.poll_ms)
        }
        Answer::Place { zone, token, standing, pass } => {
            write_resource(body, zone, token, *standing, *pass);
            sse::event(out, ADMITTED, Some(ADMITTED.as_bytes()), body);
            Next::End
        }
        Answer::Refused(refusal @ (Refusal::Gone | Refusal::NoZone | Refusal::BadToken)) => {
            let mut object = Object::open(body);
            object.text("zone", &name.zone).text("token", &name.token);
            object.text("code", refusal.code().as_bytes());
            object.close();
            sse::event(out, GONE, Some(GONE.as_bytes()), body);
            Next::End
        }
        Answer::Refused(Refusal::Busy { retry_ms } | Refusal::NoLeader { retry_ms }) => Next::Ask(*retry_ms),
        _ => Next::Ask(ASK_AGAIN_MS),
    };
    body.clear();
    next
}

/// Whether a reader would see another text: an estimate counts in whole seconds.
fn differs(said: Waiting, now: Waiting) -> bool {
    (said.position, said.stale) != (now.position, now.stale)
        || said.eta.wire_seconds() != now.eta.wire_seconds()
}

#[cfg(test)]
mod tests {
    use super::{Next, Watch, has_ended, tell};
    use crate::request::Answer;
    use sluice_engine::error::Refusal;
    use sluice_engine::reply::{Eta, Standing, Waiting};
    use sluice_engine::time::LogTime;

    const FIRST: Waiting = Waiting { position: 3, eta: Eta::Ms(9_900), poll_ms: 3_000, stale: false };

    fn say(watch: &mut Watch, answer: &Answer<'_>, clear: bool) -> (Next, String) {
        let (mut body, mut out) = (Vec::new(), Vec::new());
        let (name, said) = watch.parts();
        let next = tell(answer, name, said, clear, &mut body, &mut out);
        assert!(body.is_empty(), "the worker's scratch is given back empty");
        (next, String::from_utf8(out).unwrap())
    }

    fn place(standing: Standing) -> Answer<'static> {
        Answer::Place { zone: b"shop", token: b"t0k", standing, pass: None }
    }

    #[test]
    fn a_position_is_said_when_it_changed() {
        let mut watch = Watch::new(b"shop", b"t0k");
        let first = "event: position\ndata: {\"zone\":\"shop\",\"token\":\"t0k\",\"state\":\"waiting\",\
                     \"position\":3,\"etaMs\":9900,\"pollMs\":3000}\n\n";
        let waiting = |waiting| place(Standing::Waiting(waiting));
        assert_eq!(say(&mut watch, &waiting(FIRST), true), (Next::Ask(3_000), first.to_owned()));
        let sooner = Waiting { poll_ms: 700, eta: Eta::Ms(9_500), ..FIRST };
        assert_eq!(
            say(&mut watch, &waiting(sooner), true),
            (Next::Ask(700), String::new()),
            "the same to a reader"
        );
        let moved = waiting(Waiting { position: 2, ..FIRST });
        assert_eq!(say(&mut watch, &moved, false).1, "", "the reader is behind");
        assert!(say(&mut watch, &moved, true).1.contains("\"position\":2"), "and told as soon as it is not");
        assert!(
            say(&mut watch, &waiting(Waiting { stale: true, ..FIRST }), true).1.contains("\"stale\":true")
        );
    }

    #[test]
    fn a_turn_and_an_end_have_ids_and_nothing_else_has() {
        let mut watch = Watch::new(b"shop", b"t0k");
        let admitted = "id: admitted\nevent: admitted\ndata: {\"zone\":\"shop\",\"token\":\"t0k\",\
                        \"state\":\"admitted\",\"position\":0,\"etaMs\":0,\"admittedAt\":9}\n\n";
        let turn = place(Standing::Admitted(LogTime(9)));
        assert_eq!(
            say(&mut watch, &turn, false),
            (Next::End, admitted.to_owned()),
            "said to whoever is behind, too"
        );
        let gone = "id: gone\nevent: gone\ndata: {\"zone\":\"shop\",\"token\":\"t0k\",\"code\":\"GONE\"}\n\n";
        assert_eq!(say(&mut watch, &Answer::Refused(Refusal::Gone), true), (Next::End, gone.to_owned()));
        let busy = Answer::Refused(Refusal::Busy { retry_ms: 40 });
        assert_eq!(say(&mut watch, &busy, true), (Next::Ask(40), String::new()), "our trouble is no news");
        for (id, ended) in
            [(None, false), (Some(&b"admitted"[..]), true), (Some(b"gone"), true), (Some(b"7.1"), false)]
        {
            assert_eq!(has_ended(id), ended, "{id:?}");
        }
    }
}
