//! The peer protocol over real sockets, openraft's network over a scripted transport, and the simulated network.

mod calls;
mod certificates;
mod golden;
mod handshake;
mod hostile;
mod network;
mod receive;
mod simulated;
mod support;

#[path = "../sim/net.rs"]
mod net;

use openraft_rt_sim::SimRuntime;
