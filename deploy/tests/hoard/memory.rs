//! What the kernel says of a process.

/// Bytes of a line of `/proc/PID/status`.
fn status(process: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
    let kib = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kib * 1_024
}

/// Resident bytes now.
pub(crate) fn resident(process: u32) -> u64 {
    status(process, "VmRSS")
}

/// The most since [`forget_peak`].
pub(crate) fn peak(process: u32) -> u64 {
    status(process, "VmHWM")
}

/// From now on the peak is counted anew.
pub(crate) fn forget_peak(process: u32) {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("its own user may");
}
