//! What a command weighs is what the codec writes: for every variant, whatever is in it.

use crate::draw::{COMMANDS, command};
use fastrand::Rng;
use sluice_engine::command::Command;
use sluice_engine::measure::{Measured, bytes_of};

#[test]
fn what_is_counted_is_what_is_written() {
    for seed in 0..400 {
        let mut rng = Rng::with_seed(seed);
        for variant in 0..COMMANDS {
            let command = command(variant, &mut rng);
            assert_eq!(number(&command), variant);
            let written = postcard::to_stdvec(&command).unwrap().len();
            assert_eq!(bytes_of(&command), written, "seed {seed}: {command:?}");
            assert_eq!(Measured::of(command).bytes(), written);
        }
    }
}

/// Fails to compile when there is a command that is not drawn.
fn number(command: &Command) -> u8 {
    match command {
        Command::ZoneSet { .. } => 0,
        Command::ZoneDelete { .. } => 1,
        Command::Join { .. } => 2,
        Command::Leave { .. } => 3,
        Command::Admit { .. } => 4,
        Command::Evict { .. } => 5,
        Command::Sweep { .. } => 6,
        Command::KeyInstall { .. } => 7,
        Command::KeyActivate { .. } => 8,
        Command::Key(_) => 9,
        Command::Keys(_) => 10,
        Command::KeySweep => 11,
    }
}
