//! Nobody is locked out by connections that say nothing: ports have shares, and who is silent makes room.

mod support;

use sluice_net::auth::digest;
use sluice_net::resp::server::Role;
use support::{Client, config, start};

/// Connects until the server takes the connection: somebody who is silent has to go first.
fn eventually(connect: impl Fn() -> Client, ask: impl Fn(&mut Client) -> bool) -> Client {
    loop {
        let mut client = connect();
        if ask(&mut client) {
            return client;
        }
        std::thread::yield_now();
    }
}

fn is_served(client: &mut Client) -> bool {
    client.try_send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").is_ok()
        && client.starts_with(b"HTTP/1.1 200")
}

#[test]
fn silent_http_connections_leave_resp_its_share_and_make_room_for_others() {
    let server = start(config(|config| (config.connections_max, config.workers) = (16, 2)), &[]);
    let addrs = server.local_addrs();
    let mut silent: Vec<Client> = (0..14).map(|_| Client::connect(addrs.http)).collect();
    while server.connections() < silent.len() {
        std::thread::yield_now();
    }
    let mut busy = silent.remove(7);
    let refused = Client::connect(addrs.http).take_to_end();
    assert!(refused.starts_with(b"HTTP/1.1 503"), "all have just come: {}", refused.escape_ascii());
    for _ in 0..2 {
        let mut resp = Client::connect(addrs.resp);
        assert_eq!(resp.ask("PING"), "+PONG\r\n");
        silent.push(resp);
    }
    let keep = || Client::connect(addrs.http);
    let served = eventually(keep, is_served);
    assert!(is_served(&mut busy), "not one of those who said something last");
    drop(served);
}

#[test]
fn who_does_not_log_in_is_gone() {
    let server = start(
        config(|config| {
            config.auth.add_user("default", digest(b"secret"), Role::Client);
            config.login_ms = 1;
        }),
        &[],
    );
    let mut silent = Client::connect(server.local_addrs().resp);
    assert_eq!(silent.take_to_end(), b"");
    let mut chatty = Client::connect(server.local_addrs().resp);
    while chatty.try_send(b"PING\r\n").is_ok() {}
    // Who logs in within the time stays: here that is a race, so it is tried until it is won.
    let login = |client: &mut Client| {
        let said =
            client.try_send(b"AUTH secret\r\nPING\r\n").is_ok() && client.starts_with(b"+OK\r\n+PONG\r\n");
        client.forget();
        said
    };
    let mut user = eventually(|| Client::connect(server.local_addrs().resp), login);
    assert_eq!(user.ask("PING"), "+PONG\r\n");
}
