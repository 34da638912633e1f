//! Nobody is locked out by connections that say nothing: ports have shares, and who is silent makes room.

mod support;

use sluice_net::auth::digest;
use sluice_net::resp::server::Role;
use sluice_net::server::Server;
use support::{Client, config, start, until};

/// Connects until the server takes the connection: somebody who is silent has to go first. Meanwhile those who are not speak.
fn eventually(
    connect: impl Fn() -> Client,
    ask: impl Fn(&mut Client) -> bool,
    mut meanwhile: impl FnMut(),
) -> Client {
    let mut served = None;
    until("the server takes it", || {
        let mut client = connect();
        if ask(&mut client) {
            served = Some(client);
            return true;
        }
        meanwhile();
        false
    });
    served.unwrap()
}

fn is_served(client: &mut Client) -> bool {
    client.try_send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").is_ok()
        && client.starts_with(b"HTTP/1.1 200")
}

/// Waits until the server has so many connections.
fn has(server: &Server, connections: usize) {
    until("they have come", || server.connections() == connections);
}

#[test]
fn silent_http_connections_leave_resp_its_share_and_make_room_for_others() {
    let server = start(config(|config| (config.connections_max, config.workers) = (16, 2)), &[]);
    let addrs = server.local_addrs();
    let mut all: Vec<Client> = (0..14).map(|_| Client::connect(addrs.http)).collect();
    has(&server, all.len());
    let refused = Client::connect(addrs.http).take_to_end();
    assert!(refused.starts_with(b"HTTP/1.1 503"), "all have just come: {}", refused.escape_ascii());
    let others = [0, 1].map(|_| {
        let mut resp = Client::connect(addrs.resp);
        assert_eq!(resp.ask("PING"), "+PONG\r\n");
        resp
    });
    // One that says nothing, and many that do, whichever worker has them.
    let mut silent = all.remove(7);
    let mut speak = |when: &str| {
        for client in &mut all {
            assert_eq!(
                client.call("GET", "/healthz").status,
                200,
                "{when}: not one that said something last"
            );
        }
    };
    speak("before");
    let served = eventually(|| Client::connect(addrs.http), is_served, || speak("meanwhile"));
    speak("afterwards");
    assert_eq!(silent.take_to_end(), b"", "it went");
    drop((served, others));
}

fn guarded(workers: usize) -> Server {
    let config = config(|config| {
        config.auth.add_user("default", digest(b"secret"), Role::Client);
        (config.connections_max, config.workers, config.login_ms) = (16, workers, 600_000);
    });
    start(config, &[])
}

fn login(client: &mut Client) -> bool {
    let said = client.try_send(b"AUTH secret\r\nPING\r\n").is_ok() && client.starts_with(b"+OK\r\n+PONG\r\n");
    client.forget();
    said
}

/// Connections are dealt out in turn, so each of the workers is once the only one that has a connection to give up.
#[test]
fn room_is_made_by_whichever_worker_has_it() {
    for silent in 0..3 {
        let server = guarded(3);
        let at = server.local_addrs().resp;
        let mut clients: Vec<Client> = (0..14).map(|_| Client::connect(at)).collect();
        has(&server, clients.len());
        for (n, client) in clients.iter_mut().enumerate().filter(|(n, _)| *n != silent) {
            assert!(login(client), "{n}");
        }
        let served = eventually(|| Client::connect(at), login, || ());
        assert_eq!(clients.remove(silent).take_to_end(), b"", "it made room");
        assert!(clients.iter_mut().all(login), "nobody else did");
        drop(served);
    }
}

/// Heads that never end are no better than silence.
#[test]
fn requests_that_do_not_get_here_make_room_for_others() {
    let server = start(
        config(|config| {
            (config.connections_max, config.workers, config.request_ms) = (16, 2, 600_000);
        }),
        &[],
    );
    let at = server.local_addrs().http;
    let mut slow: Vec<Client> = (0..14).map(|_| Client::connect(at)).collect();
    slow.iter_mut().for_each(|client| client.send("GET /healthz HTTP/1.1\r\n"));
    has(&server, slow.len());
    drop(eventually(|| Client::connect(at), is_served, || ()));
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
    until("who only speaks is gone", || chatty.try_send(b"PING\r\n").is_err());
    // Who logs in within the time stays: here that is a race, so it is tried until it is won.
    let mut user = eventually(|| Client::connect(server.local_addrs().resp), login, || ());
    assert_eq!(user.ask("PING"), "+PONG\r\n");
}
