//! HTTP over one connection: request after request until something has to be waited for.

use super::events::EventTalk;
use super::line::Line;
use super::stop::{Driven, Stop};
use crate::caller::ClientNetwork;
use crate::http::decode::{Decoded, decode};
use crate::http::fault::Fault;
use crate::http::problem::Problem;
use crate::http::respond::Shape;
use crate::http::route::asks_traffic;
use crate::http::visit::{Handled, handle};
use crate::worker::desk::Desk;
use crate::worker::turn::Turn;
use mio::net::TcpStream;

/// What HTTP remembers of a connection between visits.
pub(crate) struct HttpTalk {
    /// Where it comes from.
    network: ClientNetwork,
    /// The request that is arriving was already told `100 Continue`.
    continued: bool,
    /// A listed proxy speaks for others.
    is_proxy: bool,
    /// What the connection becomes after this request.
    pub(super) events: Option<Box<EventTalk>>,
}

impl HttpTalk {
    /// Of a new connection.
    pub(crate) fn new(socket: &TcpStream, is_proxy: bool) -> HttpTalk {
        let network = socket.peer_addr().map(|peer| ClientNetwork::of(peer.ip())).unwrap_or_default();
        HttpTalk { network, continued: false, is_proxy, events: None }
    }
}

/// Answers the requests at the head of `input`.
pub(crate) fn drive(
    input: &[u8],
    talk: &mut HttpTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Driven {
    let mut joined = std::mem::take(&mut desk.joined);
    let mut consumed = 0;
    let stop = loop {
        let rest = input.get(consumed..).unwrap_or_default();
        if rest.is_empty() {
            break Stop::Starved { needed: 1 };
        }
        if desk.budget == 0 || desk.signer.is_spent() || (consumed > 0 && desk.pace.is_over()) {
            break Stop::Budget;
        }
        if line.is_full(desk.out.len(), desk.passing.soft_bytes()) {
            break Stop::Full;
        }
        desk.budget -= 1;
        let mark = desk.out.len();
        let next = request(rest, &mut joined, talk, line, desk, turn);
        desk.pace.step();
        desk.pace.wrote(desk.out.len().saturating_sub(mark));
        match next {
            Next::Request(len) => consumed += len,
            Next::Last(len) => {
                consumed += len;
                break Stop::Close;
            }
            Next::Events => {
                consumed = input.len();
                break Stop::Starved { needed: 1 };
            }
            Next::Stop(stop) => break stop,
        }
    };
    desk.joined = joined;
    Driven { consumed, stop }
}

enum Next {
    Request(usize),
    /// After this one the connection closes.
    Last(usize),
    /// It was the last one: from here on the connection is an event stream.
    Events,
    Stop(Stop),
}

fn request(
    input: &[u8],
    joined: &mut Vec<u8>,
    talk: &mut HttpTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Next {
    let (mark, behind) = (desk.out.len(), line.is_behind());
    let next = match decode(input, joined) {
        Decoded::Complete(mut call, len) => {
            call.fields.keep_alive &= !desk.closing;
            match handle(&call, (talk.network, talk.is_proxy), line, desk, turn) {
                Handled::Wait => return Next::Stop(Stop::Waiting),
                Handled::Behind => return Next::Stop(Stop::Behind),
                handled => {
                    talk.continued = false;
                    desk.counts.http_requests += 1;
                    match handled {
                        Handled::Events(events) => {
                            talk.events = Some(events);
                            return Next::Events;
                        }
                        Handled::Done if call.fields.keep_alive => Next::Request(len),
                        _ => Next::Last(len),
                    }
                }
            }
        }
        Decoded::Incomplete { needed, wants_continue } => {
            if wants_continue && !behind && !std::mem::replace(&mut talk.continued, true) {
                desk.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            return Next::Stop(Stop::Starved { needed });
        }
        Decoded::Invalid(fault) => {
            refuse(fault, input, desk);
            Next::Last(input.len())
        }
    };
    if behind && desk.out.len() > mark {
        line.hold(mark, desk);
    }
    next
}

/// Writes the last answer of a connection that cannot be understood any further from `input` on.
pub(crate) fn refuse(fault: Fault, input: &[u8], desk: &mut Desk) {
    desk.counts.errors += 1;
    let shape = Shape { keep_alive: false, old: false, head_only: false, is_secret: false, origin: None };
    let problem = Problem { traffic: asks_traffic(input), ..Problem::fault(fault) };
    problem.send(&mut desk.responder(), shape);
}
