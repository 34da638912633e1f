//! Lanes that overflow, and what hubs do then.
//!
//! Seen to fail when broken: a lap that is not begun anew upon another loss, questions that a loss does not
//! forget, or whose connections it keeps waiting.

use super::{Stage, Wish};
use crate::cursor::Position;
use crate::limit;
use crate::worker::own_news::OwnNews;
use sluice_engine::stream::text::Text;
use std::collections::HashSet;

/// One turn in which no more than so much is read of the lane; whether something was lost.
fn turn_by(lane: &mut OwnNews, reads: usize, stage: &mut Stage) -> bool {
    stage.send();
    stage.gather();
    stage.news.drain(..).for_each(|news| lane.push(news));
    let has_lost = lane.has_lost();
    if has_lost {
        stage.hubs.lost();
    }
    for _ in 0..reads {
        lane.pop().into_iter().for_each(|news| stage.hear(news));
    }
    stage.tell();
    has_lost
}

#[test]
fn who_is_told_more_than_it_reads_loses_no_reader() {
    let mut stage = Stage::new(7);
    stage.may_end = false;
    let (busy, quiet) = (Text::from(b"key-0"), Text::from(b"key-1"));
    stage.begin(busy.clone(), Position::Start);
    stage.begin(quiet.clone(), Position::Start);
    let mut lane = OwnNews::default();
    turn_by(&mut lane, 50, &mut stage);
    for _ in 0..2 {
        for _ in 0..limit::TIDINGS_MAX / 1_000 {
            (0..1_100).for_each(|_| stage.append(&busy, 100));
            turn_by(&mut lane, 50, &mut stage);
        }
        // Of this one nothing else will be told.
        stage.append(&quiet, 10);
        let turns = (0..100).take_while(|_| !turn_by(&mut lane, 1_000, &mut stage)).count();
        assert!((16..100).contains(&turns), "a loss is told behind {turns} turns");
        (0..20).for_each(|_| assert!(!turn_by(&mut lane, 1_000, &mut stage), "there is room again"));
    }
    assert!(!lane.has_any(), "everything is read in the end");
    assert!(stage.readers.stories.values().all(|story| story.at.is_some()), "everybody was told something");
    stage.settle();
}

fn name(number: usize) -> Text {
    Text::from(format!("many-{number:05}").as_bytes())
}

/// So many streams, with a reader each.
fn follow_many(stage: &mut Stage, streams: usize) {
    (0..streams).for_each(|number| stage.begin(name(number), Position::Start));
}

#[test]
fn a_loss_looks_at_no_stream_and_each_turn_at_a_few() {
    let mut stage = Stage::new(8);
    follow_many(&mut stage, 4 * limit::LISTENS_MAX);
    while stage.hubs.has_wishes() {
        stage.turn();
    }
    stage.hubs.lost();
    assert!(stage.hubs.unheard.is_empty(), "none is listed again at once");
    assert!(stage.hubs.has_wishes(), "the next turn begins at once");
    let first = stage.hubs.take_wishes().len();
    assert_eq!(first, limit::LISTEN_LOOKS_MAX);
}

#[test]
fn losses_that_follow_each_other_leave_no_stream_out() {
    let mut stage = Stage::new(9);
    let streams = 3 * limit::LISTENS_MAX;
    follow_many(&mut stage, streams);
    while stage.hubs.has_wishes() {
        stage.turn();
    }
    let mut asked = HashSet::new();
    for _ in 0..=streams / limit::LISTEN_LOOKS_MAX {
        stage.hubs.lost();
        for sent in stage.hubs.take_wishes() {
            asked.extend(if let Wish::Listen(key) = sent.wish { Some(key) } else { None });
        }
    }
    assert_eq!(asked.len(), streams);
}

/// Who waits for an answer has one question, which waits or is under way.
fn check_questions(stage: &Stage) {
    let hubs = &stage.hubs;
    let asking: usize = hubs.by_key.values().map(|hub| hub.asking()).sum();
    let held: usize = hubs.held.values().map(|held| held.len()).sum();
    assert_eq!(asking, hubs.queued.len() + held + hubs.asked.len());
    assert_eq!(hubs.asked.len(), hubs.asked_for.values().sum::<usize>());
}

#[test]
fn a_loss_in_the_middle_of_a_lap_loses_no_reader() {
    let streams = 6 * limit::LISTEN_LOOKS_MAX;
    let mut losses_within_a_lap = 0;
    for seed in 10..14 {
        let mut stage = Stage::new(seed);
        stage.may_end = false;
        follow_many(&mut stage, streams);
        stage.readers.full_percent = [0, 20][seed as usize % 2];
        for _ in 0..150 {
            for _ in 0..stage.rng.usize(0..100) {
                let key = name(stage.rng.usize(0..streams));
                (0..stage.rng.u8(1..5)).for_each(|_| stage.append(&key, 30));
            }
            stage.act();
            stage.lose_percent = [0, 0, 50][stage.rng.usize(0..3)];
            let (wave, is_lapping) = (stage.hubs.wave, stage.hubs.laps.is_under_way());
            stage.turn();
            losses_within_a_lap += usize::from(is_lapping && stage.hubs.wave != wave);
            check_questions(&stage);
        }
        stage.lose_percent = 0;
        stage.settle();
        check_questions(&stage);
    }
    assert!(losses_within_a_lap > 20, "{losses_within_a_lap} losses are too few");
}
