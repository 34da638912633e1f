//! What a connection wishes of the channels, carried out: `SUBSCRIBE` and its family, `PUBLISH`.

use super::resp::RespTalk;
use crate::limit;
use crate::pubsub::subscriptions::weight;
use crate::pubsub::{Kind, Wish, shown};
use crate::resp::args::Args;
use crate::resp::command::fault::Fault;
use crate::resp::encode::Writer;
use crate::resp::session::RespSession;
use crate::worker::desk::Desk;
use crate::worker::ticket::SessionKey;

/// Carries it out and writes the reply. False: the connection has to be closed, it listens to itself in too many ways.
#[must_use]
pub(crate) fn fulfil(wish: &Wish<'_>, talk: &mut RespTalk, key: SessionKey, desk: &mut Desk) -> bool {
    let session = &mut talk.session;
    match *wish {
        Wish::Subscribe(kind, names) => subscribe(kind, names, session, key, desk),
        Wish::Unsubscribe(kind, names) => unsubscribe(kind, names, session, key, desk),
        Wish::Publish { channel, payload } => return publish(channel, payload, session, key, desk),
        Wish::Forget => forget(session, key, desk),
    }
    talk.session.tidy_subscriptions();
    true
}

/// The connection listens to nothing any more.
pub(crate) fn forget(session: &mut RespSession, key: SessionKey, desk: &mut Desk) {
    let Some(kept) = session.subscriptions() else { return };
    for kind in [Kind::Channel, Kind::Pattern] {
        for name in kept.names(kind) {
            desk.post.ignore(kind, &name, key, &desk.shared);
        }
    }
    session.clear_subscriptions();
}

fn subscribe(kind: Kind, names: Args<'_>, session: &mut RespSession, key: SessionKey, desk: &mut Desk) {
    let (proto, kept) = (session.proto(), session.subscriptions_mut());
    // A name that is given twice has room twice until the end.
    let fresh = || names.iter().filter(|name| !kept.contains(kind, name));
    let (mut count, mut bytes) = (fresh().count(), fresh().map(weight).sum::<usize>());
    let channels = &desk.shared.channels;
    let fits = kept.len() + count <= limit::SUBSCRIPTIONS_PER_SESSION_MAX && channels.reserve(count, bytes);
    if !fits {
        Writer::new(&mut desk.out, proto).error(&Fault::Subscriptions.text());
        return;
    }
    for name in names.iter() {
        if !kept.contains(kind, name) {
            count -= 1;
            bytes -= weight(name);
            match desk.post.listen(kind, name, key, &desk.shared) {
                Some(name) => kept.insert(kind, name),
                None => {
                    Writer::new(&mut desk.out, proto).error(&Fault::Subscriptions.text());
                    break;
                }
            }
        }
        shown::confirmation(&mut desk.out, proto, shown::word(kind, true), Some(name), kept.len());
    }
    channels.free(count, bytes);
}

fn unsubscribe(kind: Kind, names: Args<'_>, session: &mut RespSession, key: SessionKey, desk: &mut Desk) {
    let (proto, kept) = (session.proto(), session.subscriptions_mut());
    let word = shown::word(kind, false);
    let all = if names.is_empty() { kept.names(kind) } else { Vec::new() };
    if names.is_empty() && all.is_empty() {
        shown::confirmation(&mut desk.out, proto, word, None, kept.len());
    }
    for name in names.iter().chain(all.iter().map(|name| &**name)) {
        if kept.remove(kind, name) {
            desk.post.ignore(kind, name, key, &desk.shared);
        }
        shown::confirmation(&mut desk.out, proto, word, Some(name), kept.len());
    }
}

/// As with Redis 7.0, a publisher that listens itself has its message before its reply.
fn publish(channel: &[u8], payload: &[u8], session: &RespSession, key: SessionKey, desk: &mut Desk) -> bool {
    let (receivers, here) = desk.post.publish(channel, payload, key, &desk.shared);
    let (proto, out) = (session.proto(), &mut desk.out);
    if session.subscriptions().is_some() {
        let mine = desk.post.register.listeners(channel).filter(|(_, keys)| keys.contains(&key));
        let (most, from) = (desk.passing.pushed_bytes_max(), out.len());
        for (pattern, _) in mine {
            if out.len() - from > most {
                desk.shared.channels.note_closed();
                return false;
            }
            shown::message(out, proto, pattern.map(|name| &**name), channel, payload);
            desk.counts.delivered += 1;
        }
    }
    desk.counts.published += 1;
    Writer::new(out, proto).count(receivers);
    desk.budget = desk.budget.saturating_sub(here as usize / limit::RECEIVERS_PER_REQUEST);
    true
}
