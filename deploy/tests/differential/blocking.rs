//! Clients that block until something is appended. Every story goes on when both servers have seen the client block, and
//! ends with the reply that wakes it, which is the same on both.

use crate::generator::words;
use crate::stage::Stage;

#[test]
fn a_reader_gets_what_is_appended_after_it_asked() {
    Stage::tell(|stage| {
        stage.ask("XADD s 1-1 f before");
        let mut reader = stage.reader_blocked("XREAD BLOCK 0 STREAMS s $", 1);
        stage.ask("XADD s 2-1 f after");
        assert!(!reader.woken().contains("before"));
    });
}

#[test]
fn a_key_that_is_not_there_yet_can_be_waited_for() {
    Stage::tell(|stage| {
        let mut reader = stage.reader_blocked("XREAD COUNT 2 BLOCK 100000 STREAMS none s $ $", 1);
        stage.ask("XADD s 0-1 f v");
        reader.woken();
        // A lower id than the one that was waited for wakes nobody.
        let mut reader = stage.reader_blocked("XREAD BLOCK 0 STREAMS s 7-7", 1);
        stage.ask("XADD s 7-7 f v");
        stage.blocked(1);
        stage.ask("XADD s 7-8 f v");
        reader.woken();
    });
}

#[test]
fn the_first_stream_with_data_wakes() {
    Stage::tell(|stage| {
        let mut reader = stage.reader_blocked("XREAD BLOCK 0 STREAMS s t {a}1 {a}2 $ $ $ $", 1);
        stage.ask("XADD {a}1 1-1 f v");
        assert!(reader.woken().contains("{a}1"));
        stage.ask("XADD t 1-1 f v");
        let mut reader = stage.reader_blocked("XREAD BLOCK 0 STREAMS s s $ 5", 1);
        stage.ask("XADD s 6-1 f v");
        reader.woken();
    });
}

#[test]
fn a_transaction_wakes_once_with_all_of_it() {
    Stage::tell(|stage| {
        let mut reader = stage.reader_blocked("XREAD BLOCK 0 STREAMS s $", 1);
        let mut counted = stage.reader_blocked("XREAD COUNT 2 BLOCK 0 STREAMS s 0", 2);
        for command in ["MULTI", "XADD s 1-1 f v", "XADD s 1-2 f v", "XADD s 1-3 f v", "EXEC"] {
            stage.ask(command);
        }
        assert!(reader.woken().contains("1-3"));
        assert!(!counted.woken().contains("1-3"));
    });
}

#[test]
fn a_stream_that_was_removed_is_still_waited_for() {
    Stage::tell(|stage| {
        stage.ask("XADD s 5-5 f v");
        let mut reader = stage.reader_blocked("XREAD BLOCK 0 STREAMS s 5-5", 1);
        stage.ask("DEL s");
        stage.ask("XADD s 1-1 f v");
        stage.blocked(1);
        stage.ask("XADD s 6-1 f v");
        reader.woken();
    });
}

#[test]
fn time_runs_out_with_a_null() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        stage.ask("XGROUP CREATECONSUMER s g c");
        let mut reader = stage.reader();
        for command in ["XREAD BLOCK 20 STREAMS s t $ $", "XREADGROUP GROUP g c BLOCK 20 STREAMS s >"] {
            let command = words(&command.split(' ').collect::<Vec<_>>());
            reader.send(&command);
            reader.await_both(&command);
        }
        stage.ask("XINFO GROUPS s");
    });
}

#[test]
fn what_comes_behind_a_blocked_command_is_answered_behind_it() {
    Stage::tell(|stage| {
        let mut reader = stage.reader_blocked("XREAD BLOCK 0 STREAMS s $", 1);
        let behind = ["XLEN s", "XADD s 2-1 f mine", "XREAD STREAMS s 0"];
        let behind = behind.map(|command| words(&command.split(' ').collect::<Vec<_>>()));
        behind.iter().for_each(|command| reader.pair.send(command));
        stage.ask("XADD s 1-1 f v");
        reader.woken();
        behind.iter().for_each(|command| drop(reader.pair.await_both(command)));
    });
}

#[test]
fn a_consumer_is_woken_and_owes_an_acknowledgement() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        stage.ask("XGROUP CREATECONSUMER s g c");
        let mut reader = stage.reader_blocked("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", 1);
        stage.ask("XADD s 1-1 f v");
        reader.woken();
        for command in
            ["XPENDING s g", "XINFO GROUPS s", "XINFO CONSUMERS s g", "XACK s g 1-1", "XPENDING s g"]
        {
            stage.ask(command);
        }
        let mut reader = stage.reader_blocked("XREADGROUP GROUP g c NOACK BLOCK 0 STREAMS s >", 1);
        stage.ask("XADD s 2-1 f v");
        reader.woken();
        stage.ask("XPENDING s g");
        stage.ask("XINFO GROUPS s");
    });
}

#[test]
fn consumers_are_served_in_the_order_in_which_they_came() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        let consumers = ["alice", "bob", "carol"];
        for consumer in consumers {
            stage.ask(&format!("XGROUP CREATECONSUMER s g {consumer}"));
        }
        let mut readers = Vec::new();
        for (consumer, blocked) in consumers.iter().zip(1..) {
            let command = format!("XREADGROUP GROUP g {consumer} COUNT 1 BLOCK 0 STREAMS s >");
            readers.push(stage.reader_blocked(&command, blocked));
        }
        for (reader, number) in readers.iter_mut().zip(1..) {
            stage.ask(&format!("XADD s {number}-1 f v"));
            assert!(reader.woken().contains(&format!("{number}-1")));
        }
        stage.ask("XPENDING s g - + 10");
    });
}

#[test]
fn readers_without_a_group_all_get_the_entry() {
    Stage::tell(|stage| {
        let mut first = stage.reader_blocked("XREAD BLOCK 0 STREAMS s $", 1);
        let mut second = stage.reader_blocked("XREAD BLOCK 0 STREAMS t s 0 0", 2);
        stage.ask("XADD s 1-1 f v");
        assert_eq!(first.woken(), second.woken());
    });
}

#[test]
fn an_entry_is_not_lost_to_a_client_that_went_away() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        stage.ask("XGROUP CREATECONSUMER s g alice");
        stage.ask("XGROUP CREATECONSUMER s g bob");
        let gone = stage.reader_blocked("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", 1);
        drop(gone);
        stage.blocked(0);
        stage.ask("XADD s 1-1 f v");
        stage.ask("XREADGROUP GROUP g bob STREAMS s >");
        stage.ask("XPENDING s g - + 10");
    });
}

#[test]
fn nobody_blocks_where_there_is_something_to_say() {
    Stage::tell(|stage| {
        stage.ask("XADD s 1-1 f v");
        stage.ask("XGROUP CREATE s g 0");
        stage.ask("XGROUP CREATECONSUMER s g c");
        for command in [
            "XREAD BLOCK 0 STREAMS none s $ 0",
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
            // A history never blocks, be it empty.
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s 5",
            "XREADGROUP GROUP none c BLOCK 0 STREAMS s >",
            "XREADGROUP GROUP g c BLOCK 0 STREAMS none >",
            "XREAD BLOCK 0 STREAMS s nonsense",
        ] {
            stage.ask(command);
        }
    });
}
