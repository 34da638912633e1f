//! sluice beside redis-server 7.0.15: the same commands to both, and the same replies from both, but for a closed list.
//!
//! | file | what |
//! |---|---|
//! | `generator/` | random commands from a seed |
//! | `campaign.rs` | runs them, makes a failing case small |
//! | `differences.rs` | the closed list of what may differ, and the comparison |
//! | `pair.rs`, `peer.rs` | two servers, connections to both |
//! | `reply.rs` | a strict reader of RESP2 and RESP3 |
//! | `stage.rs` | what stories are told with |
//! | `expiry.rs`, `blocking.rs`, `newer.rs` | stories that a single random command cannot tell: time, wake-ups, what 7.2 added |
//! | `proof.rs` | the comparison is seen to catch wrong replies |
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `SLUICE_DIFF_SEEDS` | `1..4` | both included; odd ones speak RESP2, even ones RESP3 |
//! | `SLUICE_DIFF_COMMANDS` | 5000 | commands a seed |
//! | `SLUICE_DIFF_CASE` | all | only this case of each seed |
//! | `SLUICE_DIFF_PEER` | `sluice` | `redis`: compare redis-server with itself, which tests the test |
//! | `SLUICE_DIFF_ALSO` | none | `keys`, `watch`: commands that sluice may do without |
//! | `SLUICE_DIFF_WITHOUT` | none | commands that are left out, as `SCAN,GROUPS`; `GROUPS`: all of consumer groups |
//!
//! 200,000 commands: `SLUICE_DIFF_COMMANDS=50000 cargo test -p sluice --test differential random_commands -- --nocapture`.

mod blocking;
mod campaign;
mod dice;
mod differences;
mod expiry;
mod generator;
mod newer;
mod pair;
mod peer;
mod proof;
mod reply;
mod stage;

use campaign::Campaign;
use pair::Servers;

#[test]
fn random_commands_get_equal_replies() {
    let campaign = Campaign::from_environment();
    let servers = Servers::start(campaign.kind);
    match campaign.run(&servers) {
        Ok(met) => println!("{met}"),
        Err(difference) => panic!("\n{difference}"),
    }
}
