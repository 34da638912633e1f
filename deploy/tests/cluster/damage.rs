//! What a start makes of bytes that are not what was written: the rest of a write that was cut short goes, all else is refused
//! until the bytes are put back.
//!
//! Seen to fail, each by one change of the code: any bad end of the log taken for torn; none; one wrong byte in the zeros
//! wiped; a segment that stays as short as it was cut; checksums of a snapshot's chunks or of the identity not looked at.

use std::path::{Path, PathBuf};

use crate::nodes::Nodes;

/// A node that was killed, its data, and who waits there.
struct Killed {
    nodes: Nodes,
    tokens: Vec<String>,
}

impl Killed {
    fn new() -> Killed {
        let mut nodes = Nodes::form(1);
        let paused = ["--limit", "1", "--mode", "paused", "--poll-ms", "60000", "--abandon-ms", "600000"];
        nodes.insist(0, &[&["set", "shop"], &paused[..]].concat());
        let mut tokens = vec![nodes.wait_in(0, "shop")];
        nodes.cluster(0, &["snapshot"]);
        tokens.push(nodes.wait_in(0, "shop"));
        nodes.kill(0);
        // A start makes all before durable: what is cut off after this is of its own or later.
        nodes.start(0, None);
        nodes.wait_writable(0);
        tokens.push(nodes.wait_in(0, "shop"));
        nodes.wait_in(0, "shop");
        nodes.kill(0);
        Killed { nodes, tokens }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.nodes.all[0].data.join(file)
    }

    /// The ledger may have heard of what is cut off: that a power cut took it is the operator's word.
    fn give_up_the_rest(&self) {
        let data = self.nodes.all[0].data.to_str().unwrap();
        self.nodes.offline(&["cluster", "accept-loss", data]);
    }

    fn starts(&mut self) {
        self.nodes.start(0, None);
        self.nodes.wait_writable(0);
        for (token, position) in self.tokens.iter().zip(1..) {
            self.nodes.everywhere("shop", token, position);
        }
        self.nodes.kill(0);
    }

    /// The node refuses to start while the file says that it has a format so much newer, in a head whose checksum is right.
    fn refuses_format(&mut self, newer: i32, to_do: &str) {
        let path = self.path(SEGMENT);
        let good = std::fs::read(&path).unwrap();
        let own = u32::from_le_bytes(good[8..12].try_into().unwrap());
        let format = own.checked_add_signed(newer).unwrap();
        let mut other = good.clone();
        other[8..12].copy_from_slice(&format.to_le_bytes());
        let checksum = crc32fast::hash(&other[..HEAD - 4]);
        other[HEAD - 4..HEAD].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(&path, &other).unwrap();
        self.nodes.clear_log(0);
        self.nodes.start(0, None);
        let line = self.nodes.gives_up(0);
        assert!(line.contains(SEGMENT) && line.contains(&format!("has format {format},")), "{line}");
        assert!(line.contains(to_do), "it says what to do: {line}");
        assert!(std::fs::read(&path).unwrap() == other, "nothing is changed by a start that fails");
        std::fs::write(&path, &good).unwrap();
    }

    /// The node refuses to start as long as the byte is another one.
    fn refuses(&mut self, file: &str, at: usize) {
        let path = self.path(file);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        self.nodes.clear_log(0);
        self.nodes.start(0, None);
        let line = self.nodes.gives_up(0);
        assert!(line.contains(file) && line.contains("is damaged"), "byte {at} of {file}: {line}");
        for cure in ["restore this node from its peers", "back from a backup, or move it away to begin anew"]
        {
            assert!(line.contains(cure), "it says what to do, also alone: {line}");
        }
        assert!(std::fs::read(&path).unwrap() == bad, "nothing of {file} is changed by a start that fails");
        std::fs::write(&path, &good).unwrap();
    }
}

const SEGMENT: &str = "log/0000000001.seg";
/// Bytes of a segment's head, its checksum last.
const HEAD: usize = 64;

/// Bytes of a segment that are in use.
fn written(path: &Path) -> usize {
    std::fs::read(path).unwrap().iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn a_wrong_byte_is_refused_until_it_is_put_back() {
    let mut killed = Killed::new();
    let end = written(&killed.path(SEGMENT));
    for at in [70, end / 2, end - 30, end - 3, end - 1, end + 1, end + 5_000] {
        killed.refuses(SEGMENT, at);
    }
    let size = std::fs::metadata(killed.path("node/identity")).unwrap().len() as usize;
    killed.refuses("node/identity", size / 2);
    let snapshots: Vec<_> = std::fs::read_dir(killed.path("snapshot")).unwrap().collect();
    assert_eq!(snapshots.len(), 6, "one of each group");
    for snapshot in snapshots {
        let snapshot = snapshot.unwrap();
        let name = format!("snapshot/{}", snapshot.file_name().to_string_lossy());
        let size = snapshot.metadata().unwrap().len() as usize;
        for at in [9, size / 2, size - 2] {
            killed.refuses(&name, at);
        }
    }
    killed.starts();
}

#[test]
fn a_log_of_another_version_is_left_to_the_program_that_wrote_it() {
    let mut killed = Killed::new();
    killed.refuses_format(-1, "start the older program");
    killed.refuses_format(1, "start the newer program");
    killed.starts();
}

#[test]
fn the_rest_of_a_torn_write_goes_and_nothing_else() {
    for cut in [1, 7, 19, 25] {
        let mut killed = Killed::new();
        let path = killed.path(SEGMENT);
        let end = written(&path) - cut;
        let mut torn = std::fs::read(&path).unwrap();
        torn[end..].fill(0);
        std::fs::write(&path, &torn).unwrap();
        killed.give_up_the_rest();
        killed.starts();
        assert!(written(&path) > end, "the log goes on where it was cut");

        let mut killed = Killed::new();
        let path = killed.path(SEGMENT);
        let end = written(&path) - cut;
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(end as u64).unwrap();
        killed.give_up_the_rest();
        killed.starts();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 64 << 20, "the segment has its size again");
    }
}
