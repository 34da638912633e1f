//! What this node has acknowledged, kept beside the log: a start finds by it that the log was put back from a copy, cut, or taken
//! away. And what others said that they have acknowledged, for them.
//!
//! ```text
//! node/ledger-1, node/ledger-2:  magic 8 | format u16 | body bytes u32 | body (postcard) | CRC32 of all before
//! ```
//! Written in turns, about once a second and at an orderly stop, so a write that is cut short leaves the one before: a page of an odd
//! number is `ledger-2`, and a file that no page of this process stands in yet is replaced by one that is whole. Never on the way of
//! a request: what came after the last write is known to the other nodes only.

use crate::disk::{Disk, File, put};
use crate::log::{Mark, Promised};
use crate::types::{Member, NodeId};
use serde::{Deserialize, Serialize};
use sluice_engine::id::GroupId;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"SLUICELG";
/// The format that this version writes and reads. Format 1 did not say whether a cluster was only just founded.
const FORMAT: u16 = 2;
const HEAD_BYTES: usize = 14;
/// More than a ledger ever takes.
const BYTES_MAX: u64 = 4 << 20;
const FOLDER: &str = "node";
const PATHS: [&str; 2] = ["node/ledger-1", "node/ledger-2"];
/// An operator's word that what is missing is given up.
const ACCEPT: &str = "accept-loss";
const ACCEPT_PATH: &str = "node/accept-loss";

/// What is written down.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Page {
    /// Counts the pages ever written.
    pub(super) number: u64,
    /// How far the log was durable; `None`: not known.
    pub(super) mark: Option<Mark>,
    /// What this node has acknowledged, by group; also what it lost and has not caught up with.
    pub(super) promised: Vec<Promised>,
    /// Every node that this one knew of, and those that vote in any group.
    pub(super) members: BTreeMap<NodeId, Member>,
    pub(super) voters: BTreeSet<NodeId>,
    /// What other nodes said that they have acknowledged.
    pub(super) others: BTreeMap<NodeId, Vec<Promised>>,
    /// The cluster was founded here, and no group had voters yet. A ledger that is lost never says so.
    pub(super) is_new: bool,
}

impl Page {
    /// What was promised in a group.
    pub(super) fn promised_in(&self, group: GroupId) -> Promised {
        self.promised.get(usize::from(group.0)).copied().unwrap_or_default()
    }

    /// Whether nobody else could ever know what `node` has acknowledged. One without any page does not know.
    pub(super) fn is_alone(&self, node: NodeId) -> bool {
        self.voters.iter().eq([&node]) || self.is_new
    }

    /// The first page of a folder.
    fn first(is_new: bool) -> Page {
        Page { number: 1, is_new, ..Page::default() }
    }

    /// Whether nothing was ever written but the first page.
    fn is_first(&self) -> bool {
        *self == Page::first(self.is_new)
    }
}

/// Why a ledger cannot be read.
#[derive(Debug)]
pub enum LedgerError {
    /// The operating system refused.
    Io(io::Error),
    /// Neither of its files is there and what was written.
    Damaged,
    /// A newer version wrote it, in this format.
    Newer(u16),
    /// A version wrote it, in this format, that this one does not follow.
    Older(u16),
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerError::Io(error) => write!(f, "{}: {error}", PATHS[0]),
            LedgerError::Damaged => write!(
                f,
                "{} and {} are missing or damaged: nobody can tell whether log/ is all that this node acknowledged; put them back, or, if \
                 log/ is known to be the newest, run `sluice cluster accept-loss` for this folder",
                PATHS[0], PATHS[1]
            ),
            LedgerError::Newer(format) => write!(
                f,
                "{} has format {format}, this program reads {FORMAT}; start the newer program that wrote it",
                PATHS[0]
            ),
            LedgerError::Older(format) => write!(
                f,
                "{} has format {format} of an older program, this one reads {FORMAT}; start the older program, or move the data folder \
                 away to begin anew",
                PATHS[0]
            ),
        }
    }
}

impl std::error::Error for LedgerError {}

impl From<io::Error> for LedgerError {
    fn from(error: io::Error) -> LedgerError {
        LedgerError::Io(error)
    }
}

/// Says that what is missing in the data folder is given up: the next start goes on without it, once.
///
/// # Errors
/// Those of the file system.
pub fn accept_loss(data: &Path) -> io::Result<()> {
    let folder = data.join(FOLDER);
    std::fs::File::create(data.join(ACCEPT_PATH))?.sync_all()?;
    std::fs::File::open(folder)?.sync_all()
}

/// Begins a ledger in a folder that has none, of a node that founds a cluster or of one that joins. What a start that was cut short
/// left behind is no ledger.
///
/// # Errors
/// Those of the disk.
pub(super) async fn begin(disk: &dyn Disk, is_founder: bool) -> io::Result<()> {
    let first = Page::first(is_founder);
    let known = match newest(disk).await {
        // Whoever opens it says what is wrong.
        Err(LedgerError::Newer(_) | LedgerError::Older(_)) => return Ok(()),
        Err(LedgerError::Io(error)) => return Err(error),
        Err(LedgerError::Damaged) => None,
        Ok(page) => Some(page),
    };
    match known {
        Some(page) if page == first || !page.is_first() => Ok(()),
        _ => put(disk, path(first.number), &to_bytes(&first)).await.map(drop),
    }
}

/// Where a page of this number stands.
fn path(number: u64) -> &'static str {
    PATHS[turn(number)]
}

fn turn(number: u64) -> usize {
    (number % 2) as usize
}

/// The newest page that is whole.
async fn newest(disk: &dyn Disk) -> Result<Page, LedgerError> {
    let names = disk.list(FOLDER).await?;
    let is_there = |path: &&str| names.iter().any(|name| *name == path[FOLDER.len() + 1..]);
    let mut newest: Option<Page> = None;
    for path in PATHS.into_iter().filter(is_there) {
        match read(disk, path).await {
            Ok(page) => newest = newest.filter(|known| known.number > page.number).or(Some(page)),
            Err(LedgerError::Damaged) => {}
            Err(error) => return Err(error),
        }
    }
    newest.ok_or(LedgerError::Damaged)
}

/// The files.
pub(super) struct Ledger {
    disk: Arc<dyn Disk>,
    files: [Option<Arc<dyn File>>; 2],
    /// The last page that was written, or found.
    pub(super) page: Page,
    /// The operator gives up what is missing.
    pub(super) accepts_loss: bool,
}

impl Ledger {
    /// Reads the newest page.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing that is missing or damaged is an error once the operator accepts the loss.
    pub(super) async fn open(disk: Arc<dyn Disk>) -> Result<Ledger, LedgerError> {
        let accepts_loss = disk.list(FOLDER).await?.iter().any(|name| name == ACCEPT);
        let page = match newest(&*disk).await {
            Err(LedgerError::Damaged) if accepts_loss => Page::default(),
            page => page?,
        };
        Ok(Ledger { disk, files: [None, None], page, accepts_loss })
    }

    /// Writes a page where it is news, and then takes the operator's word back: what is missing was given up once, and what is there
    /// from here on is written down.
    ///
    /// # Errors
    /// Those of [`Ledger::write`].
    pub(super) async fn keep(&mut self, page: Page) -> io::Result<()> {
        let is_there = self.page.number > 0;
        if !is_there || (Page { number: self.page.number, ..page.clone() }) != self.page {
            self.write(page).await?;
        }
        self.accepted().await
    }

    /// Writes a page, under the next number. When this returns it is durable.
    ///
    /// # Errors
    /// Those of the disk. One of a sync says that nobody knows what is on the disk.
    pub(super) async fn write(&mut self, page: Page) -> io::Result<()> {
        let page = Page { number: self.page.number + 1, ..page };
        let bytes = to_bytes(&page);
        match &mut self.files[turn(page.number)] {
            // The page before stands in the other one.
            Some(file) => {
                file.write_at(&bytes, 0).await?;
                file.sync().await?;
            }
            file => *file = Some(put(&*self.disk, path(page.number), &bytes).await?),
        }
        self.page = page;
        Ok(())
    }

    async fn accepted(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.accepts_loss) {
            self.disk.remove(ACCEPT_PATH).await?;
            self.disk.sync_folder(FOLDER).await?;
        }
        Ok(())
    }
}

async fn read(disk: &dyn Disk, path: &str) -> Result<Page, LedgerError> {
    let file = disk.open(path).await?;
    let mut bytes = vec![0; file.size().await?.min(BYTES_MAX) as usize];
    let read = file.read_at(&mut bytes, 0).await?;
    bytes.truncate(read);
    from_bytes(&bytes)
}

fn to_bytes(page: &Page) -> Vec<u8> {
    let body = postcard::to_stdvec(page).expect("a page can be written");
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// What stands behind the page is left of a longer one before it.
fn from_bytes(bytes: &[u8]) -> Result<Page, LedgerError> {
    let damaged = || LedgerError::Damaged;
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or_else(damaged)?;
    if head[..8] != *MAGIC {
        return Err(damaged());
    }
    let format = u16::from_le_bytes([head[8], head[9]]);
    let length = u32::from_le_bytes([head[10], head[11], head[12], head[13]]) as usize;
    let body = rest.get(..length).ok_or_else(damaged)?;
    let checksum = rest.get(length..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(damaged)?;
    if *checksum != crc32fast::hash(&bytes[..HEAD_BYTES + length]).to_le_bytes() {
        return Err(damaged());
    }
    // Only a whole page says truly that another version wrote it.
    match format.cmp(&FORMAT) {
        Ordering::Less => return Err(LedgerError::Older(format)),
        Ordering::Greater => return Err(LedgerError::Newer(format)),
        Ordering::Equal => {}
    }
    match postcard::take_from_bytes(body) {
        Ok((page, [])) => Ok(page),
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::{FORMAT, Ledger, LedgerError, Page, accept_loss, from_bytes, to_bytes};
    use crate::disk::{Disk, Folder};
    use crate::log::Promised;
    use futures_util::FutureExt as _;
    use std::path::Path;
    use std::sync::Arc;

    /// Outside of a runtime a folder answers at once.
    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("nothing waits")
    }

    fn begin(path: &Path, is_founder: bool) {
        now(super::begin(&Folder::open(path).expect("a folder"), is_founder)).expect("written");
    }

    fn open(path: &Path) -> Result<Ledger, LedgerError> {
        let disk: Arc<dyn Disk> = Arc::new(Folder::open(path).expect("a folder"));
        now(Ledger::open(disk))
    }

    #[test]
    fn every_flipped_bit_is_found_and_what_is_longer_is_passed_over() {
        let page = Page { number: 7, promised: vec![Default::default(); 6], ..Page::default() };
        let mut bytes = to_bytes(&page);
        assert_eq!(from_bytes(&bytes).expect("whole"), page);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(from_bytes(&bytes).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        bytes.extend([9; 40]);
        assert_eq!(from_bytes(&bytes).expect("whole"), page);
    }

    #[test]
    fn a_torn_page_leaves_the_one_before_and_two_are_damage_unless_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(open(folder.path()).is_err(), "one was begun with the identity");
        begin(folder.path(), true);
        let mut ledger = open(folder.path()).expect("empty");
        for term in 1..4 {
            let promised = vec![Promised { term, ..Promised::default() }];
            now(ledger.write(Page { promised, ..Page::default() })).expect("written");
        }
        drop(ledger);
        let found = || open(folder.path()).map(|ledger| ledger.page.promised[0].term);
        assert_eq!(found().expect("whole"), 3);
        std::fs::write(folder.path().join("node/ledger-1"), b"torn").expect("written");
        assert_eq!(found().expect("the one before"), 2);
        std::fs::write(folder.path().join("node/ledger-2"), b"torn").expect("written");
        assert!(found().is_err());
        accept_loss(folder.path()).expect("the folder is there");
        let mut ledger = open(folder.path()).expect("accepted");
        assert!(ledger.accepts_loss);
        now(ledger.keep(Page::default())).expect("written");
        drop(ledger);
        assert!(!open(folder.path()).expect("whole").accepts_loss, "it counts once");
    }

    #[test]
    fn what_a_start_that_was_cut_short_left_behind_is_begun_anew_and_a_page_that_says_something_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("node")).expect("made");
        for name in ["ledger-1", "ledger-2", "ledger-2.new"] {
            std::fs::write(folder.path().join("node").join(name), b"").expect("written");
        }
        begin(folder.path(), true);
        assert_eq!(open(folder.path()).expect("whole").page, Page::first(true));
        // The folder is given to a node that joins, before it is anybody's.
        begin(folder.path(), false);
        let mut ledger = open(folder.path()).expect("whole");
        assert_eq!(ledger.page, Page::first(false));
        now(ledger.write(Page { is_new: true, ..Page::default() })).expect("written");
        let page = ledger.page.clone();
        drop(ledger);
        begin(folder.path(), false);
        assert_eq!(open(folder.path()).expect("whole").page, page);
    }

    #[test]
    fn whoever_lost_the_ledger_is_not_alone() {
        let founder = Page::first(true);
        assert!(founder.is_alone(1) && !Page::first(false).is_alone(1));
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("node")).expect("made");
        accept_loss(folder.path()).expect("the folder is there");
        let mut ledger = open(folder.path()).expect("accepted");
        for _ in 0..2 {
            assert!(!ledger.page.is_alone(1), "it may have been one of several");
            now(ledger.write(Page::default())).expect("written");
        }
    }

    #[test]
    fn other_formats_are_told_from_damage() {
        let read = |format: u16| {
            let mut bytes = to_bytes(&Page::default());
            bytes.truncate(bytes.len() - 4);
            bytes[8..10].copy_from_slice(&format.to_le_bytes());
            let checksum = crc32fast::hash(&bytes);
            bytes.extend(checksum.to_le_bytes());
            from_bytes(&bytes)
        };
        assert!(matches!(read(FORMAT + 1), Err(LedgerError::Newer(format)) if format == FORMAT + 1));
        assert!(matches!(read(FORMAT - 1), Err(LedgerError::Older(format)) if format == FORMAT - 1));
    }
}
