//! `EXEC`: the commands of a transaction, carried out in one go.
//!
//! ```text
//! MULTI │ XADD a │ PING │ XADD b │ XLEN a │ EXEC       a, b in different groups
//!
//!          part 1: group of a [XADD a, XLEN a] ─┐
//!          part 2: group of b [XADD b]         ─┴─▶ gather: *4 │ a[0] │ +PONG │ b[0] │ a[1]
//! ```
//! All operations on keys of one group are one request and so atomic. Everything else is run in order as usual. The reply is
//! written by the last place, when all parts are there.

use super::channels;
use super::keys::{AwaitedKey, refusal_of};
use super::line::{Asked, Line};
use super::pending::{Awaited, Gather};
use super::reading;
use super::resp::{RespTalk, is_write};
use super::settled::Settled;
use super::stop::Stop;
use super::telling::Telling;
use crate::limit;
use crate::pass::Signer;
use crate::pubsub::Wish;
use crate::request::RequestKind;
use crate::resp::args::ArgsBuf;
use crate::resp::command::key_call::KeyCall;
use crate::resp::command::spread::{Merge, Spread, spread};
use crate::resp::command::{Step, encode_answer, encode_refusal, execute};
use crate::resp::decode::{Decoded, RequestBounds, decode};
use crate::resp::encode::{Proto, Writer};
use crate::worker::desk::Desk;
use crate::worker::turn::Turn;
use sluice_engine::account::Charge;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::GroupId;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::value::Value;

/// What is told instead of a reply beyond [`limit::EXEC_TEXT_BYTES_MAX`].
const TOO_MUCH_TEXT: &[u8] =
    b"ERR the replies of this transaction take more than 1 MiB, this one was not run";

/// A transaction on its way.
pub(crate) struct Exec {
    /// Its requests; those up to `at` were run.
    requests: Vec<u8>,
    at: usize,
    plan: Plan,
}

/// What is known of the reply.
#[derive(Default)]
pub(crate) struct Plan {
    elements: Vec<Element>,
    /// Replies that were there at once, one behind the other.
    text: Vec<u8>,
    /// Messages to the publisher itself. They go ahead of the reply: none lands inside it.
    ahead: Vec<u8>,
    /// Those were too many: nothing more is run, and there is no reply.
    closes: bool,
    /// Some of it is made by comparing keys with patterns.
    pub(crate) compares: bool,
    /// Parts that are no groups'; they come first.
    asked: usize,
    /// What each group is asked, in one go.
    groups: Vec<(GroupId, Vec<KeyOp>)>,
}

/// The reply to one command.
enum Element {
    /// The next so many bytes of `text`.
    Text(usize),
    /// The next of the parts that are no groups'.
    Answer(RequestKind, Proto),
    /// The answer to one operation.
    Key(Box<AwaitedKey>, Slot),
    /// The answer that several make.
    Merged(Box<AwaitedKey>, Merge, Vec<Slot>),
}

/// Where an answer is: in which group of the plan, and which one there.
#[derive(Clone, Copy)]
struct Slot {
    group: usize,
    nth: usize,
}

impl Exec {
    /// Begins with the first request.
    pub(crate) fn new(requests: Vec<u8>) -> Exec {
        Exec { requests, at: 0, plan: Plan::default() }
    }

    /// What it takes in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        let ops = self.plan.groups.iter().map(|(_, ops)| ops.capacity() * size_of::<KeyOp>()).sum::<usize>();
        // The operations' texts are copies of what the requests say.
        2 * self.requests.capacity() + self.plan.held_bytes() + ops
    }
}

/// Carries the transaction out, as far as it does not have to wait, for changes before it or for a turn that may sign more passes:
/// then it is kept in `talk` and goes on from there. Whether the connection has to be closed then.
pub(crate) fn run(
    mut exec: Box<Exec>,
    talk: &mut RespTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Result<bool, Stop> {
    match run_all(&mut exec, talk, line, desk, turn) {
        Ok(()) => {
            let closes = exec.plan.closes;
            finish(exec.plan, line, desk, turn);
            talk.card.update(&talk.session);
            Ok(closes)
        }
        Err(stop) => {
            talk.exec = Some(exec);
            Err(stop)
        }
    }
}

fn run_all(
    exec: &mut Exec,
    talk: &mut RespTalk,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Result<(), Stop> {
    let (mut args, from) = (ArgsBuf::new(), exec.at);
    while !exec.plan.closes
        && let Some(rest) = exec.requests.get(exec.at..).filter(|rest| !rest.is_empty())
    {
        // They were decoded before they were queued.
        let Ok(Decoded::Request { args, consumed }) = decode(rest, RequestBounds::ORDINARY, &mut args) else {
            break;
        };
        if desk.signer.is_spent() || (desk.pace.is_over() && exec.at > from) {
            // The rest is run in the next turn; nothing of this connection comes between.
            return Err(Stop::Budget);
        }
        let mark = desk.out.len();
        if exec.plan.said_bytes() >= limit::EXEC_TEXT_BYTES_MAX {
            Writer::new(&mut desk.out, talk.session.proto()).error(TOO_MUCH_TEXT);
            exec.plan.say(mark, &mut desk.out);
            exec.at += consumed;
            continue;
        }
        match execute(args, &mut talk.session, &*desk.shared, &mut desk.out) {
            Step::Key(call) => {
                exec.plan.add(call, talk.session.proto(), talk.session.command(), &desk.shared.directory);
            }
            Step::Ask(request, kind) => {
                let proto = talk.session.proto();
                match line.ask(&request, is_write(kind), || Awaited::Part, desk, turn) {
                    Asked::Wait => return Err(Stop::Waiting),
                    Asked::Later => exec.plan.wait_for(kind, proto),
                    Asked::Told(told) => {
                        let out = &mut desk.out;
                        told.show(&request, &desk.shared.directory, &mut desk.signer, |answer| {
                            encode_answer(answer, kind, proto, out)
                        });
                        exec.plan.say(mark, &mut desk.out);
                    }
                }
            }
            Step::Follow(streams) => {
                reading::follow(streams, talk, line, desk);
                exec.plan.say(mark, &mut desk.out);
            }
            Step::Unfollow(keys) => {
                reading::unfollow(&keys, talk, desk);
                exec.plan.say(mark, &mut desk.out);
            }
            Step::Channels(Wish::Publish { .. }) if desk.post.is_late() => return Err(Stop::Budget),
            Step::Channels(wish) => {
                exec.plan.closes = !channels::fulfil(&wish, talk, line.key, desk);
                if let Wish::Publish { .. } = wish {
                    exec.plan.say_published(mark, &mut desk.out);
                }
                exec.plan.say(mark, &mut desk.out);
            }
            // What ends a connection or a transaction is never queued.
            Step::Replied | Step::Exec(_) | Step::Close => exec.plan.say(mark, &mut desk.out),
        }
        reading::end_with_resp3(talk);
        exec.at += consumed;
        desk.budget = desk.budget.saturating_sub(1);
        desk.pace.look();
    }
    if !exec.plan.closes && waits(&exec.plan, line) { Err(Stop::Waiting) } else { Ok(()) }
}

/// Whether what the transaction asks has to wait for what the connection asked before.
fn waits(plan: &Plan, line: &Line) -> bool {
    let asks_only = |(_, ops): &(GroupId, Vec<KeyOp>)| !ops.iter().any(KeyOp::is_change);
    line.has_questions() || (line.has_writes() && plan.groups.iter().any(asks_only))
}

/// Sends what the groups are asked, and sees to it that the reply is written.
fn finish(mut plan: Plan, line: &mut Line, desk: &mut Desk, turn: Turn<'_>) {
    if plan.closes {
        // Half of it would be worse than nothing.
        plan.groups.clear();
    }
    if plan.asked == 0 && plan.groups.is_empty() {
        // It asked no group anything: all of it is text.
        let mut telling = plan.telling(Vec::new(), &desk.shared.directory, &mut desk.signer);
        desk.out.append(telling.out());
        return;
    }
    for (group, ops) in &mut plan.groups {
        let ops = std::mem::take(ops);
        let write = ops.iter().any(KeyOp::is_change);
        line.ask_part(*group, Ask::Keys(ops), write, desk, turn);
    }
    line.buffers(&mut desk.pool).pending.push_gather(Gather::Exec(Box::new(plan)), turn.now);
}

impl Plan {
    /// Bytes of what was said so far.
    fn said_bytes(&self) -> usize {
        self.text.len() + self.ahead.len()
    }

    /// What it takes in memory, without what groups are asked.
    pub(crate) fn held_bytes(&self) -> usize {
        self.text.capacity() + self.ahead.capacity() + self.elements.capacity() * size_of::<Element>()
    }

    /// A reply that is there: what stands in `out` from `mark` on.
    fn say(&mut self, mark: usize, out: &mut Vec<u8>) {
        let said = out.get(mark..).unwrap_or_default();
        self.text.extend_from_slice(said);
        self.elements.push(Element::Text(said.len()));
        out.truncate(mark);
    }

    /// Messages in front of the number that ends `out`; there is none where they were too many.
    fn say_published(&mut self, mark: usize, out: &mut Vec<u8>) {
        let number = if self.closes {
            out.len()
        } else {
            out.iter().rposition(|byte| *byte == b':').unwrap_or(mark).max(mark)
        };
        self.ahead.extend(out.drain(mark..number));
    }

    fn wait_for(&mut self, kind: RequestKind, proto: Proto) {
        self.asked += 1;
        self.elements.push(Element::Answer(kind, proto));
    }

    fn add(&mut self, call: KeyCall, proto: Proto, command: &'static str, directory: &Directory) {
        let mut call = call.at_once();
        let mut awaited = Box::new(AwaitedKey::of(&mut call, proto, command));
        self.compares |= awaited.shape.compares();
        let groups = directory.groups() as u16;
        let element = match spread(call.op, &mut awaited.shape, groups, |key| directory.group_of(key)) {
            Spread::One(group, op) => Element::Key(awaited, self.slot(group, *op)),
            Spread::Many(parts, merge) => {
                let slots = parts.into_iter().map(|(group, op)| self.slot(group, op)).collect();
                Element::Merged(awaited, merge, slots)
            }
        };
        self.elements.push(element);
    }

    fn slot(&mut self, of: GroupId, op: KeyOp) -> Slot {
        let group = self.groups.iter().position(|(known, _)| *known == of).unwrap_or_else(|| {
            self.groups.push((of, Vec::new()));
            self.groups.len() - 1
        });
        let ops = &mut self.groups[group].1;
        ops.push(op);
        Slot { group, nth: ops.len() - 1 }
    }

    /// The reply; `parts` are the answers, those of the groups last.
    pub(crate) fn telling(self, parts: Vec<Settled>, directory: &Directory, signer: &mut Signer) -> Telling {
        let mut parts = parts.into_iter();
        let asked: Vec<_> = parts.by_ref().take(self.asked).collect();
        let mut asked = asked.into_iter();
        // What was charged for the answers stays so until they are written.
        let mut charges = Charge::default();
        let mut groups: Vec<GroupAnswer> = parts.map(|part| answer_of(part, &mut charges)).collect();
        let mut text = &self.text[..];
        let mut telling = Telling::default();
        telling.out().extend_from_slice(&self.ahead);
        if self.closes {
            return telling;
        }
        Writer::new(telling.out(), Proto::Resp2).array(self.elements.len());
        for element in self.elements {
            match element {
                Element::Text(len) => {
                    let (said, rest) = text.split_at_checked(len).unwrap_or((text, b""));
                    telling.out().extend_from_slice(said);
                    text = rest;
                }
                Element::Answer(kind, proto) => match asked.next() {
                    Some(settled) => {
                        let out = telling.out();
                        settled.show(b"", directory, signer, |answer| encode_answer(answer, kind, proto, out))
                    }
                    None => encode_refusal(Refusal::Gone, telling.out()),
                },
                Element::Key(awaited, slot) => match take(&mut groups, slot) {
                    Ok(value) => awaited.tell_value(value, &mut telling),
                    Err(refusal) => encode_refusal(refusal, telling.out()),
                },
                Element::Merged(awaited, merge, slots) => {
                    let values: Result<Vec<_>, _> =
                        slots.into_iter().map(|slot| take(&mut groups, slot)).collect();
                    match values {
                        Ok(values) => awaited.tell_value(merge.merge(values), &mut telling),
                        Err(refusal) => encode_refusal(refusal, telling.out()),
                    }
                }
            }
        }
        telling.charged(charges)
    }
}

/// What a group said: a value for each operation, or why it did none of them.
type GroupAnswer = Result<Vec<Option<Value>>, Refusal>;

fn answer_of(settled: Settled, charges: &mut Charge) -> GroupAnswer {
    match settled {
        Settled::Reply(Reply::Keys(values, charge)) => {
            charges.join(charge);
            Ok(values.into_iter().map(Some).collect())
        }
        other => Err(refusal_of(&other)),
    }
}

fn take(groups: &mut [GroupAnswer], slot: Slot) -> Result<Value, Refusal> {
    match groups.get_mut(slot.group) {
        Some(Ok(values)) => values.get_mut(slot.nth).and_then(Option::take).ok_or(Refusal::Gone),
        Some(Err(refusal)) => Err(*refusal),
        None => Err(Refusal::Gone),
    }
}
