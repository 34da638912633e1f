//! RESP over one connection: command after command until something has to be waited for.

use super::channels;
use super::exec::{self, Exec};
use super::keys;
use super::line::{Asked, Line};
use super::pending::Awaited;
use super::reading::{self, Subscriptions};
use super::stop::{Driven, Stop};
use crate::clients::{Card, Ends};
use crate::limit;
use crate::pubsub::Wish;
use crate::request::{Request, RequestKind};
use crate::resp::args::{Args, ArgsBuf};
use crate::resp::command::execute::is_http;
use crate::resp::command::{Step, encode_answer, execute};
use crate::resp::decode::{Decoded, RequestBounds, decode};
use crate::resp::encode::{Proto, Writer};
use crate::resp::server::{Role, ServerInfo};
use crate::resp::session::RespSession;
use crate::shared::{Shared, wall_s};
use crate::stats::Slow;
use crate::worker::desk::Desk;
use crate::worker::turn::Turn;
use mio::net::TcpStream;
use sluice_engine::time::MonoMs;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What RESP remembers of a connection between visits.
pub(crate) struct RespTalk {
    pub(crate) session: RespSession,
    /// The connection's entry in the register.
    pub(crate) card: Arc<Card>,
    /// A transaction that waits for changes before it.
    pub(crate) exec: Option<Box<Exec>>,
    /// Streams that it follows; few connections do.
    pub(crate) streams: Option<Box<Subscriptions>>,
    pub(crate) login: Login,
}

/// How long a connection may go on without having logged in.
#[derive(Default)]
pub(crate) struct Login {
    /// Since when it has had to, where it has: it opened, or was reset.
    due_since: Option<MonoMs>,
}

impl Login {
    /// Notes what it may do now.
    fn note(&mut self, role: Option<Role>, now: MonoMs) {
        self.due_since = if role.is_none() { self.due_since.or(Some(now)) } else { None };
    }

    /// Whether it took longer than it may; 0: it may take any time.
    pub(crate) fn is_overdue(&self, allowed_ms: u64, now: MonoMs) -> bool {
        let waits = |since: MonoMs| now.0.saturating_sub(since.0) >= allowed_ms;
        allowed_ms > 0 && self.due_since.is_some_and(waits)
    }
}

impl RespTalk {
    /// Files a new connection in the register.
    pub(crate) fn new(socket: &TcpStream, worker: usize, shared: &Shared, now: MonoMs) -> RespTalk {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let ends = Ends {
            peer: socket.peer_addr().unwrap_or(unknown),
            local: socket.local_addr().unwrap_or(unknown),
            fd: socket.as_raw_fd(),
        };
        let card = shared.register.add(worker, ends, now);
        let session = RespSession::new(card.id, shared.default_role());
        let mut login = Login::default();
        login.note(session.role(), now);
        RespTalk { session, card, exec: None, streams: None, login }
    }

    /// What it holds beside its buffers: a transaction that gathers, or waits.
    pub(crate) fn held_bytes(&self) -> usize {
        self.session.queued_bytes() + self.exec.as_ref().map_or(0, |exec| exec.held_bytes())
    }

    /// Notes an answer that took long.
    pub(crate) fn note_slow(&self, command: &'static str, took_ms: u64, shared: &Shared) {
        if took_ms < shared.config.slow_ms {
            return;
        }
        let (took_us, peer) = (took_ms.saturating_mul(1_000), self.card.peer());
        shared.stats.note_slow(Slow { id: 0, wall_s: wall_s(), took_us, command, peer });
    }
}

/// What a request is called in the slow log; `None` for a poll, which may be held on purpose.
pub(crate) fn slow_name(kind: RequestKind) -> Option<&'static str> {
    Some(match kind {
        RequestKind::Poll => return None,
        RequestKind::Join => "q.join",
        RequestKind::Leave => "q.leave",
        RequestKind::Stats => "q.stats",
        RequestKind::Hash => "raft|hash",
        _ => "q.zone",
    })
}

/// What a command that is answered here costs, about, in polls.
const REPLY_STEPS: u32 = 4;

/// Answers the commands at the head of `input`.
pub(crate) fn drive(
    input: &[u8],
    talk: &mut RespTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Driven {
    let mut args = std::mem::take(&mut desk.args);
    let mut consumed = 0;
    let stop = loop {
        let rest = input.get(consumed..).unwrap_or_default();
        if rest.is_empty() {
            break Stop::Starved { needed: 1 };
        }
        if desk.budget == 0 || desk.signer.is_spent() || (consumed > 0 && desk.pace.is_over()) {
            break Stop::Budget;
        }
        // A transaction that has begun goes on: what it holds of its own reply would else be in its own way.
        if talk.exec.is_none() && line.is_full(desk.out.len(), desk.passing.soft_bytes()) {
            break Stop::Full;
        }
        if line.is_blocked() {
            break Stop::Blocked;
        }
        desk.budget -= 1;
        desk.pace.step();
        match command(rest, &mut args, talk, line, desk, turn) {
            Ok(len) => consumed += len,
            Err(stop) => break stop,
        }
    };
    desk.args = args;
    Driven { consumed, stop }
}

/// The length of the command that was answered, or why the next one has to wait.
fn command(
    input: &[u8],
    args: &mut ArgsBuf,
    talk: &mut RespTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Result<usize, Stop> {
    let bounds = match talk.session.role() {
        Some(_) => RequestBounds::ORDINARY,
        None => RequestBounds::UNAUTHENTICATED,
    };
    match decode(input, bounds, args) {
        Ok(Decoded::Request { args, consumed }) => {
            if let Some(token) = next_token(input, consumed, args) {
                desk.shared.directory.prefetch(turn.guard, token);
            }
            run(args, talk, line, desk, turn)?;
            desk.counts.resp_requests += 1;
            Ok(consumed)
        }
        Ok(Decoded::Empty { consumed }) => Ok(consumed),
        Ok(Decoded::Incomplete { needed }) => Err(Stop::Starved { needed }),
        Err(malformed) => {
            refuse(&format!("ERR {malformed}"), talk.session.proto(), line, desk);
            Err(Stop::Close)
        }
    }
}

/// The last argument of the next command, where that begins with the same bytes as this one of three
/// arguments: pipelines of polls do. Only for a hint, so that its memory is on the way while this one is answered.
fn next_token<'a>(input: &'a [u8], consumed: usize, args: Args<'_>) -> Option<&'a [u8]> {
    let token = args.get(2).filter(|_| args.len() == 3)?;
    let (this, next) = input.split_at_checked(consumed)?;
    // Commands end with their last argument and a line end; where that argument was unquoted it is not part of
    // the input, and then the comparison or the token's shape fails.
    let start = consumed.checked_sub(token.len() + 2)?;
    let (head, found) = next.split_at_checked(start)?;
    (this.starts_with(head)).then(|| found.get(..token.len()))?
}

fn run(
    args: Args<'_>,
    talk: &mut RespTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Result<(), Stop> {
    let (mark, behind) = (desk.out.len(), line.is_behind());
    let closes = match talk.exec.take() {
        Some(exec) => exec::run(exec, talk, line, desk, turn)?,
        None => begin(args, talk, line, desk, turn)?,
    };
    desk.counts.errors += u64::from(desk.out.get(mark) == Some(&b'-'));
    if behind && desk.out.len() > mark {
        line.hold(mark, desk);
    }
    if closes {
        channels::forget(&mut talk.session, line.key, desk);
        return Err(Stop::Close);
    }
    Ok(())
}

/// Whether the connection closes after this command.
fn begin(
    args: Args<'_>,
    talk: &mut RespTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Result<bool, Stop> {
    let step = execute(args, &mut talk.session, &*desk.shared, &mut desk.out);
    talk.login.note(talk.session.role(), turn.now);
    reading::end_with_resp3(talk);
    let mut closes = matches!(step, Step::Close);
    if closes && is_http(args) {
        note_http(talk, desk, turn);
    }
    match step {
        Step::Ask(request, kind) => ask(&request, kind, talk.session.proto(), line, desk, turn)?,
        Step::Key(call) => {
            let is_question = !call.op.is_change();
            keys::ask(call, talk.session.proto(), talk.session.command(), line, desk, turn)?;
            if is_question {
                desk.pace.look();
            }
        }
        Step::Exec(queue) => {
            closes = exec::run(Box::new(Exec::new(queue.into_bytes())), talk, line, desk, turn)?;
        }
        Step::Follow(streams) => {
            reading::follow(streams, talk, line, desk);
            talk.card.update(&talk.session);
            desk.pace.look();
        }
        Step::Unfollow(keys) => {
            reading::unfollow(&keys, talk, desk);
            talk.card.update(&talk.session);
            desk.pace.look();
        }
        // It is understood again when those before it have theirs.
        Step::Channels(Wish::Publish { .. }) if desk.post.is_late() => return Err(Stop::Budget),
        Step::Channels(wish) => {
            closes = !channels::fulfil(&wish, talk, line.key, desk);
            talk.card.update(&talk.session);
            desk.pace.look();
        }
        // Names change with commands that are answered here, never with polls.
        Step::Replied | Step::Close => {
            talk.card.update(&talk.session);
            desk.pace.spend(REPLY_STEPS);
        }
    }
    Ok(closes)
}

/// Says, now and then, that somebody here was made to speak HTTP to this port.
fn note_http(talk: &RespTalk, desk: &mut Desk, turn: Turn<'_>) {
    let told = &desk.shared.http_told_at;
    let before = told.load(Ordering::Relaxed);
    if (before == 0 || turn.now.0.saturating_sub(before) >= limit::HTTP_TOLD_MS)
        && told.compare_exchange(before, turn.now.0.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        let is_local = talk.card.peer().ip().to_canonical().is_loopback();
        tracing::warn!(
            is_local,
            "possible attack: POST or Host: came to the RESP port, as if a web page sent it; the connection was closed"
        );
    }
}

fn ask(
    request: &Request<'_>,
    kind: RequestKind,
    proto: Proto,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Result<(), Stop> {
    let awaited = || Awaited::Resp(kind, proto);
    match line.ask(request, is_write(kind), awaited, desk, turn) {
        Asked::Wait => Err(Stop::Waiting),
        Asked::Later => Ok(()),
        Asked::Told(told) => {
            let out = &mut desk.out;
            let directory = &desk.shared.directory;
            told.show(request, directory, &mut desk.signer, |answer| encode_answer(answer, kind, proto, out));
            Ok(())
        }
    }
}

/// Whether reads behind it have to wait.
pub(super) fn is_write(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Join | RequestKind::Leave | RequestKind::ZoneSet | RequestKind::ZoneDel)
}

/// Writes the last reply of a connection that cannot be understood any further.
fn refuse(text: &str, proto: Proto, line: &mut Line, desk: &mut Desk) {
    desk.counts.errors += 1;
    let mark = desk.out.len();
    Writer::new(&mut desk.out, proto).error(text.as_bytes());
    if line.is_behind() {
        line.hold(mark, desk);
    }
}

#[cfg(test)]
mod tests {
    use super::Login;
    use crate::resp::server::Role;
    use sluice_engine::time::MonoMs;

    #[test]
    fn who_is_reset_has_the_time_to_log_in_of_who_has_just_come() {
        let mut login = Login::default();
        login.note(None, MonoMs(0));
        login.note(None, MonoMs(9));
        assert!(!login.is_overdue(10, MonoMs(9)) && login.is_overdue(10, MonoMs(10)));
        assert!(!login.is_overdue(0, MonoMs(10)), "any time");
        login.note(Some(Role::Client), MonoMs(9));
        assert!(!login.is_overdue(10, MonoMs(1_000)));
        login.note(None, MonoMs(1_000));
        assert!(!login.is_overdue(10, MonoMs(1_009)) && login.is_overdue(10, MonoMs(1_010)));
    }
}
