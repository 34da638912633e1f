//! An operation on keys as a command asks for it, and what its answer becomes on the wire.

use super::glob::{Pattern, Steps};
use super::stream::namespace;
use super::value::encode_value;
use crate::resp::encode::{Proto, Writer};
use crate::resp::limit::PATTERN_STEPS_MAX;
use sluice_engine::pass::PassKeyId;
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::value::Value;

/// What a command asks of keys.
#[derive(Clone, PartialEq, Debug)]
pub struct KeyCall {
    /// The operation; a [`KeyOp::Scan`] still has the client's cursor.
    pub op: Box<KeyOp>,
    /// What its answer becomes.
    pub shape: Shape,
    /// How long to wait where a read finds nothing, in ms; 0: for ever. `None`: not at all.
    pub wait_ms: Option<u64>,
}

impl KeyCall {
    /// One that is answered as it is, at once.
    #[must_use]
    pub fn new(op: KeyOp) -> KeyCall {
        KeyCall { op: Box::new(op), shape: Shape::Whole, wait_ms: None }
    }

    /// The same without any wait: within a transaction nothing waits.
    #[must_use]
    pub fn at_once(mut self) -> KeyCall {
        self.wait_ms = None;
        match &mut *self.op {
            KeyOp::Read(read) => read.waits = false,
            KeyOp::ReadGroup(read) => read.waits = false,
            _ => {}
        }
        self
    }
}

/// What an answer becomes.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// It is told as it is.
    Whole,
    /// A step of `SCAN`: the client's next cursor, and the keys that it wants.
    Scan(Box<ScanStep>),
    /// `KEYS`: those that match.
    Keys(Box<[u8]>),
    /// `X.NAMESPACE GET`: the one of this prefix.
    Namespace(Box<[u8]>),
    /// `Q.KEY INSTALL`: the id of the key, once it is there.
    PassKey(PassKeyId),
}

/// One step of a `SCAN` over all groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanStep {
    /// `MATCH`.
    pub pattern: Option<Box<[u8]>>,
    /// `TYPE` names something else than streams, of which there is nothing.
    pub none: bool,
    /// The group that is looked at.
    pub group: u16,
    /// How many there are.
    pub groups: u16,
}

impl Shape {
    /// Whether keys are compared with a pattern.
    #[must_use]
    pub fn compares(&self) -> bool {
        matches!(self, Shape::Scan(_) | Shape::Keys(_))
    }

    /// Appends the answer.
    pub fn encode(&self, value: &Value, proto: Proto, out: &mut Vec<u8>) {
        match (self, value) {
            (Shape::Scan(step), Value::Array(parts)) => {
                if let [Value::Integer(next), Value::Array(keys)] = &parts[..] {
                    step.encode(*next as u64, keys, proto, out);
                } else {
                    encode_value(value, proto, out);
                }
            }
            (Shape::Keys(pattern), Value::Array(keys)) => listed(keys, Some(pattern), proto, out),
            (Shape::Namespace(prefix), Value::Array(spaces)) => {
                let found = spaces.iter().find(|space| namespace::is_of(space, prefix));
                encode_value(found.unwrap_or(&Value::Null), proto, out);
            }
            (Shape::PassKey(id), Value::Done) => Writer::new(out, proto).bulk(id.to_string().as_bytes()),
            _ => encode_value(value, proto, out),
        }
    }
}

/// What `KEYS` says where the pattern and the keys are so long that others would wait.
const TOO_MANY_STEPS: &[u8] = b"ERR to compare all keys with this pattern takes too long, use SCAN";

impl ScanStep {
    fn encode(&self, next: u64, keys: &[Value], proto: Proto, out: &mut Vec<u8>) {
        let mut reply = Writer::new(out, proto);
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(self.cursor(next)).as_bytes());
        listed(if self.none { &[] } else { keys }, self.pattern.as_deref(), proto, out);
    }

    /// The client's next cursor where `next` is the group's: the end of one group is the beginning of the next one.
    fn cursor(&self, next: u64) -> u64 {
        let (group, groups) = (u64::from(self.group), u64::from(self.groups));
        match next {
            0 if group + 1 < groups => group + 1,
            0 => 0,
            next => next.saturating_mul(groups).saturating_add(group),
        }
    }
}

/// Those of the keys that match; an error where it takes too long to find out. A step of a scan is short enough for any pattern.
fn listed(keys: &[Value], pattern: Option<&[u8]>, proto: Proto, out: &mut Vec<u8>) {
    let mut reply = Writer::new(out, proto);
    // Its length was checked when the command was read.
    let Ok(pattern) = pattern.map(Pattern::new).transpose() else { return reply.array(0) };
    let mut steps = Steps::new(PATTERN_STEPS_MAX);
    let mut chosen = Vec::new();
    for key in keys {
        let Value::Text(key) = key else { continue };
        match pattern.as_ref().map_or(Some(true), |pattern| pattern.matches_within(key, &mut steps)) {
            Some(true) => chosen.push(&key[..]),
            Some(false) => {}
            None => return reply.error(TOO_MANY_STEPS),
        }
    }
    reply.array(chosen.len());
    chosen.into_iter().for_each(|key| reply.bulk(key));
}
