//! What readers of event streams are told, while connections are lost, streams are trimmed, expire and are made anew, and
//! leaders are killed: a cluster of three real processes, several writers, and readers of every kind, from one seed.
//!
//! ```text
//! plan        how much of everything, from the environment        dice      chance
//! stage       where the nodes are, and how far the writers are    wire      commands and their replies
//! writer      appends, each once; trims, removals, expiries       reader    single, many, pushed, blocking, ranges
//! history     what one reader was told of one stream: numbers are dense, or it was told that they are not
//! truth       all histories together
//! ```
//! Seen to fail, each by breaking one thing: a reader that resumes one entry too far back, and one that resumes one too far
//! on (`history`); an append that is done twice, and one that is not done (`truth`).
//!
//! Larger, or again: `SLUICE_HISTORIES_SEED=7 SLUICE_HISTORIES_STREAMS=200 SLUICE_HISTORIES_READERS=50
//! SLUICE_HISTORIES_APPENDS=20000 SLUICE_HISTORIES_KILLS=6 cargo test -p sluice --test histories`.

#[path = "../differential/dice.rs"]
#[allow(dead_code, reason = "commands are chosen with the rest")]
mod dice;
mod history;
#[path = "../cluster/nodes.rs"]
#[allow(dead_code, reason = "the stories of a cluster use the rest")]
mod nodes;
mod plan;
mod reader;
mod stage;
mod truth;
mod wire;
mod writer;

use nodes::Nodes;
use plan::Plan;
use stage::Stage;
use truth::Truth;

#[test]
fn every_reader_is_told_everything_once_and_in_order_or_that_it_is_not() {
    let plan = Plan::of_environment();
    eprintln!("{}", plan.command());
    let mut nodes = Nodes::form(3);
    nodes.wait_writable(0);
    let stage = Stage::new(&nodes);
    let mut truth = Truth::new(&plan);
    std::thread::scope(|scope| {
        let readers = reader::start(scope, &plan, &stage);
        let writers: Vec<_> = (0..plan.writers)
            .map(|number| {
                let (plan, stage) = (&plan, &stage);
                scope.spawn(move || writer::write(plan, stage, number))
            })
            .collect();
        for round in 1..=plan.kills {
            stage.wait_for(plan.appends * round / (plan.kills + 1));
            fail_over(&mut nodes, round);
        }
        writers.into_iter().for_each(|writer| truth.was_acknowledged(writer.join().expect("written")));
        truth.was_acknowledged(writer::complete(&plan, &stage));
        // Who was there from the start, and who comes when everything is over.
        let late = reader::start_late(scope, &plan, &stage);
        for reader in readers.into_iter().chain(late) {
            truth.was_told(reader.join().expect("read to the end"));
        }
    });
    eprintln!("{}", truth.check(&plan));
}

/// The leader of a group dies, and comes back once the others do without it.
fn fail_over(nodes: &mut Nodes, round: u64) {
    let asked = (round as usize) % 3;
    let leader = nodes.leader(asked, round as usize % 6);
    nodes.kill(leader);
    nodes.wait_writable((leader + 1) % 3);
    nodes.start(leader, None);
    nodes.wait_ready(leader);
}
