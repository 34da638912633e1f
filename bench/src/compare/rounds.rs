//! Runs of load, ours and theirs in turn.
//!
//! Machines drift within minutes: neighbours, heat, memory fragmentation. Alternating the sides lets a drift hit
//! both, and the median of each drops a single bad round.

use std::process::{Command, Stdio};

use crate::compare::host::Programs;
use crate::compare::outcome::{Rounds, Sample};
use crate::compare::server::{LOAD_CORE, Server};
use crate::error::{BenchError, Result};
use crate::load::{Arguments, LoadReport};

/// `count` times ours, then theirs.
pub(crate) fn alternate(
    count: u32,
    mut ours: impl FnMut(u32) -> Result<Sample>,
    mut theirs: impl FnMut(u32) -> Result<Sample>,
) -> Result<Rounds> {
    let [ours, theirs] = in_turn(count, [&mut ours, &mut theirs])?;
    Ok(Rounds { ours, theirs })
}

/// One side of a comparison: a round of it, by number.
pub(crate) type Side<'a> = &'a mut dyn FnMut(u32) -> Result<Sample>;

/// `count` times each side, one after the other.
pub(crate) fn in_turn<const SIDES: usize>(
    count: u32,
    mut sides: [Side<'_>; SIDES],
) -> Result<[Vec<Sample>; SIDES]> {
    let mut samples = [const { Vec::new() }; SIDES];
    for round in 0..count {
        for (side, samples) in sides.iter_mut().zip(&mut samples) {
            samples.push(side(round)?);
        }
    }
    Ok(samples)
}

/// One run of `load`, with the CPU time that it cost the server.
pub(crate) fn measure(programs: &Programs, server: &Server, arguments: &Arguments) -> Result<Sample> {
    measure_by(programs, || server.cpu_seconds(), arguments)
}

/// One run of `load`, with the CPU time by a clock of the servers that it loads, in seconds.
pub(crate) fn measure_by(
    programs: &Programs,
    cpu_seconds: impl Fn() -> Result<f64>,
    arguments: &Arguments,
) -> Result<Sample> {
    let before = cpu_seconds()?;
    let report = load(programs, arguments)?;
    Ok(Sample::of_load(report, cpu_seconds()? - before))
}

/// One run of `load` in a process of its own, on the core of the generators.
pub(crate) fn load(programs: &Programs, arguments: &Arguments) -> Result<LoadReport> {
    let own = std::env::current_exe().map_err(BenchError::io("asking for the own path"))?;
    let mut command = Command::new(&programs.taskset);
    command.args(["-c", LOAD_CORE]).arg(own).arg("load").args(arguments.words()).arg("--json");
    let output = command.stdin(Stdio::null()).output().map_err(BenchError::io("running a load"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match serde_json::from_str::<LoadReport>(text.trim()) {
        Ok(report) => Ok(report),
        Err(_) => Err(BenchError::Peer {
            name: format!("load of {:?} at {:?}", arguments.operation, arguments.addresses),
            reason: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}
