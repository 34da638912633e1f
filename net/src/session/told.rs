//! An answer that is there at once, and how any answer is shown to an encoder.

use super::settled::Settled;
use crate::pass::Signer;
use crate::request::{Answer, Request};
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::zone::settings::{ZoneName, ZoneSettings};
use std::sync::Arc;

/// The answer to a request whose bytes are still there.
pub(crate) enum Told {
    /// To a poll or a peek; the token is the one that was sent.
    Standing(Standing),
    /// From an owner.
    Settled(Settled),
    /// A zone's settings.
    Settings(Arc<ZoneSettings>),
    /// All zones.
    Zones(Vec<ZoneName>),
}

impl Told {
    /// No.
    pub(crate) fn refused(refusal: Refusal) -> Told {
        Told::Settled(Settled::refused(refusal))
    }

    /// Why nothing is told, where that is so.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Told::Settled(Settled::Reply(Reply::Refused(refusal))) => Some(*refusal),
            _ => None,
        }
    }

    /// Calls `show` with the answer to `request`. The admitted are given their pass.
    pub(crate) fn show<R>(
        &self,
        request: &Request<'_>,
        directory: &Directory,
        signer: &mut Signer,
        show: impl FnOnce(&Answer<'_>) -> R,
    ) -> R {
        let (zone, token) = subject(request);
        match self {
            Told::Standing(standing @ Standing::Admitted(stamp)) => {
                let own = directory.verify(zone, token).ok();
                let pass = own.and_then(|own| signer.pass(directory, &own, token, *stamp));
                show(&Answer::Place { zone, token, standing: *standing, pass })
            }
            Told::Standing(standing) => show(&Answer::Place { zone, token, standing: *standing, pass: None }),
            Told::Settled(settled) => settled.show(zone, directory, signer, show),
            Told::Settings(settings) => show(&Answer::Zone { zone, settings }),
            Told::Zones(names) => show(&Answer::Zones(names)),
        }
    }
}

impl Settled {
    /// Calls `show` with the answer. Writes the token's text again, because the request's bytes may be gone.
    pub(crate) fn show<R>(
        &self,
        zone: &[u8],
        directory: &Directory,
        signer: &mut Signer,
        show: impl FnOnce(&Answer<'_>) -> R,
    ) -> R {
        match self {
            Settled::Decided(decision) => show(&Answer::Decided(decision)),
            Settled::Passed(passed) => match directory.text(&passed.token) {
                Some(text) => {
                    let (standing, pass) = (Standing::Admitted(passed.stamp), passed.pass.as_deref());
                    show(&Answer::Place { zone, token: text.as_bytes(), standing, pass })
                }
                None => show(&Answer::Refused(Refusal::Gone)),
            },
            Settled::Reply(Reply::Place { token, standing }) => match directory.text(token) {
                Some(text) => {
                    let (own, text) = (token, text.as_bytes());
                    let pass = match standing {
                        Standing::Admitted(stamp) => signer.pass(directory, own, text, *stamp),
                        Standing::Waiting(_) => None,
                    };
                    show(&Answer::Place { zone, token: text, standing: *standing, pass })
                }
                // No group of this node: nobody here would accept the token.
                None => show(&Answer::Refused(Refusal::Gone)),
            },
            Settled::Reply(Reply::Settings(name, settings)) => {
                show(&Answer::Zone { zone: name.as_str().as_bytes(), settings })
            }
            Settled::Reply(Reply::Stats(stats)) => show(&Answer::Stats(stats)),
            Settled::Reply(Reply::Hash { index, hash }) => show(&Answer::Hash { index: *index, hash: *hash }),
            Settled::Reply(Reply::Left(left)) => show(&Answer::Left(*left)),
            Settled::Reply(Reply::ZoneSet { created }) => show(&Answer::ZoneSet { created: *created }),
            Settled::Reply(Reply::ZoneDeleted(was)) => show(&Answer::ZoneDeleted(*was)),
            Settled::Reply(Reply::Key(value, _)) => show(&Answer::Value(value)),
            Settled::Reply(Reply::Keys(values, _)) => show(&Answer::Values(values)),
            Settled::Reply(Reply::Refused(refusal)) => show(&Answer::Refused(*refusal)),
            // No client asks for what is answered so.
            Settled::Reply(Reply::KeyChanged) => show(&Answer::Refused(Refusal::Gone)),
        }
    }
}

/// The zone and the token that a request names; empty where it names none.
pub(crate) fn subject<'a>(request: &Request<'a>) -> (&'a [u8], &'a [u8]) {
    match request {
        Request::Poll { zone, token } | Request::Peek { zone, token } | Request::Leave { zone, token } => {
            (zone, token)
        }
        Request::Join { zone, .. }
        | Request::ZoneSet { zone, .. }
        | Request::ZoneGet { zone }
        | Request::ZoneDel { zone }
        | Request::Stats { zone } => (zone, b""),
        Request::ZoneList | Request::Hash(_) | Request::Administer(_) => (b"", b""),
    }
}
