//! Keys that begin with `sluice:` are the server's: every command that could change them is tried.

mod support;

use sluice_net::resp::command::COMMANDS;
use sluice_net::resp::command::spec::CommandSpec;
use support::{Client, config, start};

const KEY: &str = "sluice:revoked-passes";
const JTI: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const REFUSED: &str =
    "-NOPERM No permissions to access a key: what begins with 'sluice:' is the server's, to be read only\r\n";

/// How each command that changes keys is asked. K stands for the key.
const TRIED: &[(&str, &[&str])] = &[
    (
        "xadd",
        &[
            "XADD K * jti forged",
            "XADD K NOMKSTREAM MAXLEN 0 * a 1",
            "XADD K 18446744073709551615-18446744073709551615 a 1",
            "XADD sluice:other * a 1",
        ],
    ),
    ("xreadgroup", &["XREADGROUP GROUP g c STREAMS K >", "XREADGROUP GROUP g c NOACK STREAMS other K > 0"]),
    ("xack", &["XACK K g 1-1"]),
    ("xdel", &["XDEL K 1-1"]),
    ("xtrim", &["XTRIM K MAXLEN 0", "XTRIM K MINID 99999999999999"]),
    ("xsetid", &["XSETID K 99999999999999-0"]),
    ("x.end", &["X.END K"]),
    ("xgroup|create", &["XGROUP CREATE K g $", "XGROUP CREATE sluice:other g $ MKSTREAM"]),
    ("xgroup|setid", &["XGROUP SETID K g 0"]),
    ("xgroup|destroy", &["XGROUP DESTROY K g"]),
    ("xgroup|createconsumer", &["XGROUP CREATECONSUMER K g c"]),
    ("xgroup|delconsumer", &["XGROUP DELCONSUMER K g c"]),
    ("xclaim", &["XCLAIM K g c 0 1-1 FORCE"]),
    ("xautoclaim", &["XAUTOCLAIM K g c 0 0"]),
    ("x.namespace|set", &["X.NAMESPACE SET sluice: MAXLEN 1"]),
    ("del", &["DEL K", "DEL other K"]),
    ("unlink", &["UNLINK K"]),
    ("expire", &["EXPIRE K 0", "EXPIRE K 100 NX"]),
    ("pexpire", &["PEXPIRE K 1"]),
    ("expireat", &["EXPIREAT K 1"]),
    ("pexpireat", &["PEXPIREAT K 1"]),
    ("persist", &["PERSIST K"]),
];
/// Changes of something else than keys of streams, or of all of them, which spare the server's.
const OTHERS: &[&str] = &[
    "q.",
    "raft",
    "client",
    "config",
    "publish",
    "flushall",
    "flushdb",
    "x.namespace|del",
    "slowlog",
    "latency",
];

/// All commands that say of themselves that they write.
fn writers() -> Vec<&'static str> {
    let leaves = |spec: &&'static CommandSpec| -> Vec<&'static CommandSpec> {
        if spec.subcommands.is_empty() { vec![*spec] } else { spec.subcommands.to_vec() }
    };
    let all = COMMANDS.iter().flat_map(leaves).filter(|spec| spec.flags.contains(&"write"));
    all.map(|spec| spec.name).filter(|name| !OTHERS.iter().any(|other| name.starts_with(other))).collect()
}

/// What anybody sees of the key.
fn state(client: &mut Client) -> Vec<String> {
    let commands = ["XRANGE K - +", "XINFO GROUPS K", "EXPIRETIME K", "TYPE K"];
    commands.iter().map(|command| client.ask(&command.replace('K', KEY))).collect()
}

#[test]
fn every_command_that_changes_keys_refuses_the_servers() {
    let server = start(config(|_| {}), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    assert!(client.ask(&format!("Q.PASS REVOKE {JTI}")).starts_with('$'));
    client.ask("XADD other * a 1");
    client.ask("XGROUP CREATE other g 0");
    let before = state(&mut client);
    assert!(before[0].contains(JTI), "it is read as any other: {before:?}");
    for name in writers() {
        let (_, tried) = TRIED.iter().find(|(tried, _)| *tried == name).unwrap_or_else(|| {
            panic!("{name} changes keys: say in TRIED how it is asked, or in OTHERS why it cannot meet the server's")
        });
        for command in *tried {
            // The key is the only upper-case K that stands alone.
            let words: Vec<&str> =
                command.split(' ').map(|word| if word == "K" { KEY } else { word }).collect();
            let command = words.join(" ");
            assert_eq!(client.ask(&command), REFUSED, "{command}");
            assert_eq!(client.ask("MULTI"), "+OK\r\n");
            client.ask(&command);
            assert_eq!(client.ask("EXEC"), format!("*1\r\n{REFUSED}"), "{command} in a transaction");
            assert_eq!(state(&mut client), before, "{command}");
        }
    }
    for flush in ["FLUSHALL", "FLUSHDB"] {
        assert_eq!(client.ask(flush), "+OK\r\n");
        assert_eq!(state(&mut client), before, "{flush}");
    }
    assert_eq!(client.ask("DBSIZE"), ":1\r\n");
}

#[test]
fn over_http_the_servers_keys_are_read_and_not_written() {
    let server = start(config(|_| {}), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    let mut resp = Client::connect(server.local_addrs().resp);
    resp.ask(&format!("Q.PASS REVOKE {JTI}"));
    let path = format!("/v1/streams/{KEY}/events");
    for (query, body) in [("", r#"{"jti":"forged"}"#), ("?end=1", r#"{"a":1}"#), ("?end=1", "{}")] {
        let refused = client.post(&format!("{path}{query}"), body);
        assert_eq!((refused.status, &refused.json()["code"]), (403, &"NOPERM".into()), "{refused:?}");
    }
    let read = client.call("GET", &format!("{path}?after=0"));
    assert_eq!(read.json()["entries"].as_array().map(Vec::len), Some(1), "{read:?}");
}
