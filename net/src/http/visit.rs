//! One request on its way through routing and its handler.

use super::answer;
use super::decode::Call;
use super::handler;
use super::handler::subscribe::ACCESS_TOKEN;
use super::percent;
use super::problem::Problem;
use super::recall::{Purpose, Recall};
use super::respond::{Field, Media, Responder, Shape};
use super::route::{Method, Route};
use crate::auth::Trust;
use crate::caller::{Caller, ClientNetwork};
use crate::provenance::Known;
use crate::request::Request;
use crate::session::events::EventTalk;
use crate::session::line::{Asked, Line};
use crate::session::pending::{Awaited, Cost};
use crate::session::told::subject;
use crate::worker::desk::Desk;
use crate::worker::turn::Turn;
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::op::KeyOp;

/// What is to be done with a request after its handler ran.
#[must_use]
pub(crate) enum Handled {
    /// Answered, or its answer will come.
    Done,
    /// Answered, and the connection ends with it.
    Last,
    /// The response is an event stream, whose beginning was written.
    Events(Box<EventTalk>),
    /// It has to wait for the connection's earlier changes; nothing was done.
    Wait,
    /// It has to wait until everything before it is answered; nothing was done.
    Behind,
}

/// A request, and everything its handler may use.
pub(crate) struct Visit<'v, 'g> {
    pub(crate) call: &'v Call<'v>,
    pub(crate) method: Method,
    pub(crate) shape: Shape,
    /// Where the connection comes from.
    pub(crate) network: ClientNetwork,
    /// A listed proxy passed the request on.
    pub(crate) is_proxy: bool,
    pub(crate) line: &'v mut Line,
    pub(crate) desk: &'v mut Desk,
    pub(crate) turn: Turn<'g>,
}

/// Answers one request.
pub(crate) fn handle(
    call: &Call<'_>,
    (network, is_proxy): (ClientNetwork, bool),
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Handled {
    let shape = Shape {
        keep_alive: call.fields.keep_alive,
        old: call.fields.old,
        head_only: call.method == "HEAD",
        is_secret: percent::parameters(call.query).any(|(name, _)| name == ACCESS_TOKEN),
        origin: call.fields.origin.and_then(|origin| allowed(origin, &desk.shared.config.cors_origins)),
    };
    let method = Method::parse(call.method);
    let mut visit =
        Visit { call, method: method.unwrap_or(Method::Options), shape, network, is_proxy, line, desk, turn };
    let Some(route) = Route::of(call.path) else {
        return visit.problem(&Problem::new(404, "NOTFOUND", "there is no such path"));
    };
    if percent::is_repeated(call.query) {
        let problem = Problem::new(400, "MALFORMED", "a parameter is given twice");
        return visit.problem(&Problem { traffic: route.is_traffic(), ..problem });
    }
    match (method, route) {
        (Some(Method::Options), _) => visit.options(route),
        (Some(Method::Post), Route::Entry) => handler::entry::run(&mut visit),
        (Some(Method::Post), Route::Wait) => handler::wait::run(&mut visit),
        (Some(Method::Post), Route::Tokens { zone }) => handler::tokens::run(&mut visit, zone),
        (Some(Method::Get | Method::Head | Method::Delete), Route::Token { zone, token }) => {
            handler::token::run(&mut visit, zone, token)
        }
        (Some(Method::Get | Method::Head), Route::TokenEvents { zone, token }) => {
            handler::events::run(&mut visit, zone, token)
        }
        (Some(Method::Get | Method::Head), Route::StreamEvents { key }) => {
            handler::stream::one(&mut visit, key)
        }
        (Some(Method::Post), Route::StreamEvents { key }) => handler::append::run(&mut visit, key),
        (Some(Method::Post), Route::SubscribeTokens) => handler::subscribe::run(&mut visit),
        (Some(Method::Get | Method::Head), Route::Streams) => handler::stream::many(&mut visit),
        (Some(Method::Get | Method::Head), Route::Zone { zone }) => handler::zone::run(&mut visit, zone),
        (Some(Method::Get | Method::Head | Method::Post), Route::Room { zone }) => {
            handler::room::run(&mut visit, zone)
        }
        (Some(Method::Get | Method::Head), Route::Demo) => handler::pages::demo(&mut visit),
        (Some(Method::Get | Method::Head), Route::Page { name }) => handler::pages::asset(&mut visit, name),
        (Some(Method::Get | Method::Head), Route::Health) => handler::health::alive(&mut visit),
        (Some(Method::Get | Method::Head), Route::Ready) => handler::health::ready(&mut visit),
        (Some(Method::Get | Method::Head), Route::OpenApi) => handler::openapi::run(&mut visit),
        (Some(Method::Get | Method::Head), Route::PassKeys) => handler::pass_keys::run(&mut visit),
        _ => {
            let (allow, traffic) = (Some(route.methods()), route.is_traffic());
            let problem = Problem::new(405, "METHOD", "the method does not apply");
            visit.problem(&Problem { allow, traffic, ..problem })
        }
    }
}

impl Visit<'_, '_> {
    /// Who asks, as far as the ids of requests are concerned.
    pub(crate) fn caller(&self) -> Caller<'static> {
        match self.desk.shared.config.auth.writer_digest(self.call.fields.authorization) {
            Some(digest) => Caller::Writer(digest),
            None => Caller::Anonymous(caller_address(self)),
        }
    }

    /// Asks the engine; the answer becomes the response, now or later.
    pub(crate) fn ask(&mut self, request: &Request<'_>, purpose: Purpose) -> Handled {
        let shape = self.shape;
        let (zone, _) = subject(request);
        let awaited = || Awaited::Http(Box::new(Recall::new(purpose, shape, zone)));
        match self.line.ask(request, purpose.is_write(), awaited, self.desk, self.turn) {
            Asked::Wait => Handled::Wait,
            Asked::Later => Handled::Done,
            Asked::Told(told) => {
                let desk = &mut *self.desk;
                let directory = &desk.shared.directory;
                let mut to = Responder {
                    out: &mut desk.out,
                    body: &mut desk.body,
                    date: &desk.date,
                    origins: &desk.shared.config.cors_origins,
                };
                let failed = told.show(request, directory, &mut desk.signer, |answer| {
                    answer::write(purpose, shape, answer, zone, directory, &mut to)
                });
                desk.counts.errors += u64::from(failed);
                Handled::Done
            }
        }
    }

    /// Whether the caller may name users, append, and read every stream; the problem where not.
    ///
    /// The one place where that is decided: where nobody is asked for credentials, a caller of this machine is trusted, but
    /// not whom a proxy forwards, nor a web page.
    pub(crate) fn privilege(&self, without: Problem) -> Result<(), Problem> {
        let (config, fields) = (&self.desk.shared.config, &self.call.fields);
        let trust = config.auth.writer(fields.authorization).ok_or(without)?;
        // Who opens the port to other machines without credentials trusts everybody.
        if trust == Trust::Token || !config.http.ip().is_loopback() {
            return Ok(());
        }
        let known = Known { names: &config.names, origins: &config.cors_origins };
        let objection =
            if self.is_proxy { fields.provenance.page(known) } else { fields.provenance.objection(known) };
        objection.map_or(Ok(()), |objection| Err(Problem::new(403, "NOPERM", objection.text())))
    }

    /// Asks the owner of a key; the answer becomes the response, now or later.
    pub(crate) fn ask_key(&mut self, key: &[u8], op: KeyOp, purpose: Purpose) -> Handled {
        let (shape, write) = (self.shape, op.is_change());
        if self.line.must_wait(write) {
            return Handled::Wait;
        }
        let desk = &mut *self.desk;
        let group = desk.shared.directory.group_of(key);
        let ticket = self.line.ticket(desk.me);
        let cost = Cost::of(&op);
        match desk.shards.ask_keys(group, Ask::Key(Box::new(op)), ticket, self.turn.now) {
            Some(settled) => {
                let mut to = Responder {
                    out: &mut desk.out,
                    body: &mut desk.body,
                    date: &desk.date,
                    origins: &desk.shared.config.cors_origins,
                };
                let directory = &desk.shared.directory;
                let failed = settled.show(b"", directory, &mut desk.signer, |answer| {
                    answer::write(purpose, shape, answer, b"", directory, &mut to)
                });
                desk.counts.errors += u64::from(failed);
            }
            None => {
                let awaited = Awaited::Http(Box::new(Recall::new(purpose, shape, b"")));
                self.line.buffers(&mut desk.pool).pending.push_asked(awaited, cost, self.turn.now);
            }
        }
        Handled::Done
    }

    /// Answers with an error.
    pub(crate) fn problem(&mut self, problem: &Problem) -> Handled {
        self.desk.counts.errors += 1;
        let shape = self.shape;
        problem.send(&mut self.desk.responder(), shape);
        Handled::Done
    }

    /// Answers with a body that is at hand.
    pub(crate) fn respond(&mut self, status: u16, media: Media, body: &[u8]) -> Handled {
        let shape = self.shape;
        let mut to = self.desk.responder();
        to.body.extend_from_slice(body);
        to.send(status, media, shape, &[]);
        Handled::Done
    }

    /// What may be done to a resource, and by pages of which origin.
    fn options(&mut self, route: Route<'_>) -> Handled {
        let shape = self.shape;
        let max_age_s = self.desk.shared.config.cors_max_age_s;
        let methods = route.methods();
        let fields = [Field::Allow(methods), Field::Preflight(methods, max_age_s)];
        let shown = if shape.origin.is_some() { &fields[..] } else { &fields[..1] };
        self.desk.responder().send(204, Media::Text, shape, shown);
        Handled::Done
    }
}

/// Where the caller is. What it says of itself is believed of nobody: behind a load balancer this is the balancer, and only
/// the randomness of their request ids keeps its users apart.
fn caller_address(visit: &Visit<'_, '_>) -> ClientNetwork {
    visit.network
}

/// The index of the configured origin that this one matches.
fn allowed(origin: &[u8], origins: &[String]) -> Option<u8> {
    let index = origins.iter().position(|known| known == "*" || known.as_bytes() == origin)?;
    u8::try_from(index).ok()
}
