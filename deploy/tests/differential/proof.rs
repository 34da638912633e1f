//! The comparison is seen to catch what it is for. Two servers of the same kind agree; then the replies of one are changed a
//! little, or it is configured a little differently, and the campaign has to notice.

use crate::campaign::Campaign;
use crate::differences::{Difference, Judge, name_of};
use crate::generator::{Choice, Command, words};
use crate::pair::{Kind, Servers, Tamper};
use crate::reply::{Protocol, Reply};

fn small() -> Campaign {
    Campaign {
        kind: Kind::Redis,
        seeds: 1..=2,
        commands: 1500,
        case: None,
        choice: Choice { keys: true, watch: true, without: Vec::new() },
    }
}

/// And the commands are worth comparing: each is answered in every way that it knows.
#[test]
fn redis_agrees_with_itself() {
    let servers = Servers::start(Kind::Redis);
    let campaign = Campaign { commands: 6000, ..small() };
    let met = campaign.run(&servers).unwrap_or_else(|difference| panic!("\n{difference}"));
    for name in [
        "XADD",
        "XLEN",
        "XRANGE",
        "XREVRANGE",
        "XREAD",
        "XDEL",
        "XTRIM",
        "XSETID",
        "XINFO",
        "XGROUP",
        "XREADGROUP",
        "XACK",
        "XPENDING",
        "XCLAIM",
        "XAUTOCLAIM",
        "DEL",
        "UNLINK",
        "EXISTS",
        "TOUCH",
        "TYPE",
        "EXPIRE",
        "PEXPIRE",
        "EXPIREAT",
        "PEXPIREAT",
        "TTL",
        "PTTL",
        "EXPIRETIME",
        "PEXPIRETIME",
        "PERSIST",
        "DBSIZE",
        "FLUSHALL",
        "MULTI",
        "EXEC",
        "DISCARD",
    ] {
        let [something, _, error] = met.answered.get(name).copied().unwrap_or_default();
        let may_never_fail = !name.starts_with('X');
        assert!(something >= 3 && (error >= 1 || may_never_fail), "{name} is hardly tried:\n{met}");
    }
}

#[test]
fn a_server_that_trims_by_nodes_is_caught_and_its_case_made_small() {
    let servers = Servers::start(Kind::Redis);
    servers.configure_peer(&["CONFIG", "SET", "stream-node-max-entries", "100"]);
    let report = small().run(&servers).expect_err("it keeps entries that the other one trims");
    assert!(
        report.contains("SLUICE_DIFF_PEER=redis SLUICE_DIFF_ALSO=keys,watch SLUICE_DIFF_SEEDS=1 "),
        "{report}"
    );
    let (_, least) = report.split_once("the least that was found to differ").expect("a smaller case");
    assert!(least.contains('~'), "{report}");
    assert!(least.lines().count() < 16, "{report}");
}

fn off_by_one(_: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::Integer(number @ 2..100) => Reply::Integer(number + 1),
        other => other,
    }
}

fn a_letter_of_an_error(_: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::Error(mut text) if text.len() > 30 => {
            text[30] ^= 0x20;
            Reply::Error(text)
        }
        other => other,
    }
}

fn flat_map(_: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::Map(pairs) => Reply::Array(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        other => other,
    }
}

fn empty_for_null(_: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::NullArray | Reply::Null => Reply::Array(Vec::new()),
        other => other,
    }
}

fn last_entry_lost(command: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::Array(mut parts) if name_of(command) == "XRANGE" => {
            parts.pop();
            Reply::Array(parts)
        }
        other => other,
    }
}

fn an_hour_older(command: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::Integer(number @ 1000..) if name_of(command) == "TTL" => Reply::Integer(number + 3600),
        other => other,
    }
}

fn simple_for_bulk(command: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::Bulk(text) if name_of(command) == "XADD" => Reply::Simple(text),
        other => other,
    }
}

fn a_key_that_scan_missed(command: &Command, reply: Reply) -> Reply {
    match reply {
        Reply::Array(mut parts) if name_of(command) == "SCAN" => {
            parts.pop();
            Reply::Array(parts)
        }
        other => other,
    }
}

#[test]
fn wrong_replies_are_caught() {
    let tampers: [(&str, Tamper); 8] = [
        ("off by one", off_by_one),
        ("a letter of an error", a_letter_of_an_error),
        ("an array for a map", flat_map),
        ("an empty array for null", empty_for_null),
        ("the last entry lost", last_entry_lost),
        ("a time to live an hour off", an_hour_older),
        ("a simple string for a bulk", simple_for_bulk),
        ("a key that SCAN missed", a_key_that_scan_missed),
    ];
    let mut servers = Servers::start(Kind::Redis);
    for (name, tamper) in tampers {
        servers.tamper = Some(tamper);
        let report = small().run(&servers).expect_err(name);
        assert!(report.contains("SLUICE_DIFF_SEEDS="), "{name}: {report}");
    }
}

#[test]
fn a_server_that_breaks_the_protocol_is_caught() {
    // A reply to HELLO that is read as RESP2 has a map in it, which RESP2 does not know.
    let servers = Servers::start(Kind::Redis);
    let mut pair = servers.connect(Protocol::Resp2);
    pair.send(&words(&["HELLO", "3"]));
    let violation = pair.peer.receive().expect_err("a map in RESP2");
    assert!(violation.starts_with("not the protocol"), "{violation}");
}

fn array(parts: &[Reply]) -> Reply {
    Reply::Array(parts.to_vec())
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.into())
}

#[test]
fn each_listed_difference_is_as_narrow_as_it_says() {
    let agree = |command: &str, reference: Reply, peer: Reply| {
        let command = words(&command.split(' ').collect::<Vec<_>>());
        Judge::default().agree(&command, &reference, &peer)
    };
    let number = Reply::Integer;
    assert!(agree("PTTL s", number(5_000), number(4_990)));
    assert!(!agree("PTTL s", number(50_000), number(10_000)), "too far");
    assert!(!agree("PTTL s", number(0), number(-1)), "not a time");
    assert!(!agree("XLEN s", number(5), number(6)));
    assert!(agree("PEXPIRETIME s", number(1_800_000_000_000), number(1_800_000_000_009)));
    assert!(!agree("PEXPIRETIME s", number(5_000_050_000_000), number(5_000_050_000_001)), "given as it is");
    assert!(!agree("XADD s 5-*", bulk("5-0"), bulk("5-1")));
    assert!(!agree("XADD s *", bulk("1000000000000-0"), bulk("1000000000001-0")), "not of now");
    let consumer = |added: &[Reply]| {
        array(&[array(
            &[&[bulk("name"), bulk("c"), bulk("pending"), number(1), bulk("idle"), number(9)], added]
                .concat(),
        )])
    };
    let inactive = [bulk("inactive"), number(9)];
    assert!(agree("XINFO CONSUMERS s g", consumer(&[]), consumer(&inactive)));
    assert!(!agree("XINFO CONSUMERS s g", consumer(&inactive), consumer(&[])), "only the peer may have it");
    assert!(!agree("XINFO CONSUMERS s g", consumer(&[]), consumer(&[bulk("active"), number(9)])));
    assert!(!agree("XINFO CONSUMERS s g", consumer(&[]), consumer(&[bulk("inactive"), number(-2)])));
    let odd = |text: &str| Reply::Error(format!("ERR Unbalanced {text} must be specified.").into());
    let (before, after) =
        ("list of streams: for each stream key an ID or '$'", "for each stream key an ID or '>'");
    let newer = odd(&format!("'xreadgroup' list of streams: {after}"));
    assert!(agree("XREADGROUP x", odd(&format!("XREAD {before}")), newer.clone()));
    assert!(!agree("XPENDING x", odd(&format!("XREAD {before}")), newer));
}

#[test]
fn the_parts_of_a_transaction_are_compared_as_their_commands_are() {
    let mut judge = Judge::default();
    let (ok, queued) = (Reply::Simple(b"OK".to_vec()), Reply::Simple(b"QUEUED".to_vec()));
    assert!(judge.agree(&words(&["MULTI"]), &ok, &ok));
    assert!(judge.agree(&words(&["PTTL", "s"]), &queued, &queued));
    assert!(judge.agree(&words(&["XLEN", "s"]), &queued, &queued));
    let parts = |first, second| array(&[Reply::Integer(first), Reply::Integer(second)]);
    assert!(judge.agree(&words(&["EXEC"]), &parts(900, 7), &parts(905, 7)));
    assert_eq!(judge.met[Difference::Elapsed as usize], 1);
    assert!(!judge.agree(&words(&["EXEC"]), &parts(900, 7), &parts(905, 7)), "nothing is queued any more");
}
