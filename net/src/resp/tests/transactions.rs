//! `MULTI` and what follows. The texts are those that Redis 7.0.15 sends for the same bytes, but for what is named.

use super::fixture::Fixture;
use crate::resp::limit;

/// Every line of `cases` on a connection of its own.
fn check(cases: &[(&str, &str)]) {
    for (input, expected) in cases {
        let lines = input.replace('|', "\r\n") + "\r\n";
        assert_eq!(&Fixture::open().says(lines.as_bytes()), expected, "{input}");
    }
}

const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.\r\n";

#[test]
fn commands_are_queued_as_they_came_and_handed_over_at_exec() {
    let queued = "?Exec\"*1\\r\\n$4\\r\\nping\\r\\n*5\\r\\n$4\\r\\nxadd\\r\\n$1\\r\\nk\\r\\n$3\\r\\nfoo\\r\\n$1\\r\\na\\r\\n$0\\r\\n\\r\\n\"";
    let input = "multi|ping|xadd k foo a \"\"|exec";
    check(&[
        (input, &format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n{queued}")),
        ("multi|exec|exec", "+OK\r\n?Exec\"\"-ERR EXEC without MULTI\r\n"),
        ("multi|ping|discard|discard", "+OK\r\n+QUEUED\r\n+OK\r\n-ERR DISCARD without MULTI\r\n"),
        ("multi|reset|exec", "+OK\r\n+RESET\r\n-ERR EXEC without MULTI\r\n"),
        ("multi|quit|exec", "+OK\r\n+OK\r\n<close>"),
        ("multi|unwatch|discard", "+OK\r\n+QUEUED\r\n+OK\r\n"),
        ("multi|client help|discard", "+OK\r\n+QUEUED\r\n+OK\r\n"),
        ("unwatch", "+OK\r\n"),
    ]);
}

#[test]
fn what_cannot_be_queued_spoils_the_transaction_and_what_is_misplaced_does_not() {
    let unknown = "-ERR unknown command 'foo', with args beginning with: \r\n";
    let arity = "-ERR wrong number of arguments for 'echo' command\r\n";
    let exec =
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n";
    check(&[
        (
            "multi|foo|ping|exec|exec",
            &format!("+OK\r\n{unknown}+QUEUED\r\n{ABORTED}-ERR EXEC without MULTI\r\n"),
        ),
        ("multi|echo|exec", &format!("+OK\r\n{arity}{ABORTED}")),
        ("multi|exec x|exec", &format!("+OK\r\n{exec}-ERR EXEC without MULTI\r\n")),
        ("exec x", exec),
        ("multi|multi|exec", "+OK\r\n-ERR MULTI calls can not be nested\r\n?Exec\"\""),
        ("multi|watch a|exec", "+OK\r\n-ERR WATCH inside MULTI is not allowed\r\n?Exec\"\""),
        (
            "multi|client foo|exec",
            &format!("+OK\r\n-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n{ABORTED}"),
        ),
    ]);
    let denied = "-NOPERM this user has no permissions to run the 'flushall' command\r\n";
    let said = Fixture::guarded().says(b"auth gate gate\r\nmulti\r\nflushall\r\nexec\r\n");
    assert_eq!(said, format!("+OK\r\n+OK\r\n{denied}{ABORTED}"));
}

#[test]
fn a_watch_is_refused_rather_than_half_true() {
    assert!(Fixture::open().says(b"watch a\r\n").starts_with("-ERR WATCH is not supported: "));
}

#[test]
fn a_transaction_is_bounded_in_commands_and_bytes() {
    let server = Fixture::open();
    let refused = "-ERR the transaction has too many commands, or too many bytes\r\n";
    let mut session = server.connect();
    server.answers(&mut session, b"multi\r\n");
    for _ in 0..limit::QUEUED_COMMANDS_MAX {
        assert_eq!(server.answers(&mut session, b"ping\r\n"), "+QUEUED\r\n");
    }
    assert_eq!(server.answers(&mut session, b"ping\r\n"), refused);
    assert_eq!(server.answers(&mut session, b"exec\r\n"), ABORTED);

    let echo = format!("*2\r\n$4\r\necho\r\n$65536\r\n{}\r\n", "x".repeat(65_536));
    server.answers(&mut session, b"multi\r\n");
    let fits = limit::QUEUED_BYTES_MAX / echo.len();
    for _ in 0..fits {
        assert_eq!(server.answers(&mut session, echo.as_bytes()), "+QUEUED\r\n");
    }
    assert_eq!(server.answers(&mut session, echo.as_bytes()), refused);
    assert_eq!(server.answers(&mut session, b"exec\r\n"), ABORTED);
}
