//! A server as one node of several, without the others.

use super::{config, open};
use sluice_net::cluster::{Addresses, Alone, Cluster, Decide, Operation, Status};
use sluice_net::server::{Ports, Server};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// One node of several: what it publishes, and decisions that the test makes.
struct Node {
    published: Mutex<Sender<Vec<u8>>>,
    asked: Mutex<Sender<Decide>>,
}

impl Cluster for Node {
    fn status(&self) -> Status {
        Alone::new(6, Addresses::default()).status()
    }

    fn administer(&self, _: Operation, decide: Decide) {
        self.asked.lock().unwrap().send(decide).unwrap();
    }

    fn can_write(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn has_others(&self) -> bool {
        true
    }

    fn publish(&self, messages: Vec<u8>) -> bool {
        self.published.lock().unwrap().send(messages).is_ok()
    }
}

/// A server that is such a node, what it publishes, and what it asks.
pub(crate) fn node(workers: usize) -> (Server, Receiver<Vec<u8>>, Receiver<Decide>) {
    let config = config(|config| config.workers = workers);
    let (directory, owners) = open(&config);
    let ((published, told), (asked, asks)) = (channel(), channel());
    let cluster = Arc::new(Node { published: Mutex::new(published), asked: Mutex::new(asked) });
    let ports = Ports::take(&config).unwrap();
    (Server::start_on(ports, config, directory, owners, cluster).unwrap(), told, asks)
}
