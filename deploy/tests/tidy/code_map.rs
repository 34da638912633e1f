//! The code map of SPEC.md points only at what exists, so that a newcomer who follows it arrives.

use std::path::Path;

use crate::source::top;

/// Every path in backquotes under the heading "Code map" that `exists` does not know. The first cell of a row is a folder;
/// bare file names in that row are files in it. `None` when there is no such map.
fn dead_ends(spec: &str, exists: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let is_heading = |line: &&str| line.starts_with("## ");
    let mut lines =
        spec.lines().skip_while(|line| !(is_heading(line) && line.to_lowercase().contains("code map")));
    lines.next()?;
    let mut dead = Vec::new();
    for line in lines.take_while(|line| !is_heading(line)) {
        let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let is_row = line.starts_with("| `");
        let folder = quoted.first().copied().unwrap_or_default();
        for (place, name) in quoted.iter().enumerate() {
            let is_path = name.contains('/') || (is_row && (place == 0 || ends_like_a_file(name)));
            if is_path && is_plain(name) && !exists(name) && !exists(&format!("{folder}/{name}")) {
                dead.push((*name).to_owned());
            }
        }
    }
    Some(dead)
}

fn ends_like_a_file(name: &str) -> bool {
    [".rs", ".md", ".toml", ".sh", ".lua"].iter().any(|end| name.ends_with(end))
}

/// Not code, not a pattern.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

#[test]
fn the_code_map_leads_somewhere() {
    let spec = std::fs::read_to_string(top().join("SPEC.md")).expect("SPEC.md stands at the top");
    let dead = dead_ends(&spec, |path| Path::new(&top()).join(path).exists());
    assert_eq!(dead, Some(Vec::new()), "paths that do not exist");
}

#[test]
fn a_dead_end_is_seen() {
    let spec = "\
# S
`not/here.rs`
## 7. Code map
| `engine` | `lib.rs` and `gone.rs` | `engine/lib.rs` |
| `nowhere` | `word` `f(x)` | `a/gone.rs` |
See `engine/lib.rs`, then `a/lost.rs`, or any `limit.rs`.
## Next
`x/y`
";
    let dead = dead_ends(spec, |path| ["engine", "engine/lib.rs"].contains(&path));
    assert_eq!(dead, Some(["gone.rs", "nowhere", "a/gone.rs", "a/lost.rs"].map(str::to_owned).to_vec()));
    assert_eq!(dead_ends("# S\n`a/b`\n", |_| false), None);
}
