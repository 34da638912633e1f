//! Lanes that overflow.

use super::Stage;
use crate::cursor::Position;
use crate::limit;
use crate::worker::own_news::OwnNews;
use sluice_engine::stream::text::Text;

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
