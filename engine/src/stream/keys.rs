//! What concerns keys, whatever they name: `DEL`, `EXISTS`, `TYPE`, deadlines, `SCAN`.

use super::append::error;
use super::keyspace::Keyspace;
use super::op::{Clock, Expire, Scan, Unit};
use super::text::Text;
use super::value::Value;
use crate::limit::{SCAN_BYTES_MAX, SCAN_PLACES_MAX};
use crate::time::WallMs;

const MS_A_SECOND: i64 = 1_000;

impl Keyspace {
    pub(super) fn delete_keys(&mut self, keys: &[Text], wall: WallMs) -> Value {
        let mut gone = 0;
        for key in keys {
            if let Some(slot) = self.slot_at(key, wall) {
                self.remove(slot);
                gone += 1;
            }
        }
        Value::Integer(gone)
    }

    pub(super) fn exists(&self, keys: &[Text], wall: WallMs) -> Value {
        Value::Integer(keys.iter().filter(|key| self.live(key, wall).is_some()).count() as i64)
    }

    pub(super) fn type_of(&self, key: &Text, wall: WallMs) -> Value {
        let kind = if self.live(key, wall).is_some() { "stream" } else { "none" };
        Value::Simple(kind.to_owned())
    }

    pub(super) fn expire(&mut self, expire: &Expire, wall: WallMs) -> Value {
        let Some(at) = deadline(expire, wall) else {
            return error(&format!("ERR invalid expire time in '{}' command", command(expire)));
        };
        let Some(slot) = self.slot_at(&expire.key, wall) else { return Value::Integer(0) };
        let before = self
            .key(slot)
            .and_then(|key| key.expires)
            .map(|expires| i64::try_from(expires.0).unwrap_or(i64::MAX));
        let when = expire.when;
        let refused = (when.none && before.is_some())
            || (when.some && before.is_none())
            || (when.later && before.is_none_or(|before| at <= before))
            || (when.earlier && before.is_some_and(|before| at >= before));
        if refused {
            return Value::Integer(0);
        }
        match u64::try_from(at) {
            Ok(at) if at > wall.0 => self.set_deadline(slot, Some(WallMs(at))),
            _ => self.remove(slot),
        }
        Value::Integer(1)
    }

    pub(super) fn ttl(&self, key: &Text, unit: Unit, clock: Clock, at: (WallMs, WallMs)) -> Value {
        let (wall, now) = at;
        let Some(key) = self.live(key, wall) else { return Value::Integer(-2) };
        let Some(expires) = key.expires else { return Value::Integer(-1) };
        let ms = match clock {
            Clock::Relative => expires.0.saturating_sub(now.0),
            Clock::Absolute => expires.0,
        };
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        Value::Integer(match unit {
            Unit::Ms => ms,
            Unit::Seconds => ms / MS_A_SECOND + i64::from(ms % MS_A_SECOND >= MS_A_SECOND / 2),
        })
    }

    pub(super) fn persist(&mut self, key: &Text, wall: WallMs) -> Value {
        let Some(slot) = self.slot_at(key, wall) else { return Value::Integer(0) };
        let had_one = self.key(slot).is_some_and(|key| key.expires.is_some());
        self.set_deadline(slot, None);
        Value::Integer(i64::from(had_one))
    }

    /// Keys keep their slots, so one that is there during a whole scan is met.
    pub(super) fn scan(&self, scan: &Scan, wall: WallMs) -> Value {
        let end = scan.from.saturating_add(scan.count.clamp(1, SCAN_PLACES_MAX));
        let slots = (self.slot_count() as u64).min(u64::from(u32::MAX));
        let end = end.min(slots);
        let (mut at, mut keys, mut bytes) = (scan.from.min(slots), Vec::new(), 0);
        while at < end && bytes < SCAN_BYTES_MAX {
            if let Some(key) = self.key(at as u32).filter(|key| key.is_live(wall)) {
                bytes += key.name.len();
                keys.push(Value::Text(key.name.clone()));
            }
            at += 1;
        }
        let next = if at < slots { at as i64 } else { 0 };
        Value::Array(vec![Value::Integer(next), Value::Array(keys)])
    }
}

/// When the key goes, in ms since 1970; `None` where that cannot be told.
fn deadline(expire: &Expire, wall: WallMs) -> Option<i64> {
    let ms = match expire.unit {
        Unit::Seconds => expire.time.checked_mul(MS_A_SECOND)?,
        Unit::Ms => expire.time,
    };
    match expire.clock {
        Clock::Relative => ms.checked_add(i64::try_from(wall.0).ok()?),
        Clock::Absolute => Some(ms),
    }
}

fn command(expire: &Expire) -> &'static str {
    match (expire.unit, expire.clock) {
        (Unit::Seconds, Clock::Relative) => "expire",
        (Unit::Ms, Clock::Relative) => "pexpire",
        (Unit::Seconds, Clock::Absolute) => "expireat",
        (Unit::Ms, Clock::Absolute) => "pexpireat",
    }
}
