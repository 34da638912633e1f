//! `CLIENT LIST`, `INFO` and `KILL`.

use super::fixture::{Fixture, ME, OTHER};

const MINE: &str = "id=7 addr=127.0.0.1:40007 laddr=127.0.0.1:7379 fd=12 name=me age=5 idle=1 flags=N db=0 sub=0 psub=0 \
                    ssub=0 multi=-1 qbuf=3 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=4 oll=0 omem=4 \
                    tot-mem=500 events=r cmd=client|info user=default redir=-1 resp=2 lib-name= lib-ver=\n";
const THEIRS: &str = "id=9 addr=127.0.0.1:40009 laddr=127.0.0.1:7379 fd=12 name=other age=5 idle=1 flags=N db=0 sub=0 \
                      psub=0 ssub=0 multi=-1 qbuf=3 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=4 oll=0 omem=4 \
                      tot-mem=500 events=r cmd=q.poll user=gate redir=-1 resp=3 lib-name=lib lib-ver=1.0\n";

/// The reply to `line` of a connection that is named `me`.
fn say(server: &Fixture, line: &str) -> String {
    let mut session = server.connect();
    server.answers(&mut session, b"client setname me\r\n");
    server.answers(&mut session, format!("{line}\r\n").as_bytes())
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[test]
fn lists_show_a_line_a_connection() {
    let server = Fixture::open();
    let mine = MINE.replace("client|info", "client|list");
    assert_eq!(say(&server, "client info"), bulk(MINE));
    assert_eq!(say(&server, "client list"), bulk(&format!("{mine}{THEIRS}")));
    assert_eq!(say(&server, "client list type normal"), bulk(&format!("{mine}{THEIRS}")));
    assert_eq!(say(&server, "client list type pubsub"), bulk(""));
    assert_eq!(say(&server, "client list id 9 1"), bulk(THEIRS));
    let text = format!("txt:{THEIRS}");
    assert!(say(&server, "hello 3\r\nclient list id 9").ends_with(&format!("={}\r\n{text}\r\n", text.len())));
}

/// What a connection asks of itself, or of another by its id, does not take longer the more there are.
#[test]
fn who_is_named_by_id_is_shown_without_the_others() {
    for (line, shown) in [
        ("client info", 1),
        ("client list id 9", 1),
        ("client list id 1 2 3 9", 1),
        ("client kill id 9", 1),
        ("client kill id 99", 0),
        ("client list", 2),
    ] {
        let server = Fixture::open();
        say(&server, line);
        assert_eq!(server.shown.get(), shown, "{line}");
    }
}

#[test]
fn lists_refuse_what_they_do_not_know() {
    let server = Fixture::open();
    assert_eq!(say(&server, "client list type foo"), "-ERR Unknown client type 'foo'\r\n");
    assert_eq!(say(&server, "client list id a"), "-ERR Invalid client ID\r\n");
    assert_eq!(say(&server, "client list id"), "-ERR syntax error\r\n");
    assert_eq!(say(&server, "client list foo"), "-ERR syntax error\r\n");
}

#[test]
fn kill_closes_those_that_are_meant() {
    let cases: &[(&str, &str, &[u64])] = &[
        ("client kill 127.0.0.1:40009", "+OK\r\n", &[OTHER]),
        ("client kill 127.0.0.1:1", "-ERR No such client\r\n", &[]),
        ("client kill addr", "-ERR No such client\r\n", &[]),
        ("client kill 127.0.0.1:40007", "+OK\r\n<close>", &[]),
        ("client kill id 9", ":1\r\n", &[OTHER]),
        ("client kill id 99", ":0\r\n", &[]),
        ("client kill id 7", ":0\r\n", &[]),
        ("client kill id 7 skipme no", ":1\r\n<close>", &[]),
        ("client kill user gate", ":1\r\n", &[OTHER]),
        ("client kill user default", ":0\r\n", &[]),
        ("client kill laddr 127.0.0.1:7379", ":1\r\n", &[OTHER]),
        ("client kill laddr 127.0.0.1:7379 skipme no", ":2\r\n<close>", &[OTHER]),
        ("client kill addr 127.0.0.1:40009 user nobody", ":0\r\n", &[]),
        ("client kill type normal", ":1\r\n", &[OTHER]),
        ("client kill type pubsub", ":0\r\n", &[]),
        ("client kill id x", "-ERR client-id should be greater than 0\r\n", &[]),
        ("client kill id 0", "-ERR client-id should be greater than 0\r\n", &[]),
        ("client kill type foo", "-ERR Unknown client type 'foo'\r\n", &[]),
        ("client kill foo bar", "-ERR syntax error\r\n", &[]),
        ("client kill skipme maybe", "-ERR syntax error\r\n", &[]),
        ("client kill id 9 user", "-ERR syntax error\r\n", &[]),
    ];
    for (line, expected, killed) in cases {
        let server = Fixture::open();
        assert_eq!(&say(&server, line), expected, "{line}");
        assert_eq!(*server.killed.borrow(), *killed, "{line}");
    }
    assert_ne!(ME, OTHER);
}

#[test]
fn names_stay_on_one_line() {
    let server = Fixture::open();
    let refused = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
    for name in ["\"a b\"", "\"a\\nid=1\"", "\"\\x7f\"", "\"\\xc3\\xa9\""] {
        assert_eq!(server.says(format!("client setname {name}\r\n").as_bytes()), refused);
    }
    let long = format!("client setname {}\r\n", "x".repeat(257));
    assert_eq!(server.says(long.as_bytes()), "-ERR name is empty or too long\r\n");
    assert_eq!(
        server.says(b"client setinfo lib-name \"a b\"\r\n"),
        "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"
    );
    assert_eq!(server.says(b"client setinfo foo x\r\n"), "-ERR Unrecognized option 'foo'\r\n");
}

#[test]
fn switches_are_acknowledged() {
    let server = Fixture::open();
    assert_eq!(server.says(b"client no-evict on\r\nclient no-touch OFF\r\n"), "+OK\r\n+OK\r\n");
    assert_eq!(server.says(b"client no-evict maybe\r\n"), "-ERR syntax error\r\n");
    assert_eq!(server.says(b"client getredir\r\n"), ":-1\r\n");
}
