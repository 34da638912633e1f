//! Notes the git revision, where there is one, for `--version`.

use std::process::Command;

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    let text = match revision() {
        Some(revision) => format!("{version} ({revision})"),
        None => version.to_owned(),
    };
    // `cargo run` hands it on to the server too, which takes what begins with SLUICE_ for a setting.
    println!("cargo::rustc-env=BUILD_VERSION={text}");
    println!("cargo::rerun-if-changed=build.rs");
    // Moves with every commit and checkout; a path that does not exist would rebuild every time.
    if let Some(path) = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"])
        && std::path::Path::new(&path).exists()
    {
        println!("cargo::rerun-if-changed={path}");
    }
}

fn revision() -> Option<String> {
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// `None` without git, outside a repository, or before the first commit: a build never fails for it.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
