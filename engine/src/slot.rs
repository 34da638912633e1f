//! Which group a key belongs to: Redis Cluster's slots, shared out over the groups.

use crate::id::GroupId;
use crc::{CRC_16_XMODEM, Crc};

/// Slots of the key space.
pub const SLOTS: u16 = 16_384;
const CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a key: CRC16 of the key, or of the part in the first non-empty `{…}`, modulo 16384.
///
/// ```
/// use sluice_engine::slot::slot_of;
/// assert_eq!(slot_of(b"foo"), 12_182);
/// assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
/// ```
#[must_use]
pub fn slot_of(key: &[u8]) -> u16 {
    CRC16.checksum(tag_of(key)) % SLOTS
}

/// The group of a key when `groups` groups share the slots evenly, in ranges.
#[must_use]
pub fn group_of(key: &[u8], groups: u16) -> GroupId {
    let group = u32::from(slot_of(key)) * u32::from(groups) / u32::from(SLOTS);
    GroupId(group as u16)
}

fn tag_of(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|byte| *byte == b'}') {
        Some(close) if close > 0 => &rest[..close],
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::{group_of, slot_of};

    #[test]
    fn slots_agree_with_redis_cluster() {
        // Figures from `CLUSTER KEYSLOT`.
        let cases: [(&[u8], u16); 5] = [
            (b"", 0),
            (b"foo", 12_182),
            (b"{foo}bar", 12_182),
            (b"foo{}{bar}", 8_363),
            (b"foo{{bar}}zap", 4_015),
        ];
        cases.iter().for_each(|(key, slot)| assert_eq!(slot_of(key), *slot, "{key:?}"));
    }

    #[test]
    fn every_group_gets_a_share() {
        let mut keys = [0u32; 6];
        (0..6_000).for_each(|n| keys[usize::from(group_of(format!("zone-{n}").as_bytes(), 6).0)] += 1);
        assert!(keys.iter().all(|count| (800..1_200).contains(count)), "{keys:?}");
    }
}
