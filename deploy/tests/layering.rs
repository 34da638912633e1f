//! The direction of dependencies between crates, kept by a test.
//!
//! ```text
//! engine  <- net  <- deploy -> raft -> engine      A <- B: B depends on A
//! net[codec only] <- client <- bench               nothing depends on deploy or bench
//! ```
//!
//! Two views are checked. The *manifests* (`cargo metadata`) say which crates of this workspace each one names, dev- and
//! build-dependencies included. The *trees* (`cargo tree`) say what really ends up linked, third parties included.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// What one crate may name from this workspace, and what must never be linked into it.
struct Rule {
    krate: &'static str,
    /// Crates of this workspace it may name in its manifest, for any purpose.
    may_name: &'static [&'static str],
    /// Packages that may not be anywhere in its tree of normal dependencies.
    never_links: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        krate: "sluice-engine",
        may_name: &[],
        never_links: &["tokio", "mio", "socket2", "httparse", "serde_json", "rand", "getrandom", "openraft"],
    },
    Rule {
        krate: "sluice-net",
        may_name: &["sluice-engine"],
        never_links: &["sluice-raft", "openraft", "tokio", "toml", "clap"],
    },
    Rule {
        krate: "sluice-raft",
        may_name: &["sluice-engine"],
        never_links: &["sluice-net", "httparse", "axum", "hyper", "clap"],
    },
    Rule {
        krate: "sluice-client",
        may_name: &["sluice-net"],
        never_links: &["sluice-engine", "sluice-raft", "redis", "hyper", "rustls", "axum"],
    },
    Rule {
        krate: "sluice-bench",
        may_name: &["sluice-client", "sluice-engine"],
        never_links: &["sluice-raft", "sluice"],
    },
    Rule {
        krate: "sluice",
        may_name: &["sluice-engine", "sluice-net", "sluice-raft"],
        never_links: &["sluice-bench", "loom"],
    },
];

/// Each breach is one line for a person.
fn manifest_breaches(metadata: &Value, rules: &[Rule]) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let members: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut breaches = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a package has a name");
        let Some(rule) = rules.iter().find(|rule| rule.krate == name) else {
            breaches.push(format!("{name}: no rule says what this crate may depend on"));
            continue;
        };
        let named = package["dependencies"].as_array().expect("a package lists dependencies");
        for dependency in named.iter().filter_map(|dependency| dependency["name"].as_str()) {
            if members.contains(dependency) && !rule.may_name.contains(&dependency) {
                breaches.push(format!("{name} may not depend on {dependency}"));
            }
        }
    }
    breaches
}

/// `tree` is the output of `cargo tree --prefix none`: a package name opens each line.
fn tree_breaches(krate: &str, tree: &str, never_links: &[&str]) -> Vec<String> {
    let linked: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let met = never_links.iter().filter(|name| linked.contains(**name));
    met.map(|name| format!("{krate} links {name}: see `cargo tree -p {krate} -i {name}`")).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Normal dependencies only: tests may use more than the product links.
fn tree(krate: &str, features: &[&str]) -> String {
    let mut arguments = vec!["tree", "--locked", "-p", krate, "-e", "normal", "--prefix", "none"];
    arguments.extend_from_slice(features);
    cargo(&arguments)
}

#[test]
fn manifests_name_only_what_lies_below() {
    let metadata = cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("metadata is JSON");
    assert_eq!(manifest_breaches(&metadata, RULES), Vec::<String>::new());
}

#[test]
fn trees_link_nothing_forbidden() {
    let breaches =
        RULES.iter().flat_map(|rule| tree_breaches(rule.krate, &tree(rule.krate, &[]), rule.never_links));
    assert_eq!(breaches.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn the_codec_alone_needs_neither_engine_nor_sockets() {
    let codec = tree("sluice-net", &["--no-default-features", "--features", "codec"]);
    let never = ["sluice-engine", "mio", "socket2", "httparse", "libc", "serde_json", "tracing"];
    assert_eq!(tree_breaches("sluice-net", &codec, &never), Vec::<String>::new());
}

#[test]
fn the_check_sees_a_forbidden_manifest_entry() {
    let metadata = serde_json::json!({"packages": [
        {"name": "sluice-engine", "dependencies": [{"name": "sluice-net"}, {"name": "base64"}]},
        {"name": "sluice-net", "dependencies": [{"name": "sluice-engine"}]},
        {"name": "stranger", "dependencies": []},
    ]});
    assert_eq!(
        manifest_breaches(&metadata, RULES),
        [
            "sluice-engine may not depend on sluice-net",
            "stranger: no rule says what this crate may depend on"
        ]
    );
}

#[test]
fn the_check_sees_a_forbidden_link() {
    let tree = "sluice-engine v0.1.0 (/x)\ndashmap v6.1.0\nmiow v0.6.0\nmio v1.0.0\nmio v1.0.0 (*)\n";
    let breaches = tree_breaches("sluice-engine", tree, &["mio", "tokio"]);
    assert_eq!(breaches, ["sluice-engine links mio: see `cargo tree -p sluice-engine -i mio`"]);
}
