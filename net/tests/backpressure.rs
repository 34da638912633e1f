//! A client that sends and never reads. It has a binary of its own because it watches the memory of its process.

mod support;

use support::{Client, config, resident_bytes, start};

#[test]
fn who_never_reads_is_held_back_and_loses_nothing() {
    const COMMANDS: usize = 100_000;
    // Far below the 40 MiB of all replies, far above what one connection may hold.
    const GROWTH_MAX_BYTES: u64 = 8 << 20;
    let server = start(config(|_| ()), &[("shop", 1)]);
    let at = server.local_addrs().resp;
    let mut witness = Client::connect(at);
    let mut reader = Client::connect(at);
    let mut writer = reader.try_clone();
    let commands = "Q.ZONE GET shop\r\n".repeat(COMMANDS);
    let before = resident_bytes();
    let sender = std::thread::spawn(move || writer.send(commands));
    // The replies fill the buffers of both kernels and the server's own; then the server stops reading.
    for _ in 0..1_000 {
        assert_eq!(witness.ask("PING"), "+PONG\r\n");
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX_BYTES, "{grown} bytes more");
    let first = reader.reply();
    for _ in 1..COMMANDS {
        assert_eq!(reader.take(first.len()), first);
    }
    sender.join().unwrap();
}
