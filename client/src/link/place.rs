//! A place as it comes in most replies, read without a tree of values.
//!
//! Costs one allocation, for the token. Whatever looks otherwise than expected is left to the general decoder, which says
//! what is wrong with it, if anything.

use crate::reply::{Place, State};

/// The place at the head of `input` and its length; `None` where the general decoder has to look.
pub(super) fn read(input: &[u8]) -> Option<(Place, usize)> {
    let mut at = Cursor { input, at: 0 };
    let fields = at.number(b'%')?;
    let (mut state, mut token, mut position, mut poll_ms) = (None, None, None, None);
    let (mut eta_ms, mut admitted_at_ms, mut pass, mut stale) = (None, None, None, false);
    for _ in 0..fields {
        match at.string()? {
            b"state" => {
                state = Some(match at.string()? {
                    b"waiting" => State::Waiting,
                    b"admitted" => State::Admitted,
                    _ => return None,
                });
            }
            b"token" => token = Some(at.text()?),
            b"position" => position = Some(at.count()?),
            b"eta_ms" => eta_ms = Some(at.number(b':')?),
            b"poll_ms" => poll_ms = Some(at.count()?),
            b"admitted_at" => admitted_at_ms = Some(at.count()?),
            b"pass" => pass = Some(at.text()?),
            b"stale" => stale = at.count()? != 0,
            _ => return None,
        }
    }
    let place = Place {
        state: state?,
        token: token?.to_owned(),
        position: position?,
        eta_ms: eta_ms.and_then(|eta| u64::try_from(eta).ok()),
        poll_ms: poll_ms?,
        pass: pass.map(str::to_owned),
        admitted_at_ms,
        stale,
    };
    Some((place, at.at))
}

/// A borrowing cursor; each step is `None` where the input ends or is something else.
struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A line of a type and a number.
    fn number(&mut self, kind: u8) -> Option<i64> {
        let [first, line @ ..] = self.input.get(self.at..)? else { return None };
        if *first != kind {
            return None;
        }
        let (minus, digits) = match line {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let mut value = 0_i64;
        for (index, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?,
                b'\r' if index > 0 && digits.get(index + 1) == Some(&b'\n') => {
                    self.at += 1 + usize::from(minus) + index + 2;
                    return Some(if minus { -value } else { value });
                }
                _ => return None,
            }
        }
        None
    }

    fn count(&mut self) -> Option<u64> {
        u64::try_from(self.number(b':')?).ok()
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number(b'$')?).ok()?;
        let end = self.at.checked_add(len)?;
        let string = self.input.get(self.at..end)?;
        (self.input.get(end..end + 2)? == b"\r\n").then(|| self.at = end + 2)?;
        Some(string)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use sluice_net::resp::reply::{Reply, decode};

    use super::read;
    use crate::reply::Place;

    const WAITING: &str = "%5\r\n$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n$3\r\nabc\r\n$8\r\nposition\r\n:7\r\n\
                           $6\r\neta_ms\r\n:-1\r\n$7\r\npoll_ms\r\n:3000\r\n";
    const ADMITTED: &str = "%8\r\n$5\r\nstate\r\n$8\r\nadmitted\r\n$5\r\ntoken\r\n$3\r\nabc\r\n$8\r\nposition\r\n:0\r\n\
                            $6\r\neta_ms\r\n:0\r\n$7\r\npoll_ms\r\n:0\r\n$11\r\nadmitted_at\r\n:1795737600000\r\n\
                            $4\r\npass\r\n$5\r\np.q.r\r\n$5\r\nstale\r\n:1\r\n";

    #[test]
    fn a_place_is_the_one_that_the_general_decoder_reads() {
        for text in [WAITING, ADMITTED] {
            let Ok(Reply::Value { value, consumed }) = decode(text.as_bytes()) else { panic!("is whole") };
            let place = Place::read(&value).expect("is a place");
            assert_eq!(read(text.as_bytes()), Some((place.clone(), consumed)));
            assert_eq!(
                read(format!("{text}:1\r\n").as_bytes()),
                Some((place, consumed)),
                "what follows is left"
            );
        }
    }

    #[test]
    fn whatever_else_is_left_to_the_general_decoder() {
        for text in [WAITING, ADMITTED] {
            for len in 0..text.len() {
                assert_eq!(read(&text.as_bytes()[..len]), None, "cut at {len}");
            }
        }
        let others =
            ["+OK\r\n", "%1\r\n+state\r\n+waiting\r\n", "%0\r\n", "%-\r\n", "%99999999999999999999\r\n"];
        for other in others {
            assert_eq!(read(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(read(WAITING.replace("waiting", "waltzin").as_bytes()), None);
        assert_eq!(read(WAITING.replace(":7", ":-7").as_bytes()), None);
    }
}
