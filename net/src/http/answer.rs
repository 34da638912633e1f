//! An engine's answer as a response, by what was asked.

use super::json::Object;
use super::place::{whole, write_resource, write_traffic};
use super::problem::Problem;
use super::recall::Purpose;
use super::respond::{Field, Media, Responder, Shape};
use crate::request::Answer;
use sluice_engine::directory::Directory;

/// Writes the response. True where it is an error.
pub(crate) fn write(
    purpose: Purpose,
    shape: Shape,
    answer: &Answer<'_>,
    asked_zone: &[u8],
    directory: &Directory,
    to: &mut Responder<'_>,
) -> bool {
    match (purpose, answer) {
        (Purpose::Wait | Purpose::Entry, Answer::Place { zone, token, standing }) => {
            write_traffic(to.body, zone, token, *standing);
            to.send(200, Media::Json, shape, &[]);
        }
        (Purpose::TokenCreate, Answer::Place { zone, token, standing }) => {
            write_resource(to.body, zone, token, *standing);
            to.send(201, Media::Json, shape, &[Field::Location(zone, token)]);
        }
        (Purpose::TokenGet, Answer::Place { zone, token, standing }) => {
            write_resource(to.body, zone, token, *standing);
            to.send(200, Media::Json, shape, &[]);
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
                Problem::refused(sluice_engine::error::Refusal::NoZone).send(to, shape);
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

/// Milliseconds as whole seconds, rounded up; unknown stays -1.
fn seconds(ms: i64) -> i64 {
    if ms < 0 { -1 } else { ms.saturating_add(999) / 1_000 }
}
