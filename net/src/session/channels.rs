//! What a connection wishes of the channels, carried out: `SUBSCRIBE` and its family, `PUBLISH`.

use super::resp::RespTalk;
use crate::limit;
use crate::pubsub::post::Post;
use crate::pubsub::subscriptions::{Subscriptions, weight};
use crate::pubsub::{Kind, Wish, shown};
use crate::resp::args::Args;
use crate::resp::command::fault::Fault;
use crate::resp::encode::Writer;
use crate::resp::session::RespSession;
use crate::shared::Shared;
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
    let (shared, post) = (&desk.shared, &mut desk.post);
    let fits = kept.len() + count <= limit::SUBSCRIPTIONS_PER_SESSION_MAX;
    let account = shared.directory.account();
    let charge = if fits { shared.channels.reserve(count, bytes, account) } else { None };
    let Some(charge) = charge else {
        Writer::new(&mut desk.out, proto).error(&Fault::Subscriptions.text());
        return;
    };
    kept.charge(charge);
    for name in names.iter() {
        if !kept.contains(kind, name) {
            if !listen(kind, name, kept, key, post, shared) {
                Writer::new(&mut desk.out, proto).error(&Fault::Subscriptions.text());
                break;
            }
            count -= 1;
            bytes -= weight(name);
        }
        shown::confirmation(&mut desk.out, proto, shown::word(kind, true), Some(name), kept.len());
    }
    shared.channels.free(count, bytes);
    kept.give_back(bytes);
}

/// The connection listens to this too. False where there are too many patterns, of all or of its own.
fn listen(
    kind: Kind,
    name: &[u8],
    kept: &mut Subscriptions,
    key: SessionKey,
    post: &mut Post,
    shared: &Shared,
) -> bool {
    if kind == Kind::Channel {
        kept.add_channel(post.listen(name, key, shared));
        return true;
    }
    let Some((name, price)) = post.listen_to_pattern(name, key, kept.price_left(), shared) else {
        return false;
    };
    kept.add_pattern(name, price);
    true
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
    let proto = session.proto();
    let Ok(receivers) = desk.post.publish(channel, payload, key, &desk.shared) else {
        Writer::new(&mut desk.out, proto).error(&Fault::TooDear.text());
        return true;
    };
    if let Some(kept) = session.subscriptions() {
        let (most, from, out) = (desk.passing.pushed_bytes_max(), desk.out.len(), &mut desk.out);
        let named = kept.contains(Kind::Channel, channel).then_some(None);
        let matching = desk.post.matching.iter().filter(|name| kept.contains(Kind::Pattern, name));
        for pattern in named.into_iter().chain(matching.map(Some)) {
            if out.len() - from > most {
                desk.shared.channels.note_closed();
                return false;
            }
            shown::message(out, proto, pattern.map(|name| &**name), channel, payload);
            desk.counts.delivered += 1;
        }
    }
    desk.counts.published += 1;
    Writer::new(&mut desk.out, proto).count(receivers.all);
    desk.budget = desk.budget.saturating_sub(receivers.here as usize / limit::RECEIVERS_PER_REQUEST);
    true
}
