//! Out of file descriptors: the server survives, goes on serving whom it has, and takes new ones afterwards.
//!
//! The server runs in a process of its own with a low limit, so this test is its own program: started with the
//! variable below it is the server, without it the story.

mod support;

use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use support::{Client, config, start};

const SERVE: &str = "SERVE_WITH_FEW_DESCRIPTORS";
/// Descriptors that the server may have; a dozen are its own.
const DESCRIPTORS: u64 = 40;
/// Clients that come at once.
const CLIENTS: usize = 200;

fn main() {
    if std::env::var_os(SERVE).is_some() {
        serve();
    } else {
        survives_running_out_of_descriptors();
        println!("test survives_running_out_of_descriptors ... ok");
    }
}

/// Serves until the parent closes our standard input.
fn serve() {
    let limit = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let server = start(config(|config| config.workers = 2), &[]);
    println!("{}", server.local_addrs().resp);
    let _ = std::io::stdin().read(&mut [0]);
}

fn survives_running_out_of_descriptors() {
    let (mut child, at) = spawn();
    let mut first = Client::connect(at);
    assert_eq!(first.ask("PING"), "+PONG\r\n");
    // All connect; those beyond the limit are closed instead of waiting for ever.
    let crowd: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(at)).collect();
    let mut served = 0;
    for mut client in crowd {
        // A closed connection may already refuse the command.
        let _ = client.try_send(b"PING\r\nQUIT\r\n");
        served += usize::from(client.take_to_end().starts_with(b"+PONG"));
        assert_eq!(first.ask("PING"), "+PONG\r\n", "who is served goes on being served");
    }
    assert!(0 < served && served < CLIENTS, "{served} of {CLIENTS} were served");
    let mut late = Client::connect(at);
    assert_eq!(late.ask("PING"), "+PONG\r\n", "there are descriptors again");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

fn spawn() -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(SERVE, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}
