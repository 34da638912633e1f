//! `GET /demo` and the files that pages load.

use crate::http::pages::{Asset, write_demo};
use crate::http::problem::Problem;
use crate::http::respond::{Field, Media};
use crate::http::visit::{Handled, Visit};

pub(crate) fn demo(visit: &mut Visit<'_, '_>) -> Handled {
    let shape = visit.shape;
    let mut to = visit.desk.responder();
    let language = write_demo(to.body);
    to.send(200, Media::Html, shape, &[Field::Page(language)]);
    Handled::Done
}

pub(crate) fn asset(visit: &mut Visit<'_, '_>, name: &str) -> Handled {
    let Some(asset) = Asset::of(name) else {
        return visit.problem(&Problem::new(404, "NOTFOUND", "there is no such path"));
    };
    let shape = visit.shape;
    let kept = asset.is_version(visit.call.query);
    let mut to = visit.desk.responder();
    to.body.extend_from_slice(asset.bytes);
    to.send(200, asset.media, shape, &[Field::Kept(kept)]);
    Handled::Done
}
