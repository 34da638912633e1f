//! Commands that need no zone. The texts are those that Redis 7.0.15 sends for the same bytes, but for what is named.

use super::fixture::{Fixture, ME};

const HELLO_3: &str = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:3\r\n\
                       $2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
                       $7\r\nmodules\r\n*0\r\n";
const HELLO_2: &str = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:2\r\n\
                       $2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
                       $7\r\nmodules\r\n*0\r\n";

/// Every line of `cases` on a connection of its own.
fn check(server: &Fixture, cases: &[(&str, &str)]) {
    for (input, expected) in cases {
        let lines = input.replace('|', "\r\n") + "\r\n";
        assert_eq!(&server.says(lines.as_bytes()), expected, "{input}");
    }
}

#[test]
fn small_talk() {
    check(
        &Fixture::open(),
        &[
            ("ping", "+PONG\r\n"),
            ("PiNg hi", "$2\r\nhi\r\n"),
            ("ping a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
            ("echo \"a b\"", "$3\r\na b\r\n"),
            ("echo", "-ERR wrong number of arguments for 'echo' command\r\n"),
            ("select 0", "+OK\r\n"),
            ("select 99", "-ERR DB index is out of range\r\n"),
            ("select -1", "-ERR DB index is out of range\r\n"),
            ("select 3x", "-ERR value is not an integer or out of range\r\n"),
            ("readonly|readwrite", "+OK\r\n+OK\r\n"),
            ("time", "*2\r\n$10\r\n1700000000\r\n$2\r\n42\r\n"),
            ("quit|ping", "+OK\r\n<close>"),
            ("quit x", "+OK\r\n<close>"),
            ("dbsize", "?Size"),
            ("flushall|flushdb async|flushall SYNC", "?Clear?Clear?Clear"),
            ("flushall x", "-ERR syntax error\r\n"),
            ("flushall sync async", "-ERR syntax error\r\n"),
        ],
    );
}

#[test]
fn what_is_unknown_is_named() {
    check(
        &Fixture::open(),
        &[
            ("foo", "-ERR unknown command 'foo', with args beginning with: \r\n"),
            ("foo a \"b c\"", "-ERR unknown command 'foo', with args beginning with: 'a' 'b c' \r\n"),
            ("foo \"a\\r\\nb\"", "-ERR unknown command 'foo', with args beginning with: 'a  b' \r\n"),
            ("client foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"),
            (
                "client maint_notifications on",
                "-ERR unknown subcommand 'maint_notifications'. Try CLIENT HELP.\r\n",
            ),
            ("client", "-ERR wrong number of arguments for 'client' command\r\n"),
            ("client setname", "-ERR wrong number of arguments for 'client|setname' command\r\n"),
            ("get x", "-ERR unknown command 'get', with args beginning with: 'x' \r\n"),
            ("q.zone foo", "-ERR unknown subcommand 'foo'. Try Q.ZONE HELP.\r\n"),
        ],
    );
    let long = format!("{} {} b\r\n", "n".repeat(200), "a".repeat(200));
    let expected = format!(
        "-ERR unknown command '{}', with args beginning with: '{}' \r\n",
        "n".repeat(128),
        "a".repeat(128)
    );
    assert_eq!(Fixture::open().says(long.as_bytes()), expected);
}

#[test]
fn a_browser_is_not_answered() {
    let server = Fixture::open();
    assert_eq!(server.says(b"POST / HTTP/1.1\r\nping\r\n"), "<close>");
    assert_eq!(server.says(b"Host: localhost\r\nping\r\n"), "<close>");
}

#[test]
fn hello_changes_the_version_and_says_who_is_there() {
    check(
        &Fixture::open(),
        &[
            ("hello", HELLO_2),
            ("hello 2", HELLO_2),
            ("hello 3", HELLO_3),
            ("hello 3|client getname", &format!("{HELLO_3}_\r\n")),
            ("client getname", "$-1\r\n"),
            ("hello 3 setname x|client getname", &format!("{HELLO_3}$1\r\nx\r\n")),
            ("hello 3 auth default any", HELLO_3),
            ("hello 9", "-NOPROTO unsupported protocol version\r\n"),
            ("hello 1", "-NOPROTO unsupported protocol version\r\n"),
            ("hello x", "-ERR Protocol version is not an integer or out of range\r\n"),
            ("hello 3 foo", "-ERR Syntax error in HELLO option 'foo'\r\n"),
            ("hello 3 auth", "-ERR Syntax error in HELLO option 'auth'\r\n"),
            ("hello 3 auth a", "-ERR Syntax error in HELLO option 'auth'\r\n"),
            ("hello 3 setname", "-ERR Syntax error in HELLO option 'setname'\r\n"),
            (
                "hello 2 setname \"a b\"",
                "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
            ),
            ("hello 3 auth a b", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
            ("hello 3|reset|client getname", &format!("{HELLO_3}+RESET\r\n$-1\r\n")),
        ],
    );
}

#[test]
fn a_guarded_server_wants_to_know_who_asks() {
    let no_hello = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
                    <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
                    at the same time\r\n";
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    check(
        &Fixture::guarded(),
        &[
            ("ping", "-NOAUTH Authentication required.\r\n"),
            ("q.poll z t", "-NOAUTH Authentication required.\r\n"),
            ("hello", no_hello),
            ("hello 3", no_hello),
            ("hello 9", "-NOPROTO unsupported protocol version\r\n"),
            ("foo", "-ERR unknown command 'foo', with args beginning with: \r\n"),
            ("echo", "-ERR wrong number of arguments for 'echo' command\r\n"),
            ("auth x", wrong),
            ("auth gate op", wrong),
            ("hello 3 auth gate op|ping", &format!("{wrong}-NOAUTH Authentication required.\r\n")),
            ("auth a b c", "-ERR syntax error\r\n"),
            ("auth default|ping", "+OK\r\n+PONG\r\n"),
            ("auth gate gate|ping", "+OK\r\n+PONG\r\n"),
            ("hello 3 auth gate gate|ping", &format!("{HELLO_3}+PONG\r\n")),
            ("auth gate gate|reset|ping", "+OK\r\n+RESET\r\n-NOAUTH Authentication required.\r\n"),
            ("quit", "+OK\r\n<close>"),
            ("auth gate gate|auth gate x|ping", &format!("+OK\r\n{wrong}+PONG\r\n")),
        ],
    );
    let unset = "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?\r\n";
    check(&Fixture::open(), &[("auth x", unset), ("auth a b", wrong), ("auth default b", "+OK\r\n")]);
}

#[test]
fn a_login_that_fails_changes_nothing() {
    let server = Fixture::guarded();
    let mut session = server.connect();
    server.answers(&mut session, b"hello 3 setname x auth gate wrong\r\n");
    assert_eq!((session.proto().number(), session.role(), session.name()), (2, None, &b""[..]));
}

#[test]
fn each_role_may_do_its_part() {
    let denied = |name: &str| format!("-NOPERM this user has no permissions to run the '{name}' command\r\n");
    let server = Fixture::guarded();
    let as_user = |user: &str, input: &str| {
        let mut session = server.connect();
        assert_eq!(server.answers(&mut session, format!("auth {user} {user}\r\n").as_bytes()), "+OK\r\n");
        server.answers(&mut session, format!("{input}\r\n").as_bytes())
    };
    assert!(as_user("gate", "q.join z user u").starts_with('?'));
    assert!(as_user("gate", "q.stats z").starts_with('?'));
    assert_eq!(as_user("gate", "q.zone set z limit 1"), denied("q.zone|set"));
    assert_eq!(as_user("gate", "q.zone del z"), denied("q.zone|del"));
    assert_eq!(as_user("gate", "client list"), denied("client|list"));
    assert_eq!(as_user("gate", "config get save"), denied("config|get"));
    assert!(as_user("op", "q.zone set z limit 1").starts_with('?'));
    assert!(as_user("op", "client list").starts_with('$'));
    assert_eq!(as_user("op", "flushall"), denied("flushall"));
    assert_eq!(as_user("op", "client kill id 1"), denied("client|kill"));
    assert_eq!(as_user("op", "config resetstat"), denied("config|resetstat"));
    assert_eq!(as_user("default", "flushall"), "?Clear");
    assert_eq!(as_user("default", "slowlog reset"), "+OK\r\n");
}

#[test]
fn configuration_is_read_and_never_set() {
    check(
        &Fixture::open(),
        &[
            ("config get save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
            ("config get APPENDONLY", "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"),
            ("hello 3|config get maxc*", &format!("{HELLO_3}%1\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n")),
            ("config get databases nosuch d*", "*2\r\n$9\r\ndatabases\r\n$1\r\n1\r\n"),
            ("config get nosuch", "*0\r\n"),
            ("config get", "-ERR wrong number of arguments for 'config|get' command\r\n"),
            (
                "config set databases 2",
                "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config\r\n",
            ),
            (
                "config set nosuch 2",
                "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'\r\n",
            ),
            ("config set a", "-ERR wrong number of arguments for 'config|set' command\r\n"),
            ("config set a b c", "-ERR wrong number of arguments for 'config|set' command\r\n"),
            ("config rewrite", "-ERR The server is running without a config file\r\n"),
        ],
    );
    let server = Fixture::open();
    assert_eq!(server.says(b"config resetstat\r\nslowlog reset\r\n"), "+OK\r\n+OK\r\n");
    assert_eq!(server.resets.get(), 2);
}

#[test]
fn the_slow_log_names_commands_without_their_arguments() {
    let entry = |id: u64| {
        format!(
            "*6\r\n:{id}\r\n:1700000000\r\n:15000\r\n*1\r\n$11\r\nq.zone|list\r\n$15\r\n127.0.0.1:40009\r\n$5\r\nother\r\n"
        )
    };
    check(
        &Fixture::open(),
        &[
            ("slowlog len", ":2\r\n"),
            ("slowlog get", &format!("*2\r\n{}{}", entry(2), entry(1))),
            ("slowlog get 1", &format!("*1\r\n{}", entry(2))),
            ("slowlog get -1", &format!("*2\r\n{}{}", entry(2), entry(1))),
            ("slowlog get 0", "*0\r\n"),
            ("slowlog get x", "-ERR count should be greater than or equal to -1\r\n"),
            ("slowlog get -2", "-ERR count should be greater than or equal to -1\r\n"),
            ("slowlog get 1 2", "-ERR wrong number of arguments for 'slowlog|get' command\r\n"),
        ],
    );
}

#[test]
fn what_is_not_there_is_empty_or_refused() {
    check(
        &Fixture::open(),
        &[
            ("cluster keyslot", "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"),
            ("cluster foo", "-ERR unknown subcommand 'foo'. Try CLUSTER HELP.\r\n"),
            ("latency latest", "*0\r\n"),
            ("latency history x", "*0\r\n"),
            ("latency reset", ":0\r\n"),
            ("latency histogram", "*0\r\n"),
        ],
    );
}

#[test]
fn info_has_the_sections_that_clients_read() {
    let server = Fixture::open();
    let all = server.says(b"info\r\n");
    for line in [
        "# Server\r\nredis_version:7.2.4\r\nsluice_version:0.1.0\r\n",
        "# Clients\r\n",
        "used_memory:1582968\r\nused_memory_human:1.51M\r\n",
        "\r\nloading:0\r\n",
        "# Stats\r\n",
        "\r\nrole:master\r\n",
        "# CPU\r\n",
        "# Zones\r\nzones:3\r\n",
        "\r\nwaiting:12\r\n",
        "# Keyspace\r\n",
    ] {
        assert!(all.contains(line), "{line:?} is missing in {all}");
    }
    assert_eq!(server.says(b"info everything\r\n"), all);
    assert_eq!(server.says(b"info nosuch\r\n"), "$0\r\n\r\n");
    let keyspace = server.says(b"hello 3\r\ninfo KEYSPACE\r\n");
    assert_eq!(keyspace, format!("{HELLO_3}=16\r\ntxt:# Keyspace\r\n\r\n"));
    let two = server.says(b"info replication zones\r\n");
    assert!(
        two.contains("# Replication\r\n") && two.contains("\r\n\r\n# Zones\r\n") && !two.contains("# CPU")
    );
}

#[test]
fn help_lists_subcommands() {
    let help = Fixture::open().says(b"slowlog help\r\n");
    assert!(help.starts_with("*9\r\n+SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"));
    assert!(help.contains("+GET [count]\r\n+    Returns the slow log's entries.\r\n"), "{help}");
    let refused = "-ERR wrong number of arguments for 'slowlog|help' command\r\n";
    assert_eq!(Fixture::open().says(b"slowlog help x\r\n"), refused);
    let help = Fixture::open().says(b"q.zone help\r\n");
    assert!(help.contains("[LIMIT limit]"), "{help}");
    assert!(help.contains("[MODE AUTO|PAUSED|OPEN|CLOSED] [TITLE lang text [TITLE ...]]"), "{help}");
}

#[test]
fn a_session_remembers_what_was_said() {
    let server = Fixture::open();
    let mut session = server.connect();
    let said =
        b"client setinfo lib-name redis-py\r\nclient setinfo LIB-VER 8.1\r\nclient setname worker-1\r\n";
    assert_eq!(server.answers(&mut session, said), "+OK\r\n+OK\r\n+OK\r\n");
    assert_eq!(session.id(), ME);
    assert_eq!((session.lib_name(), session.lib_version()), (&b"redis-py"[..], &b"8.1"[..]));
    assert_eq!(server.answers(&mut session, b"client getname\r\nclient id\r\n"), "$8\r\nworker-1\r\n:7\r\n");
    assert_eq!(server.answers(&mut session, b"client setname \"\"\r\nclient getname\r\n"), "+OK\r\n$-1\r\n");
    assert_eq!(session.command(), "client|getname");
}
