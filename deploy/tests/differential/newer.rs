//! What sluice does as Redis 7.2 and not as 7.0: one test for each difference of that kind, with what Redis's documentation
//! says. Where the peer is itself a Redis 7.0, the tests hold it to the older behaviour, so that the list stays true.

use crate::differences::{Difference, field};
use crate::generator::words;
use crate::pair::Kind;
use crate::peer::Connection;
use crate::reply::Reply;
use crate::stage::Stage;

fn ask(connection: &mut Connection, command: &str) -> Reply {
    connection.ask(&words(&command.split(' ').collect::<Vec<_>>()))
}

impl Stage {
    /// Asks the peer alone.
    fn ask_peer(&mut self, command: &str) -> Reply {
        ask(&mut self.writer.peer, command)
    }

    /// Whether the peer has to behave as 7.2.
    fn is_newer(&self) -> bool {
        self.kind == Kind::Sluice
    }
}

/// The names of a map's fields, in their order.
fn names(reply: &Reply) -> Vec<String> {
    let keys: Vec<&Reply> = match reply {
        Reply::Map(pairs) => pairs.iter().map(|(key, _)| key).collect(),
        Reply::Array(parts) => parts.iter().step_by(2).collect(),
        other => panic!("no map: {other}"),
    };
    keys.into_iter().map(|key| key.to_string().trim_matches('"').to_owned()).collect()
}

fn first(reply: &Reply) -> &Reply {
    match reply {
        Reply::Array(parts) => &parts[0],
        other => panic!("no array: {other}"),
    }
}

/// XINFO CONSUMERS: "inactive: the number of milliseconds that have passed since the last successful interaction".
#[test]
fn inactive_tells_of_successful_interactions() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        stage.ask("XGROUP CREATECONSUMER s g c");
        let consumers = stage.ask_peer("XINFO CONSUMERS s g");
        if !stage.is_newer() {
            assert_eq!(names(first(&consumers)), ["name", "pending", "idle"]);
            return;
        }
        assert_eq!(names(first(&consumers)), ["name", "pending", "idle", "inactive"]);
        assert_eq!(field(first(&consumers), "inactive"), Some(&Reply::Integer(-1)), "it never was active");
        stage.ask("XREADGROUP GROUP g c STREAMS s >");
        let consumers = stage.ask_peer("XINFO CONSUMERS s g");
        assert_eq!(field(first(&consumers), "inactive"), Some(&Reply::Integer(-1)), "nothing was delivered");
        stage.ask("XADD s 1-1 f v");
        stage.ask("XREADGROUP GROUP g c STREAMS s >");
        let consumers = stage.ask_peer("XINFO CONSUMERS s g");
        assert!(
            matches!(field(first(&consumers), "inactive"), Some(Reply::Integer(0..30_000))),
            "{consumers}"
        );
    });
}

/// XINFO STREAM: "active-time: the UNIX timestamp of the last successful interaction".
#[test]
fn active_time_stands_behind_seen_time() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        stage.ask("XGROUP CREATECONSUMER s g c");
        let full = stage.ask_peer("XINFO STREAM s FULL");
        let group = first(field(&full, "groups").expect("groups"));
        let consumer = first(field(group, "consumers").expect("consumers"));
        match stage.is_newer() {
            true => {
                assert_eq!(names(consumer), ["name", "seen-time", "active-time", "pel-count", "pending"]);
                assert_eq!(field(consumer, "active-time"), Some(&Reply::Integer(-1)), "it never was active");
            }
            false => assert_eq!(names(consumer), ["name", "seen-time", "pel-count", "pending"]),
        }
    });
}

/// XREADGROUP: "consumers are auto-created the first time they are mentioned".
#[test]
fn a_consumer_exists_once_it_is_mentioned() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        stage.ask("XREADGROUP GROUP g reader STREAMS s >");
        stage.ask("XCLAIM s g claimer 0 1-1");
        stage.ask("XAUTOCLAIM s g automatic 0 0");
        let expected = if stage.is_newer() { 3 } else { 0 };
        let groups = stage.ask_peer("XINFO GROUPS s");
        assert_eq!(field(first(&groups), "consumers"), Some(&Reply::Integer(expected)));
    });
}

/// A last id below what was deleted would let an id be given twice.
#[test]
fn xsetid_does_not_go_below_what_was_deleted() {
    Stage::tell(|stage| {
        stage.ask("XADD s 5-1 f v");
        stage.ask("XDEL s 5-1");
        let reply = stage.ask_peer("XSETID s 3-1").to_string();
        match stage.is_newer() {
            true => assert_eq!(
                reply,
                "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
            ),
            false => assert_eq!(reply, "+OK"),
        }
        stage.ask("XSETID s 5-1");
    });
}

#[test]
fn an_odd_list_of_streams_is_named_by_its_command() {
    Stage::tell(|stage| {
        stage.ask("XGROUP CREATE s g $ MKSTREAM");
        let [read, group] = ["XREAD STREAMS s t 0", "XREADGROUP GROUP g c STREAMS s t >"].map(|command| {
            stage.ask(command);
            stage.ask_peer(command).to_string()
        });
        let end = "must be specified.";
        match stage.is_newer() {
            true => {
                let both = "for each stream key an ID or";
                assert_eq!(read, format!("-ERR Unbalanced 'xread' list of streams: {both} '$' {end}"));
                assert_eq!(group, format!("-ERR Unbalanced 'xreadgroup' list of streams: {both} '>' {end}"));
            }
            false => assert_eq!(read, group),
        }
    });
}

/// The command is run again when its key or group goes away, and then answers as if it came now.
#[test]
fn a_blocked_consumer_learns_that_its_stream_or_group_is_gone() {
    Stage::tell(|stage| {
        for (end, older) in [
            ("DEL s", "-UNBLOCKED the stream key no longer exists"),
            ("XGROUP DESTROY s g", "-NOGROUP the consumer group this client was blocked on no longer exists"),
        ] {
            stage.ask("XGROUP CREATE s g $ MKSTREAM");
            stage.ask("XGROUP CREATECONSUMER s g c");
            let mut reader = stage.reader_blocked("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", 1);
            stage.ask(end);
            let reference = reader.pair.reference.receive().unwrap().to_string();
            assert_eq!(reference, older, "{}", Difference::KeyGoneWhileBlocked.text().0);
            let newer = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
            let expected = if stage.is_newer() { newer } else { older };
            assert_eq!(reader.pair.peer.receive().unwrap().to_string(), expected, "{end}");
            stage.ask("DEL s");
        }
    });
}

/// XREAD: "the last entry of the stream", without waiting for a next one.
#[test]
fn a_plus_asks_for_the_last_entry() {
    Stage::tell(|stage| {
        let none = stage.ask_peer("XREAD STREAMS s +").to_string();
        for id in ["1-1", "2-1", "3-1"] {
            stage.ask(&format!("XADD s {id} f v"));
        }
        stage.ask("XDEL s 3-1");
        let last = stage.ask_peer("XREAD COUNT 5 STREAMS s +").to_string();
        if stage.is_newer() {
            assert!(["*-1", "_"].contains(&none.as_str()), "{none}");
            assert!(last.contains("2-1") && !last.contains("1-1") && !last.contains("3-1"), "{last}");
        } else {
            assert_eq!(last, "-ERR Invalid stream ID specified as stream command argument");
        }
    });
}
