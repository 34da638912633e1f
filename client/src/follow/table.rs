//! The streams that a follower has, and how far it has come in each: pure, without a connection.
//!
//! Each key has a *generation*, given when it is added. What was asked of the server is kept in order; a push for a key counts
//! only while the key is *live*, that is, from the reply to its own `X.SUB` on. So what the server still said about an earlier
//! following of the same key is not taken for the new one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sluice_net::resp::reply::Value;

use super::{After, Event, Reason};
use crate::client::{unexpected, word};
use crate::cursor::Cursor;
use crate::fault::Error;
use crate::limit::{ASKED_MAX, FOLLOWED_MAX};
use crate::stream::{Fields, fields};

/// Wishes that may wait to be sent; they are many only where keys come and go and nothing is read.
const WISHES_MAX: usize = 2 * FOLLOWED_MAX;

/// All streams of a follower.
#[derive(Debug, Default)]
pub(super) struct Table {
    keys: HashMap<Arc<[u8]>, Follow>,
    /// To be sent, in order.
    wishes: VecDeque<Wish>,
    /// Sent and not answered, in order.
    asked: VecDeque<Asked>,
    generations: u64,
    /// More was wished than is kept: only a new connection, to which everything is said, can fulfil it.
    is_overgrown: bool,
}

#[derive(Debug)]
struct Follow {
    generation: u64,
    after: After,
    /// The server has said that it follows.
    is_live: bool,
    /// It was live on a connection that is lost, before its place was known.
    has_missed: bool,
}

#[derive(Debug)]
enum Wish {
    Follow(Arc<[u8]>, u64),
    Leave(Arc<[u8]>),
}

#[derive(Debug)]
enum Asked {
    Follow(Arc<[u8]>, u64),
    Nothing,
}

/// What a reply means for the follower.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing to tell.
    Quiet,
    /// The caller is told.
    Told(Event),
    /// The server is overloaded: nothing is asked of it for so many ms.
    Pause(u64),
}

impl Table {
    /// Whether nothing is followed.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Follows `key`, in place of an earlier following of it.
    pub(super) fn add(&mut self, key: &[u8], after: After) -> Result<(), Error> {
        if self.keys.len() >= FOLLOWED_MAX && !self.keys.contains_key(key) {
            return Err(Error::Invalid("a follower has at most 131,072 streams"));
        }
        self.generations += 1;
        let (key, generation) = (Arc::<[u8]>::from(key), self.generations);
        self.keys.insert(key.clone(), Follow { generation, after, is_live: false, has_missed: false });
        self.wish(Wish::Follow(key, generation));
        Ok(())
    }

    /// Follows `key` no longer; false where it did not.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let Some((key, _)) = self.keys.remove_entry(key) else { return false };
        self.wish(Wish::Leave(key));
        true
    }

    fn wish(&mut self, wish: Wish) {
        self.is_overgrown |= self.wishes.len() >= WISHES_MAX;
        if self.is_overgrown {
            self.wishes.clear();
        } else {
            self.wishes.push_back(wish);
        }
    }

    /// Whether only a new connection helps.
    pub(super) fn is_overgrown(&self) -> bool {
        self.is_overgrown
    }

    /// A new connection knows of nothing: everything is asked for again, in the order in which it was added.
    pub(super) fn restart(&mut self) {
        self.asked.clear();
        self.is_overgrown = false;
        for follow in self.keys.values_mut() {
            follow.has_missed |= follow.is_live && follow.after == After::Newest;
            follow.is_live = false;
        }
        let mut keys: Vec<_> =
            self.keys.iter().map(|(key, follow)| (follow.generation, key.clone())).collect();
        keys.sort_unstable_by_key(|(generation, _)| *generation);
        self.wishes = keys.into_iter().map(|(generation, key)| Wish::Follow(key, generation)).collect();
    }

    /// Writes the next request; `None` where there is none, or too much is unanswered. A place that was lost before it was
    /// known is told first.
    pub(super) fn ask(&mut self, output: &mut Vec<u8>) -> Option<Outcome> {
        if self.asked.len() >= ASKED_MAX {
            return None;
        }
        match self.wishes.pop_front()? {
            Wish::Leave(key) => {
                crate::encode_command(output, &[b"X.UNSUB", &key]);
                self.asked.push_back(Asked::Nothing);
            }
            Wish::Follow(key, generation) => {
                let Some(follow) = self.keys.get_mut(&key).filter(|follow| follow.generation == generation)
                else {
                    return Some(Outcome::Quiet);
                };
                if std::mem::take(&mut follow.has_missed) {
                    self.wishes.push_front(Wish::Follow(key.clone(), generation));
                    let gap = Event::Gap { key, reason: Reason::Unknown, oldest: None, newest: None };
                    return Some(Outcome::Told(gap));
                }
                match follow.after {
                    After::Oldest => crate::encode_command(output, &[b"X.SUB", &key]),
                    After::Newest => crate::encode_command(output, &[b"X.SUB", &key, b"AFTER", b"$"]),
                    After::Cursor(cursor) => {
                        let cursor = cursor.to_string();
                        crate::encode_command(output, &[b"X.SUB", &key, b"AFTER", cursor.as_bytes()]);
                    }
                }
                self.asked.push_back(Asked::Follow(key, generation));
            }
        }
        Some(Outcome::Quiet)
    }

    /// Asks the server whether it is there.
    pub(super) fn probe(&mut self, output: &mut Vec<u8>) {
        crate::encode_command(output, &[b"PING"]);
        self.asked.push_back(Asked::Nothing);
    }

    /// The server answered, or pushed.
    pub(super) fn hear(&mut self, value: &Value<'_>) -> Result<Outcome, Error> {
        if let Value::Push(parts) = value {
            return self.pushed(parts, value);
        }
        match (self.asked.pop_front(), value) {
            (None, _) => Err(Error::Protocol("a reply that answers nothing".to_owned())),
            (Some(Asked::Nothing), _) => Ok(Outcome::Quiet),
            (Some(Asked::Follow(key, generation)), Value::Error(text)) => {
                Ok(self.refused(key, generation, Error::of_reply(text)))
            }
            (Some(Asked::Follow(key, generation)), _) => {
                if let Some(follow) = self.keys.get_mut(&key).filter(|follow| follow.generation == generation)
                {
                    follow.is_live = true;
                }
                Ok(Outcome::Quiet)
            }
        }
    }

    fn refused(&mut self, key: Arc<[u8]>, generation: u64, error: Error) -> Outcome {
        if self.keys.get(&key).is_none_or(|follow| follow.generation != generation) {
            return Outcome::Quiet;
        }
        match error {
            Error::Busy { retry_ms } | Error::NoLeader { retry_ms } => {
                self.wish(Wish::Follow(key, generation));
                Outcome::Pause(retry_ms)
            }
            error => {
                self.keys.remove(&key);
                Outcome::Told(Event::Refused { key, error })
            }
        }
    }

    fn pushed(&mut self, parts: &[Value<'_>], value: &Value<'_>) -> Result<Outcome, Error> {
        let malformed = || unexpected(value);
        let text = |at: usize| parts.get(at).and_then(Value::bytes).ok_or_else(malformed);
        let (kind, key) = (text(0)?, text(1)?);
        let Some((key, follow)) = self.keys.get_key_value(key) else { return Ok(Outcome::Quiet) };
        if !follow.is_live {
            return Ok(Outcome::Quiet);
        }
        let key = key.clone();
        match kind {
            b"x.entry" => {
                let cursor = cursor(text(2)?)?;
                let part = |at: usize| parts.get(at).ok_or_else(malformed);
                let (id, fields) = (word(part(3)?)?, fields(part(4)?)?);
                Ok(self.entry(key, cursor, id, fields))
            }
            b"x.reset" => {
                let reason = Reason::of(text(2)?);
                let bound = |at: usize| match parts.get(at) {
                    Some(Value::Null) | None => Ok(None),
                    Some(_) => cursor(text(at)?).map(Some),
                };
                let (oldest, newest) = (bound(3)?, bound(4)?);
                self.moved(&key, reason, oldest);
                Ok(Outcome::Told(Event::Gap { key, reason, oldest, newest }))
            }
            b"x.end" => {
                let cursor = cursor(text(2)?)?;
                self.remove(&key);
                Ok(Outcome::Told(Event::End { key, cursor }))
            }
            _ => Ok(Outcome::Quiet),
        }
    }

    fn entry(&mut self, key: Arc<[u8]>, cursor: Cursor, id: String, fields: Fields) -> Outcome {
        let Some(follow) = self.keys.get_mut(&key) else { return Outcome::Quiet };
        if matches!(follow.after, After::Cursor(had) if had.epoch == cursor.epoch && cursor.seq <= had.seq) {
            return Outcome::Quiet;
        }
        follow.after = After::Cursor(cursor);
        Outcome::Told(Event::Entry { key, cursor, id, fields })
    }

    /// Where the server goes on after a reset.
    fn moved(&mut self, key: &[u8], reason: Reason, oldest: Option<Cursor>) {
        let Some(follow) = self.keys.get_mut(key) else { return };
        follow.after = match (reason, oldest) {
            // Behind a hole of which only the beginning is known: the next entry tells.
            (Reason::Deleted, Some(_)) if matches!(follow.after, After::Cursor(_)) => follow.after,
            (_, Some(Cursor { epoch, seq })) => After::Cursor(Cursor { epoch, seq: seq.saturating_sub(1) }),
            (_, None) => After::Oldest,
        };
    }
}

fn cursor(text: &[u8]) -> Result<Cursor, Error> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| Error::Protocol(format!("{text:?} is no cursor")))
}
