//! A reader of one stream over server-sent events.

use super::sse::{Events, payload};
use super::{Fortune, cursor_of};
use crate::history::History;
use crate::plan::Plan;

pub(super) fn read(history: &mut History, fortune: &mut Fortune<'_>) {
    let path = format!("/v1/streams/{}/events", Plan::key(history.stream));
    let mut last_id: Option<String> = None;
    while history.end.is_none() {
        history.resumes(last_id.as_deref().map(cursor_of));
        let at = fortune.place().http.clone();
        let Ok((status, mut events)) = Events::open(&at, &path, last_id.as_deref()) else {
            std::thread::yield_now();
            continue;
        };
        match status {
            200 => while listen(history, &mut last_id, &mut events) && fortune.holds() {},
            204 => history.is_over(),
            429 | 503 => {}
            other => panic!("{path} from {last_id:?}: {other}"),
        }
    }
}

/// Takes one event; false where nothing more comes.
fn listen(history: &mut History, last_id: &mut Option<String>, events: &mut Events) -> bool {
    let Ok(frame) = events.next() else { return false };
    match &*frame.event {
        "message" => {
            let id = frame.id.as_deref().expect("an entry has an id");
            history.entry(cursor_of(id), payload(&frame.data));
        }
        "reset" => {
            assert_eq!(frame.id, None, "a reset has no id");
            let reason = frame.data["reason"].as_str().expect("a reason");
            history.reset(reason, frame.data["oldest"].as_str().map(cursor_of));
        }
        "end" => history.ended(cursor_of(frame.data["cursor"].as_str().expect("a cursor"))),
        other => panic!("an event {other}"),
    }
    if frame.id.is_some() {
        *last_id = frame.id;
    }
    history.end.is_none()
}
