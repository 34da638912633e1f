//! From arguments to a reply, or to a question for the engine. Pure: it touches the session, the buffer, and what the
//! server tells; it never waits.

use super::fault::Fault;
use super::key_call::KeyCall;
use super::spec::{Access, CommandSpec, Replies};
use super::transaction::Queue;
use super::{find, help};
use crate::caller::{Caller, RequestId};
use crate::cursor::Position;
use crate::pubsub::Wish;
use crate::request::{Request, RequestKind};
use crate::resp::args::Args;
use crate::resp::encode::Writer;
use crate::resp::server::ServerInfo;
use crate::resp::session::RespSession;
use sluice_engine::id::RequestHash;
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::text::Text;

/// What is to be done after a command.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing: the reply is in the buffer.
    Replied,
    /// Ask this; the answer is encoded by [`encode_answer`](super::answer::encode_answer) with this kind.
    Ask(Request<'a>, RequestKind),
    /// Do this with streams or their keys; the answer is encoded by [`Shape::encode`](super::key_call::Shape::encode).
    Key(KeyCall),
    /// Carry these out, and reply with an array of their replies.
    Exec(Box<Queue>),
    /// Follow these streams; the reply is how many the connection follows then.
    Follow(Vec<(Text, Position)>),
    /// Follow these no longer; the reply is the same.
    Unfollow(Vec<Text>),
    /// Carry this out, and write the reply.
    Channels(Wish<'a>),
    /// Send what is in the buffer, then close. What follows in the input is not read.
    Close,
}

impl<'a> Step<'a> {
    /// The step that asks `request`.
    #[must_use]
    pub fn ask(request: Request<'a>) -> Step<'a> {
        let kind = request.kind();
        Step::Ask(request, kind)
    }

    /// The step that does `op` and answers what comes of it.
    #[must_use]
    pub fn key(op: KeyOp) -> Step<'a> {
        Step::Key(KeyCall::new(op))
    }

    /// The step that does nothing, since `op` has this fault, but says so in Redis's order: first what is not there.
    pub(crate) fn faulty(op: KeyOp, fault: &Fault<'_>) -> Step<'a> {
        Step::key(KeyOp::Faulty(Box::new(op), Text::from(&fault.text()[..])))
    }
}

/// What a command is given.
pub struct Call<'a, 's> {
    /// The request, the command's name first.
    pub args: Args<'a>,
    /// The connection.
    pub session: &'s mut RespSession,
    /// The server.
    pub server: &'s dyn ServerInfo,
    /// Where the reply goes.
    pub out: &'s mut Vec<u8>,
}

/// What a command does.
pub type Run = for<'a, 's> fn(&mut Call<'a, 's>) -> Result<Step<'a>, Fault<'a>>;

impl<'a> Call<'a, '_> {
    /// The argument at `index`. The arity was checked, so one within it is there.
    #[must_use]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index).unwrap_or_default()
    }

    /// The argument at `index`, kept.
    #[must_use]
    pub fn text(&self, index: usize) -> Text {
        Text::from(self.arg(index))
    }

    /// The hash under which a request is remembered that this connection names so.
    #[must_use]
    pub fn request_hash(&self, name: &[u8], user: Option<&[u8]>, id: &[u8]) -> RequestHash {
        let caller = Caller::User(self.session.user());
        self.server.request_hash(name, &RequestId { caller, user, id })
    }

    /// A writer of the reply.
    pub fn reply(&mut self) -> Writer<'_> {
        Writer::new(self.out, self.session.proto())
    }

    /// Replies `OK`.
    ///
    /// # Errors
    /// None; the type is the one that commands end with.
    pub fn ok(&mut self) -> Result<Step<'a>, Fault<'a>> {
        self.reply().ok();
        Ok(Step::Replied)
    }
}

/// Runs one request: finds the command, checks who asks and how many arguments there are, and lets it run.
///
/// Appends to `out` unless the step asks for something to be done. The zone commands allocate nothing.
pub fn execute<'a>(
    args: Args<'a>,
    session: &mut RespSession,
    server: &dyn ServerInfo,
    out: &mut Vec<u8>,
) -> Step<'a> {
    if is_http(args) {
        return Step::Close;
    }
    let mut call = Call { args, session, server, out };
    match dispatch(&mut call) {
        Ok(step) => step,
        Err(fault) => {
            call.reply().error(&fault.text());
            Step::Replied
        }
    }
}

/// A browser that was tricked into sending a request here opens with one of these; nothing it sends may be run.
pub(crate) fn is_http(args: Args<'_>) -> bool {
    let name = args.get(0).unwrap_or_default();
    matches!(name.len(), 4 | 5) && (name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:"))
}

fn dispatch<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let found = look_up(call);
    if let Some(queue) = call.session.queue() {
        match &found {
            Ok(found) if found.spec.at_once => {}
            Ok(found) => {
                let is_scarce = call.server.is_scarce();
                queue.push(call.args, is_scarce).inspect_err(|_| queue.spoil())?;
                call.session.set_command(found.spec.name);
                call.reply().simple("QUEUED");
                return Ok(Step::Replied);
            }
            Err(_) => queue.spoil(),
        }
    }
    let found = found?;
    call.session.set_command(found.spec.name);
    if found.spec.replies != Replies::Short {
        call.server.admit_reply(found.spec.replies)?;
    }
    match found.run {
        Some(run) => run(call),
        None => help::run(call, found.spec),
    }
}

/// What a request asks for.
struct Found {
    spec: &'static CommandSpec,
    /// `None`: its help.
    run: Option<Run>,
}

/// Finds the command, and checks how many arguments there are and who asks.
fn look_up<'a>(call: &mut Call<'a, '_>) -> Result<Found, Fault<'a>> {
    let spec = find(call.arg(0)).ok_or(Fault::UnknownCommand(call.args))?;
    let spec = match call.args.get(1) {
        Some(word) if !spec.subcommands.is_empty() => {
            if word.eq_ignore_ascii_case(b"help") {
                if call.args.len() != 2 {
                    return Err(Fault::HelpArity(spec.name));
                }
                heed_listener(call, spec)?;
                return Ok(Found { spec, run: None });
            }
            spec.subcommand(word).ok_or(Fault::UnknownSubcommand { container: spec.name, word })?
        }
        _ => spec,
    };
    let run = match spec.run {
        Some(run) if spec.takes(call.args.len()) => run,
        _ if spec.name == "exec" => return Err(exec_aborted(call)),
        _ => return Err(Fault::WrongArity(spec.name)),
    };
    permit(call, spec)?;
    heed_listener(call, spec)?;
    Ok(Found { spec, run: Some(run) })
}

/// An `EXEC` that cannot be understood ends the transaction.
fn exec_aborted<'a>(call: &mut Call<'a, '_>) -> Fault<'a> {
    call.session.take_queue();
    Fault::Text("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")
}

/// A RESP2 client that listens takes whatever comes for a message, so few commands are open to it.
fn heed_listener<'a>(call: &Call<'a, '_>, spec: &CommandSpec) -> Result<(), Fault<'a>> {
    if call.session.is_listener() && !spec.for_listeners { Err(Fault::Listening(spec.name)) } else { Ok(()) }
}

fn permit<'a>(call: &Call<'a, '_>, spec: &CommandSpec) -> Result<(), Fault<'a>> {
    match (spec.access, call.session.role()) {
        (Access::Anyone, _) => Ok(()),
        (Access::From(_), None) => Err(Fault::NotLoggedIn),
        (Access::From(needed), Some(role)) if role >= needed => Ok(()),
        (Access::From(_), Some(_)) => Err(Fault::NotPermitted(spec.name)),
    }
}
