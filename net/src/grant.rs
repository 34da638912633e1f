//! Subscribe tokens: who holds one may read the streams that it names, until it runs out.
//!
//! ```text
//! version u8 │ runs out at, wall ms, u64 BE │ length u16 BE │ key │ length │ key │ … │ HMAC-SHA-256 of all before
//! ```
//! The text is that in base64url without padding. Every node of the cluster knows the key of the MAC; nothing is stored, so a
//! token cannot be taken back before it runs out. A name that ends in `*` stands for all keys that begin with what is before it.

use crate::limit::{GRANT_BYTES_MAX, GRANT_KEYS_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sluice_engine::time::WallMs;

/// What the MAC's key is derived for.
pub(crate) const PURPOSE: &[u8] = b"subscribe tokens";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 9;
const MAC_BYTES: usize = 32;

/// What an authentic token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Grant {
    /// When it runs out.
    pub(crate) until: WallMs,
    /// Keys and prefixes.
    names: Vec<Vec<u8>>,
}

impl Grant {
    /// Of these names, until then. `None`: no token can say that.
    pub(crate) fn new<'n>(names: impl Iterator<Item = &'n [u8]>, until: WallMs) -> Option<Grant> {
        let names: Vec<Vec<u8>> = names.map(<[u8]>::to_vec).collect();
        let bytes: usize = names.iter().map(|name| 2 + name.len()).sum();
        let fits = (1..=GRANT_KEYS_MAX).contains(&names.len())
            && names.iter().all(|name| !name.is_empty())
            && bytes <= GRANT_BYTES_MAX;
        fits.then_some(Grant { until, names })
    }

    /// Whether its holder may read the stream.
    pub(crate) fn allows(&self, key: &[u8]) -> bool {
        self.names.iter().any(|name| match name.split_last() {
            Some((b'*', prefix)) => key.starts_with(prefix),
            _ => name == key,
        })
    }

    /// The token.
    pub(crate) fn sign(&self, secret: &[u8; 32]) -> String {
        let mut raw = vec![VERSION];
        raw.extend_from_slice(&self.until.0.to_be_bytes());
        for name in &self.names {
            raw.extend_from_slice(&(name.len() as u16).to_be_bytes());
            raw.extend_from_slice(name);
        }
        let tag = mac(secret, &raw).finalize().into_bytes();
        raw.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(raw)
    }

    /// What a token says; `None` where it was not made here.
    pub(crate) fn verify(token: &[u8], secret: &[u8; 32]) -> Option<Grant> {
        let raw = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, tag) = raw.split_at_checked(raw.len().checked_sub(MAC_BYTES)?)?;
        // In constant time.
        mac(secret, signed).verify_slice(tag).ok()?;
        let (head, mut rest) = signed.split_first_chunk::<HEAD_BYTES>()?;
        let (version, until) = head.split_first()?;
        let until = WallMs(u64::from_be_bytes(until.try_into().ok()?));
        let mut names = Vec::new();
        while let Some((len, behind)) = rest.split_first_chunk::<2>() {
            let (name, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            names.push(name.to_vec());
            rest = behind;
        }
        (*version == VERSION && rest.is_empty()).then_some(Grant { until, names })
    }
}

/// A key shorter than a block is padded with zeros: what HMAC does itself.
fn mac(secret: &[u8; 32], bytes: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    let (start, _) = block.split_at_mut(secret.len());
    start.copy_from_slice(secret);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    mac.update(bytes);
    mac
}

#[cfg(test)]
mod tests {
    use super::{Grant, mac};
    use crate::limit::{GRANT_BYTES_MAX, GRANT_KEYS_MAX};
    use hmac::Mac as _;
    use sluice_engine::time::WallMs;

    const SECRET: [u8; 32] = [7; 32];

    fn grant(names: &[&str]) -> Option<Grant> {
        Grant::new(names.iter().map(|name| name.as_bytes()), WallMs(50))
    }

    #[test]
    fn a_token_names_keys_and_prefixes() {
        let grant = grant(&["scan:7", "chat:*", "*x"]).unwrap();
        for (key, allowed) in [
            ("scan:7", true),
            ("scan:71", false),
            ("scan:", false),
            ("chat:", true),
            ("chat:1", true),
            ("chat", false),
            ("*x", true),
            ("ax", false),
            ("", false),
        ] {
            assert_eq!(grant.allows(key.as_bytes()), allowed, "{key}");
        }
        assert!(super::Grant::new([&b"*"[..]].into_iter(), WallMs(0)).unwrap().allows(b"anything"));
    }

    #[test]
    fn what_was_signed_comes_back_and_nothing_else_does() {
        let grant = grant(&["scan:7", "chat:*"]).unwrap();
        let token = grant.sign(&SECRET);
        assert_eq!(Grant::verify(token.as_bytes(), &SECRET), Some(grant));
        assert_eq!(Grant::verify(token.as_bytes(), &[8; 32]), None, "of another cluster");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(Grant::verify(&changed, &SECRET), None, "changed at {at}");
            assert_eq!(Grant::verify(&token.as_bytes()[..at], &SECRET), None, "cut at {at}");
        }
        assert_eq!(Grant::verify(format!("{token}=").as_bytes(), &SECRET), None);
    }

    #[test]
    fn bounds_are_kept() {
        assert!(grant(&[]).is_none() && grant(&["a", ""]).is_none());
        assert!(grant(&["a"; GRANT_KEYS_MAX]).is_some() && grant(&["a"; GRANT_KEYS_MAX + 1]).is_none());
        let long = "a".repeat(GRANT_BYTES_MAX - 2);
        assert!(grant(&[&long]).is_some() && grant(&[&long, "b"]).is_none());
    }

    #[test]
    fn the_mac_is_hmac_sha_256() {
        // Cases 1 to 3 of RFC 4231; their keys are shorter, and zeros behind a key change nothing.
        for (key, data, expected) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        ] {
            let mut secret = [0; 32];
            secret[..key.len()].copy_from_slice(key);
            let tag = mac(&secret, data).finalize().into_bytes();
            let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected);
        }
    }
}
