//! What the host counts that concerns us: connections lost before anybody could accept them.

use std::path::Path;

/// Connections that never reached a server of this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Listening {
    /// Times that an accept queue was full.
    pub(super) overflows: u64,
    /// Connections dropped at a listener, for that or another reason.
    pub(super) drops: u64,
}

impl Listening {
    /// As the kernel counts since it started; `None` where it does not tell.
    pub(super) fn read(path: &Path) -> Option<Listening> {
        let text = std::fs::read_to_string(path).ok()?;
        // Two lines a protocol: names, then figures.
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
        let (names, figures) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
        let of: Vec<_> = names.zip(figures).collect();
        let figure = |name: &str| of.iter().find(|(known, _)| *known == name)?.1.parse().ok();
        Some(Listening { overflows: figure("ListenOverflows")?, drops: figure("ListenDrops")? })
    }
}

#[cfg(test)]
mod tests {
    use super::Listening;

    #[test]
    fn figures_stand_below_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("netstat");
        let text = "TcpExt: A ListenOverflows ListenDrops B\nTcpExt: 1 22 333 4\nIpExt: X\nIpExt: 5\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(Listening::read(&path), Some(Listening { overflows: 22, drops: 333 }));
        std::fs::write(&path, "IpExt: X\nIpExt: 5\n").unwrap();
        assert_eq!(Listening::read(&path), None);
        assert_eq!(Listening::read(&folder.path().join("none")), None);
    }
}
