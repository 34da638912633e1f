//! The life of connections: deadlines, bounds, half-closed clients, several workers, the end.

mod support;

use sluice_engine::zone::settings::ZonePatch;
use sluice_net::server::{Server, StartError};
use std::net::Shutdown;
use std::time::Duration;
use support::{Client, config, open, start, start_with, until, value_of};

#[test]
fn every_byte_by_itself_is_the_same_request() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let at = server.local_addrs();
    let mut resp = Client::connect(at.resp);
    for byte in b"*2\r\n$6\r\nQ.JOIN\r\n$4\r\nshop\r\n" {
        resp.send([*byte]);
    }
    assert_eq!(value_of(&String::from_utf8(resp.reply()).unwrap(), "state"), "admitted");
    let mut http = Client::connect(at.http);
    for byte in b"POST /traffic/wait HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                  11\r\n{\"zoneId\":\"shop\"}\r\n0\r\n\r\n"
    {
        http.send([*byte]);
    }
    assert_eq!(http.response().status, 200);
}

/// The end of a client's side may be reported together with its last bytes or after them, so this is tried often.
#[test]
fn half_closed_clients_get_their_answers() {
    let server = start(config(|config| config.request_ms = 0), &[("shop", 1)]);
    let at = server.local_addrs();
    for _ in 0..200 {
        let mut resp = Client::connect(at.resp);
        resp.send("Q.JOIN shop\r\nQ.JOIN shop\r\nPING\r\nPING incompl");
        resp.stream().shutdown(Shutdown::Write).unwrap();
        let all = String::from_utf8(resp.take_to_end()).unwrap();
        assert_eq!(all.matches("token").count(), 2, "{all}");
        assert!(all.ends_with("+PONG\r\n"), "{all}");
        let mut http = Client::connect(at.http);
        http.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nGET /healthz HTTP/1.1\r\nHo");
        http.stream().shutdown(Shutdown::Write).unwrap();
        assert_eq!(http.response().status, 200);
        assert_eq!(http.take_to_end(), b"");
    }
}

#[test]
fn silence_ends_a_connection() {
    let server = start(config(|config| (config.resp_idle_ms, config.http_idle_ms) = (20, 20)), &[]);
    let at = server.local_addrs();
    for address in [at.resp, at.http] {
        assert_eq!(Client::connect(address).take_to_end(), b"", "closed without a word");
    }
}

#[test]
fn a_request_must_end_in_time_but_silence_between_requests_is_fine() {
    let server = start(config(|config| config.request_ms = 20), &[]);
    let at = server.local_addrs();
    let mut silent = Client::connect(at.resp);
    assert_eq!(silent.ask("PING"), "+PONG\r\n");
    let mut resp = Client::connect(at.resp);
    resp.send("*1\r\n$4\r\nPI");
    assert_eq!(resp.take_to_end(), b"");
    let mut http = Client::connect(at.http);
    http.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nGET /heal");
    assert_eq!(http.response().status, 200);
    assert_eq!(http.response().status, 408, "the second request did not end");
    assert_eq!(http.take_to_end(), b"");
    assert_eq!(silent.ask("PING"), "+PONG\r\n", "between requests there is no hurry");
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let server = start(config(|config| config.stuck_ms = 20), &[("shop", 1)]);
    let at = server.local_addrs().resp;
    let stuck = Client::connect(at);
    let mut writer = stuck.try_clone();
    // More replies than both kernels hold; the server closes meanwhile, so sending may fail.
    let sender =
        std::thread::spawn(move || writer.try_send("Q.ZONE GET shop\r\n".repeat(100_000).as_bytes()));
    let mut witness = Client::connect(at);
    assert_eq!(witness.ask("PING"), "+PONG\r\n");
    until("the others are gone", || {
        assert_eq!(witness.ask("PING"), "+PONG\r\n");
        server.connections() <= 1
    });
    assert!(sender.join().unwrap().is_err() || !stuck.try_clone().take_to_end().is_empty());
}

#[test]
fn too_many_connections_are_told_so() {
    let server = start(config(|config| config.connections_max = 2), &[]);
    let at = server.local_addrs();
    let (mut first, mut second) = (Client::connect(at.resp), Client::connect(at.http));
    assert_eq!(first.ask("PING"), "+PONG\r\n");
    assert_eq!(second.call("GET", "/healthz").status, 200);
    assert_eq!(Client::connect(at.resp).take_to_end(), b"-ERR max number of clients reached\r\n");
    let mut refused = Client::connect(at.http);
    let response = refused.response();
    assert_eq!((response.status, response.field("retry-after")), (503, Some("5")));
    assert_eq!((&response.json()["code"], refused.take_to_end()), (&"BUSY".into(), vec![]));
    drop(second);
    until("the other is gone", || {
        assert_eq!(first.ask("PING"), "+PONG\r\n");
        server.connections() <= 1
    });
    assert_eq!(Client::connect(at.resp).ask("PING"), "+PONG\r\n", "there is room again");
}

#[test]
fn connections_list_and_kill_each_other() {
    let server = start(config(|config| config.workers = 2), &[]);
    let at = server.local_addrs().resp;
    let (mut first, mut second) = (Client::connect(at), Client::connect(at));
    assert_eq!(second.ask("CLIENT SETNAME second"), "+OK\r\n");
    let list = first.ask("CLIENT LIST");
    assert_eq!(list.matches("id=").count(), 2, "{list}");
    let row = list.lines().find(|line| line.contains("name=second")).unwrap();
    let id = row.split("id=").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(first.ask(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    assert_eq!(second.take_to_end(), b"");
    assert_eq!(first.ask(&format!("CLIENT KILL ID {id}")), ":0\r\n");
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let server = start(config(|_| ()), &[]);
    let taken = server.local_addrs().http;
    let config = config(|config| config.http = taken);
    let (directory, owners) = open(&config);
    match Server::start(config, directory, owners) {
        Err(error @ StartError::Listen { .. }) => {
            assert!(error.to_string().starts_with(&format!("cannot serve HTTP at {taken}: ")), "{error}");
        }
        _ => panic!("two servers at {taken}"),
    }
}

#[test]
fn workers_serve_each_others_groups() {
    let zones: Vec<String> = (0..12).map(|number| format!("zone-{number}")).collect();
    let named: Vec<(&str, u32)> = zones.iter().map(|zone| (zone.as_str(), 1)).collect();
    let server = start(config(|config| config.workers = 3), &named);
    let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(server.local_addrs().resp)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        // Joins of all groups, each followed by something that is answered at once.
        let commands = zones.iter().map(|zone| format!("Q.JOIN {zone}\r\nECHO {zone}\r\n"));
        client.send(commands.collect::<String>());
        for zone in &zones {
            let place = String::from_utf8(client.reply()).unwrap();
            assert_eq!(value_of(&place, "position"), number.to_string(), "{zone}");
            let echo = String::from_utf8(client.reply()).unwrap();
            assert!(echo.contains(zone.as_str()), "replies left their order: {echo}");
        }
    }
    let mut http = Client::connect(server.local_addrs().http);
    for zone in &zones {
        assert_eq!(http.call("GET", &format!("/v1/zones/{zone}")).json()["waiting"], 5);
    }
    assert_eq!(server.drain(Duration::from_secs(30)).len(), 6);
}

#[test]
fn a_read_sees_the_connections_own_writes() {
    let server = start(config(|config| config.workers = 2), &[("shop", 1)]);
    for _ in 0..2 {
        // The two connections are on two workers: the zone's owner is here and elsewhere.
        let mut client = Client::connect(server.local_addrs().resp);
        client.send("Q.JOIN shop\r\nQ.JOIN shop\r\nQ.STATS shop\r\n".repeat(50));
        let mut joined = None;
        for _ in 0..50 {
            client.reply();
            client.reply();
            let stats = String::from_utf8(client.reply()).unwrap();
            let total: u64 = value_of(&stats, "joined_total").parse().unwrap();
            assert!(joined.is_none_or(|before| total == before + 2), "{total} after {joined:?}");
            joined = Some(total);
        }
    }
}

/// One admission a second: whoever polls when its turn is near is held until then.
fn quick() -> ZonePatch {
    let (window_ms, slice_ms) = (Some(1_000), Some(1_000));
    ZonePatch { limit: Some(1), window_ms, slice_ms, poll_ms: Some(100), ..ZonePatch::default() }
}

#[test]
fn a_poll_near_its_turn_is_held_until_then() {
    let server = start_with(config(|config| config.workers = 2), vec![("quick", quick())]);
    for _ in 0..2 {
        let mut client = Client::connect(server.local_addrs().resp);
        client.ask("Q.JOIN quick");
        let token = value_of(&client.ask("Q.JOIN quick"), "token");
        let mut state = || value_of(&client.ask(&format!("Q.POLL quick {token}")), "state");
        until("everybody is admitted", || state() == "admitted");
    }
}

#[test]
fn nothing_waits_behind_a_held_poll() {
    let server = start_with(config(|config| config.workers = 2), vec![("quick", quick())]);
    let mut client = Client::connect(server.local_addrs().resp);
    client.ask("Q.JOIN quick");
    let tokens: Vec<String> = (0..4).map(|_| value_of(&client.ask("Q.JOIN quick"), "token")).collect();
    let polls: String = tokens.iter().map(|token| format!("Q.POLL quick {token}\r\nPING\r\n")).collect();
    // Polls in one packet are never held, and still everybody is admitted in the end.
    until("everybody is admitted", || {
        client.send(&polls);
        let mut waiting = 0;
        for token in &tokens {
            let place = String::from_utf8(client.reply()).unwrap();
            assert_eq!(&value_of(&place, "token"), token);
            waiting += usize::from(value_of(&place, "state") == "waiting");
            assert_eq!(client.reply(), b"+PONG\r\n");
        }
        waiting == 0
    });
}

#[test]
fn a_client_that_goes_away_while_its_poll_is_held_leaves_nothing() {
    let server = start_with(config(|config| config.workers = 2), vec![("quick", quick())]);
    let at = server.local_addrs().resp;
    let mut witness = Client::connect(at);
    witness.ask("Q.JOIN quick");
    for _ in 0..50 {
        let mut client = Client::connect(at);
        let token = value_of(&client.ask("Q.JOIN quick"), "token");
        client.send(format!("Q.POLL quick {token}\r\n"));
    }
    until("the others are gone", || {
        assert_eq!(witness.ask("PING"), "+PONG\r\n");
        server.connections() <= 1
    });
    assert_eq!(server.drain(Duration::from_secs(30)).len(), 6);
}
