//! The code map of SPEC.md points only at what exists, so that a newcomer who follows it arrives.

use std::path::Path;

use crate::source::top;

/// Every path in backquotes under the heading "Code map" that `exists` does not know. `None` when there is no such map.
fn dead_ends(spec: &str, exists: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let is_heading = |line: &&str| line.starts_with("## ");
    let mut lines =
        spec.lines().skip_while(|line| !(is_heading(line) && line.to_lowercase().contains("code map")));
    lines.next()?;
    let map = lines.take_while(|line| !is_heading(line));
    let quoted =
        map.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let dead = quoted.filter(|name| looks_like_a_path(name) && !exists(name));
    Some(dead.collect())
}

fn looks_like_a_path(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let ends_like_a_file = [".rs", ".md", ".toml", ".sh", ".lua"].iter().any(|end| name.ends_with(end));
    plain && (name.contains('/') || ends_like_a_file)
}

#[test]
fn the_code_map_leads_somewhere() {
    let spec = std::fs::read_to_string(top().join("SPEC.md")).expect("SPEC.md stands at the top");
    let dead = dead_ends(&spec, |path| Path::new(&top()).join(path).exists());
    assert_eq!(dead, Some(Vec::new()), "paths that do not exist");
}

#[test]
fn a_dead_end_is_seen() {
    let spec = "# S\n`not/here.rs`\n## Code map\n| `engine/src/lib.rs` | `a/gone.rs` |\n`f(x)` `gone.rs`\n## Next\n`x/y`\n";
    let dead = dead_ends(spec, |path| path == "engine/src/lib.rs");
    assert_eq!(dead, Some(vec!["a/gone.rs".to_owned(), "gone.rs".to_owned()]));
    assert_eq!(dead_ends("# S\n`a/b`\n", |_| false), None);
}
