//! A reader of several streams over one connection of server-sent events, with a cursor for each.

use super::sse::{Events, Frame, payload};
use super::{Fortune, cursor_of};
use crate::history::History;
use crate::plan::Plan;

pub(super) fn read(histories: &mut [History], fortune: &mut Fortune<'_>) {
    let keys: Vec<String> =
        histories.iter().map(|history| format!("key={}", Plan::key(history.stream))).collect();
    let path = format!("/v1/streams?{}", keys.join("&"));
    let mut last_id: Option<String> = None;
    while histories.iter().any(|history| history.end.is_none()) {
        resume(histories, last_id.as_deref());
        let at = fortune.place().http.clone();
        let Ok((status, mut events)) = Events::open(&at, &path, last_id.as_deref()) else {
            std::thread::yield_now();
            continue;
        };
        match status {
            200 => while listen(histories, &mut last_id, &mut events) && fortune.holds() {},
            204 => histories.iter_mut().for_each(History::is_over),
            429 | 503 => {}
            other => panic!("{path} from {last_id:?}: {other}"),
        }
    }
}

/// Each stands where the id says.
fn resume(histories: &mut [History], id: Option<&str>) {
    let parts: Vec<&str> = id.map(|id| id.split(',').collect()).unwrap_or_default();
    for (at, history) in histories.iter_mut().enumerate() {
        history.resumes(parts.get(at).filter(|part| **part != "-").map(|part| cursor_of(part)));
    }
}

/// Takes one event; false where nothing more comes.
fn listen(histories: &mut [History], last_id: &mut Option<String>, events: &mut Events) -> bool {
    let Ok(frame) = events.next() else { return false };
    let stream = Plan::stream(frame.data["key"].as_str().expect("a key"));
    let at = histories.iter().position(|history| history.stream == stream).expect("one that was asked for");
    tell(&mut histories[at], &frame);
    if let Some(id) = frame.id {
        let named = id.split(',').nth(at).map(cursor_of);
        assert_eq!(named, histories[at].cursor(), "the id says where it stands");
        *last_id = Some(id);
    }
    histories.iter().any(|history| history.end.is_none())
}

fn tell(history: &mut History, frame: &Frame) {
    let cursor = || cursor_of(frame.data["cursor"].as_str().expect("a cursor"));
    match &*frame.event {
        "message" => history.entry(cursor(), payload(&frame.data["fields"])),
        "reset" => {
            assert_eq!(frame.id, None, "a reset has no id");
            let reason = frame.data["reason"].as_str().expect("a reason");
            history.reset(reason, frame.data["oldest"].as_str().map(cursor_of));
        }
        "end" => history.ended(cursor()),
        other => panic!("an event {other}"),
    }
}
