//! An engine's answer as a response, by what was asked.

use super::entries;
use super::json::Object;
use super::pages::language::Language;
use super::pages::room::{Stage, Visitor};
use super::place::{whole, write_resource, write_traffic};
use super::problem::Problem;
use super::recall::Purpose;
use super::respond::{Field, Media, Responder, Shape};
use crate::request::Answer;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::reply::{Departure, Standing};

const ADMITTED: Problem = Problem::new(409, "ADMITTED", "this token was let in: it has no place to give up");

/// Writes the response. True where it is an error.
pub(crate) fn write(
    purpose: Purpose,
    shape: Shape,
    answer: &Answer<'_>,
    asked_zone: &[u8],
    directory: &Directory,
    to: &mut Responder<'_>,
) -> bool {
    if let Purpose::Room { .. } | Purpose::RoomJoin { .. } = purpose {
        return write_room(purpose, shape, answer, asked_zone, directory, to);
    }
    if let Answer::Value(value) = answer {
        return entries::write(purpose, shape, value, to);
    }
    match (purpose, answer) {
        (Purpose::Wait | Purpose::Entry, Answer::Place { zone, token, standing, pass }) => {
            write_traffic(to.body, zone, token, *standing, *pass);
            to.send(200, Media::Json, shape, &[]);
        }
        (Purpose::TokenCreate, Answer::Place { zone, token, standing, pass }) => {
            write_resource(to.body, zone, token, *standing, *pass);
            to.send(201, Media::Json, shape, &[Field::Location(zone, token)]);
        }
        (Purpose::TokenGet, Answer::Place { zone, token, standing, pass }) => {
            write_resource(to.body, zone, token, *standing, *pass);
            to.send(200, Media::Json, shape, &[]);
        }
        (Purpose::TokenDelete, Answer::Left(Departure::Admitted)) => {
            ADMITTED.send(to, shape);
            return true;
        }
        // Giving up what was given up already is what the caller wanted, too.
        (Purpose::TokenDelete, Answer::Left(_)) => to.send(204, Media::Json, shape, &[]),
        (Purpose::Zone, Answer::Stats(stats)) => match directory.settings(asked_zone) {
            Some(settings) => {
                let mut object = Object::open(to.body);
                object.text("zone", asked_zone).text("mode", settings.mode.word().as_bytes());
                object.number("waiting", whole(stats.waiting)).number("etaSeconds", seconds(stats.eta_ms));
                object.number("pollMs", i64::from(settings.poll_ms));
                object.close();
                to.send(200, Media::Json, shape, &[]);
            }
            None => {
                Problem::refused(Refusal::NoZone).send(to, shape);
                return true;
            }
        },
        (_, Answer::Refused(refusal)) => {
            let problem = Problem::refused(*refusal);
            if purpose.is_traffic() { problem.for_traffic() } else { problem }.send(to, shape);
            return true;
        }
        // The owner answers what it was asked; anything else is our own fault.
        _ => {
            Problem::new(500, "ERR", "the answer does not fit the question").send(to, shape);
            return true;
        }
    }
    false
}

/// The waiting page as the answer makes it; who just joined is led back to it with the place.
fn write_room(
    purpose: Purpose,
    shape: Shape,
    answer: &Answer<'_>,
    asked_zone: &[u8],
    directory: &Directory,
    to: &mut Responder<'_>,
) -> bool {
    let mut shown = "";
    let (stage, from, language) = match (answer, purpose) {
        (Answer::Place { zone, token, standing, .. }, Purpose::RoomJoin { language }) => {
            let from = if let Standing::Waiting(waiting) = standing { waiting.position } else { 0 };
            to.send(303, Media::Text, shape, &[Field::SeeOther(zone, token, from, language)]);
            return false;
        }
        (Answer::Place { token, standing, pass, .. }, Purpose::Room { language, from }) => {
            shown = std::str::from_utf8(pass.unwrap_or_default()).unwrap_or_default();
            (Stage::Placed(std::str::from_utf8(token).unwrap_or_default(), *standing), from, language)
        }
        // Who has a place keeps it where it cannot be told now.
        (
            Answer::Refused(Refusal::Busy { .. } | Refusal::NoLeader { .. }),
            Purpose::Room { language, from },
        ) => (Stage::Untold, from, language),
        (Answer::Refused(refusal), Purpose::Room { language, .. } | Purpose::RoomJoin { language }) => {
            (Stage::Refused(*refusal), 0, language)
        }
        _ => (Stage::Joining, 0, Language::English),
    };
    let settings = directory.settings(asked_zone);
    let zone = std::str::from_utf8(asked_zone).unwrap_or_default();
    let visitor = Visitor { zone, settings: settings.as_deref(), language, from, stage, pass: shown };
    let status = visitor.write(to.body);
    to.send(status, Media::Html, shape, &[Field::Page(language)]);
    matches!(stage, Stage::Refused(_) | Stage::Untold)
}

/// Milliseconds as whole seconds, rounded up; unknown stays -1.
fn seconds(ms: i64) -> i64 {
    if ms < 0 { -1 } else { ms.saturating_add(999) / 1_000 }
}
