//! A cluster's status, drawn for a terminal: what is wrong first, then nodes, then groups.

use sluice_net::cluster::{Group, Member, Part, Status};

/// The whole picture.
pub(super) fn draw(status: &Status) -> String {
    let mut text = headline(status);
    text.push('\n');
    text.push_str(&nodes(status));
    if !status.groups.is_empty() {
        text.push('\n');
        text.push_str(&groups(status));
    }
    text
}

fn headline(status: &Status) -> String {
    if status.node == 0 {
        return "this node waits to be added: run `sluice cluster init` against a node of the cluster\n"
            .to_owned();
    }
    let of = |part| status.nodes.iter().filter(move |node| node.part == part);
    let (voters, learners) = (of(Part::Voter).count(), of(Part::Learner).count());
    let mut facts = vec![plural(voters, "voter")];
    if learners > 0 {
        facts.push(plural(learners, "learner"));
    }
    facts.push(plural(status.groups.len(), "group"));
    let mut text = format!("cluster {}  format {}  {}\n", status.cluster, status.format, facts.join(", "));
    for trouble in troubles(status) {
        text.push_str(&format!("  ! {trouble}\n"));
    }
    text
}

/// What an operator should look at.
fn troubles(status: &Status) -> Vec<String> {
    let mut troubles = Vec::new();
    let voters: Vec<&Member> = status.nodes.iter().filter(|node| node.part == Part::Voter).collect();
    let down: Vec<String> =
        voters.iter().filter(|node| node.is_down()).map(|node| node.id.to_string()).collect();
    if !down.is_empty() {
        let left = voters.len() - down.len();
        let spare = left.saturating_sub(voters.len() / 2 + 1);
        let meaning = match left * 2 > voters.len() {
            true if spare > 0 => format!("{} more may be lost", spare),
            true => "no other may be lost".to_owned(),
            false => "no quorum: writes are refused, polls are answered".to_owned(),
        };
        troubles.push(format!(
            "{} of {} voters down ({}): {meaning}",
            down.len(),
            voters.len(),
            down.join(", ")
        ));
    }
    troubles.extend(full_disks(status));
    let behind: Vec<String> =
        status.nodes.iter().filter(|node| node.behind).map(|node| node.id.to_string()).collect();
    if !behind.is_empty() {
        troubles.push(format!(
            "node {} has less than it acknowledged: it neither votes nor leads until a leader has given that back; its log says which \
             files are older or missing",
            behind.join(", ")
        ));
    }
    if status.clocks.ahead_ms != 0 {
        troubles.push(format!(
            "the wall clock of this node is {} ms ahead of others (below 0: behind): set it right",
            status.clocks.ahead_ms
        ));
    }
    for node in &status.clocks.off {
        troubles.push(format!(
            "the wall clock of node {node} stands elsewhere than most: set it right, it does not lead"
        ));
    }
    let orphans: Vec<String> = status
        .groups
        .iter()
        .filter(|group| group.leader.is_none())
        .map(|group| group.id.to_string())
        .collect();
    if !orphans.is_empty() {
        troubles.push(format!("no leader known for group {}", orphans.join(", ")));
    }
    let joint = status.groups.iter().filter(|group| !group.joint.is_empty()).count();
    if joint > 0 {
        troubles.push(format!(
            "a change of voters is half-way in {}: `sluice cluster finish` completes it",
            plural(joint, "group")
        ));
    }
    troubles.extend(rotation(status));
    troubles.extend(newcomers(status));
    if let Some(operation) = &status.operation {
        troubles.push(format!("under way: {operation}"));
    }
    troubles
}

/// Whom the rotation of the secret waits for.
fn rotation(status: &Status) -> Option<String> {
    let nodes: Vec<String> = status.secret.waits_for.iter().map(u64::to_string).collect();
    let which = nodes.join(", ");
    let number = status.secret.number;
    (!nodes.is_empty()).then(|| {
        format!(
            "the rotation to secret {number} waits for node {which}, and peers may prove the one before it until then: start node {which}, \
             or remove it"
        )
    })
}

/// Who is not a member, or not yet.
fn newcomers(status: &Status) -> Vec<String> {
    let mut troubles = Vec::new();
    if let Some((_, why)) = status.standing.reason() {
        troubles.push(format!("{why}: it is not ready"));
    }
    for joining in status.nodes.iter().filter(|node| node.part == Part::Joining && node.id != status.node) {
        troubles.push(format!(
            "node {} was given its id and has not come yet: start it again, or `sluice cluster remove {}`",
            joining.id, joining.id
        ));
    }
    let waiting = status.nodes.iter().filter(|node| node.part == Part::Waiting).count();
    if waiting > 0 {
        troubles.push(format!(
            "{} to be added: `sluice cluster init` takes in all",
            match waiting {
                1 => "1 node waits".to_owned(),
                many => format!("{many} nodes wait"),
            }
        ));
    }
    troubles
}

/// Which disks are full, and what that means.
fn full_disks(status: &Status) -> Option<String> {
    let voters: Vec<&Member> = status.nodes.iter().filter(|node| node.part == Part::Voter).collect();
    let without_room = voters.iter().filter(|node| node.disk_full).count();
    let full: Vec<String> =
        status.nodes.iter().filter(|node| node.disk_full).map(|node| node.id.to_string()).collect();
    if full.is_empty() && !status.log.is_full {
        return None;
    }
    let meaning = match (voters.len() - without_room) * 2 > voters.len() {
        true => "the others lead and take changes",
        false => "changes are refused, polls are answered",
    };
    let which = if full.is_empty() { "this".to_owned() } else { full.join(", ") };
    Some(format!("the disk of node {which} has no room for its log: {meaning}"))
}

fn nodes(status: &Status) -> String {
    let mut table =
        Table::new(&["NODE", "ROLE", "STATE", "HEARD", "LEADS", "RESP", "HTTP", "ADMIN", "PEER"], 0);
    for member in &status.nodes {
        let me = member.id == status.node && member.id != 0;
        let led: Vec<String> = status
            .groups
            .iter()
            .filter(|group| group.leader == Some(member.id) && member.id != 0)
            .map(|group| group.id.to_string())
            .collect();
        let address = &member.addresses;
        table.row(vec![
            if member.id == 0 {
                "-".to_owned()
            } else {
                format!("{}{}", member.id, if me { " *" } else { "" })
            },
            member.part.word().to_owned(),
            state(member).to_owned(),
            if me { "-".to_owned() } else { member.heard_ms.map_or("never".to_owned(), ago) },
            or_dash(led.join(" ")),
            or_dash(address.resp.clone()),
            or_dash(address.http.clone()),
            or_dash(address.admin.clone()),
            or_dash(address.peer.clone()),
        ]);
    }
    table.draw()
}

fn state(member: &Member) -> &'static str {
    match member {
        Member { reachable: Some(false), .. } => "DOWN",
        Member { behind: true, .. } => "BEHIND",
        Member { disk_full: true, .. } => "FULL",
        Member { reachable: None, .. } => "unknown",
        _ => "up",
    }
}

fn groups(status: &Status) -> String {
    let heads = [
        "GROUP",
        "LEADER",
        "TERM",
        "LOG",
        "COMMITTED",
        "APPLIED",
        "SNAPSHOT",
        "SINCE",
        "LAG",
        "VOTERS CHANGE",
    ];
    // Figures stand below each other by their last digit, up to the column of sizes.
    let mut table = Table::new(&heads, 8);
    let is_joint = status.groups.iter().any(|group| !group.joint.is_empty());
    for group in &status.groups {
        table.row(vec![
            group.id.to_string(),
            group.leader.map_or("none".to_owned(), |node| node.to_string()),
            group.term.to_string(),
            group.last_log.to_string(),
            group.committed.to_string(),
            group.applied.to_string(),
            group.snapshot.map_or("-".to_owned(), |index| index.to_string()),
            size(group.log_bytes),
            lag(group),
            joint(group),
        ]);
    }
    if !is_joint {
        table.drop_last_column();
    }
    table.draw()
}

/// Who is behind the leader by how much.
fn lag(group: &Group) -> String {
    let behind: Vec<String> = group
        .progress
        .iter()
        .filter(|progress| Some(progress.node) != group.leader)
        .filter_map(|progress| match group.lag(progress.node) {
            Some(0) => None,
            Some(entries) => Some(format!("{}: {entries}", progress.node)),
            None => Some(format!("{}: all", progress.node)),
        })
        .collect();
    match (group.progress.is_empty(), behind.is_empty()) {
        (true, _) => "-".to_owned(),
        (false, true) => "none".to_owned(),
        (false, false) => behind.join(", "),
    }
}

fn joint(group: &Group) -> String {
    let side = |nodes: &Vec<u64>| nodes.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
    let sides: Vec<String> = group.joint.iter().map(side).collect();
    or_dash(sides.join(" -> "))
}

fn or_dash(text: String) -> String {
    // An address comes from another node: it must not steer the terminal.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// For example `45 ms`, `3.2 s`, `7 min`.
fn ago(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// For example `12.5 MiB`.
fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// Columns as wide as their widest cell.
struct Table {
    rows: Vec<Vec<String>>,
    /// The first columns whose cells end below each other.
    right: usize,
}

impl Table {
    fn new(heads: &[&str], right: usize) -> Table {
        Table { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()], right }
    }

    fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.rows[0].len(), "a row has a cell for each head");
        self.rows.push(cells);
    }

    fn drop_last_column(&mut self) {
        self.rows.iter_mut().for_each(|row| drop(row.pop()));
    }

    fn draw(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width =
            |column: usize| self.rows.iter().map(|row: &Vec<String>| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column < self.right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::draw;
    use sluice_net::cluster::{Addresses, Group, Member, Part, Progress, Secret, Status};

    fn node(id: u64, part: Part, reachable: bool) -> Member {
        let at = |port: u64| format!("127.0.0.1:{}", port + id * 10);
        let addresses = Addresses { resp: at(7000), http: at(7001), admin: at(7002), peer: at(7003) };
        let reachable = (id != 4).then_some(reachable);
        let heard_ms = (id < 3).then_some(id * 700);
        Member { id, part, addresses, reachable, heard_ms, disk_full: false, behind: false }
    }

    fn group(id: u16, leader: Option<u64>) -> Group {
        Group {
            id,
            leader,
            term: 3,
            last_log: 12_004,
            committed: 12_003,
            applied: 12_003,
            snapshot: (id == 0).then_some(10_000),
            log_bytes: 13 << 19,
            ..Group::default()
        }
    }

    #[test]
    fn a_cluster_is_drawn() {
        let progress = |node, matched| Progress { node, matched };
        let led = Group {
            progress: vec![progress(1, Some(12_004)), progress(2, Some(12_000)), progress(3, None)],
            joint: vec![vec![1, 2], vec![1, 2, 3]],
            ..group(0, Some(1))
        };
        let status = Status {
            cluster: "0f".repeat(16),
            format: 1,
            node: 1,
            nodes: vec![
                node(1, Part::Voter, true),
                node(2, Part::Voter, true),
                node(3, Part::Voter, false),
                node(4, Part::Joining, false),
                node(0, Part::Waiting, true),
            ],
            groups: vec![led, group(1, None)],
            operation: Some("promoting node 3".to_owned()),
            secret: Secret { number: 2, waits_for: vec![3, 4] },
            ..Status::default()
        };
        let expected = "\
cluster 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f  format 1  3 voters, 2 groups
  ! 1 of 3 voters down (3): no other may be lost
  ! no leader known for group 1
  ! a change of voters is half-way in 1 group: `sluice cluster finish` completes it
  ! the rotation to secret 2 waits for node 3, 4, and peers may prove the one before it until then: start node 3, 4, or remove it
  ! node 4 was given its id and has not come yet: start it again, or `sluice cluster remove 4`
  ! 1 node waits to be added: `sluice cluster init` takes in all
  ! under way: promoting node 3

NODE  ROLE     STATE    HEARD  LEADS  RESP            HTTP            ADMIN           PEER
1 *   voter    up       -      0      127.0.0.1:7010  127.0.0.1:7011  127.0.0.1:7012  127.0.0.1:7013
2     voter    up       1.4 s  -      127.0.0.1:7020  127.0.0.1:7021  127.0.0.1:7022  127.0.0.1:7023
3     voter    DOWN     never  -      127.0.0.1:7030  127.0.0.1:7031  127.0.0.1:7032  127.0.0.1:7033
4     joining  unknown  never  -      127.0.0.1:7040  127.0.0.1:7041  127.0.0.1:7042  127.0.0.1:7043
-     waiting  up       0 ms   -      127.0.0.1:7000  127.0.0.1:7001  127.0.0.1:7002  127.0.0.1:7003

GROUP  LEADER  TERM    LOG  COMMITTED  APPLIED  SNAPSHOT    SINCE  LAG           VOTERS CHANGE
    0       1     3  12004      12003    12003     10000  6.5 MiB  2: 4, 3: all  1 2 -> 1 2 3
    1    none     3  12004      12003    12003         -  6.5 MiB  -             -
";
        assert_eq!(draw(&status), expected, "\n{}", draw(&status));
    }

    #[test]
    fn a_lost_quorum_is_named() {
        let nodes =
            vec![node(1, Part::Voter, true), node(2, Part::Voter, false), node(3, Part::Voter, false)];
        let status = Status { node: 1, nodes, ..Status::default() };
        assert!(draw(&status).contains("2 of 3 voters down (2, 3): no quorum"), "{}", draw(&status));
        let mut five = status.clone();
        five.nodes = (1..=5).map(|id| node(id, Part::Voter, id != 5)).collect();
        assert!(draw(&five).contains("1 of 5 voters down (5): 1 more may be lost"), "{}", draw(&five));
    }

    #[test]
    fn a_full_disk_is_named() {
        let nodes: Vec<Member> = (1..=3).map(|id| node(id, Part::Voter, true)).collect();
        let mut status = Status { node: 2, nodes, ..Status::default() };
        status.nodes[0].disk_full = true;
        let text = draw(&status);
        assert!(text.contains("the disk of node 1 has no room for its log: the others lead"), "{text}");
        assert!(text.contains("1     voter  FULL "), "{text}");
        status.nodes[2].disk_full = true;
        let text = draw(&status);
        assert!(
            text.contains("the disk of node 1, 3 has no room for its log: changes are refused"),
            "{text}"
        );
    }

    #[test]
    fn a_waiting_node_says_so() {
        let status = Status { nodes: vec![node(0, Part::Waiting, true)], ..Status::default() };
        assert!(draw(&status).starts_with("this node waits to be added"), "{}", draw(&status));
    }
}
