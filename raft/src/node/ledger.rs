//! What this node has acknowledged, kept beside the log: a start finds by it that the log was put back from a copy, cut, or taken
//! away. And what others said that they have acknowledged, for them.
//!
//! ```text
//! node/ledger-1, node/ledger-2:  magic 8 | format u16 | body bytes u32 | body (postcard) | CRC32 of all before
//! ```
//! Written in turns, about once a second and at an orderly stop, so a write that is cut short leaves the one before. Never on the
//! way of a request: what came after the last write is known to the other nodes only.

use crate::disk::{Disk, File};
use crate::log::{Mark, Promised};
use crate::types::{Member, NodeId};
use serde::{Deserialize, Serialize};
use sluice_engine::id::GroupId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"SLUICELG";
/// The format that this version writes and reads.
const FORMAT: u16 = 1;
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
}

impl Page {
    /// What was promised in a group.
    pub(super) fn promised_in(&self, group: GroupId) -> Promised {
        self.promised.get(usize::from(group.0)).copied().unwrap_or_default()
    }

    /// Whether nobody else could ever know what `node` has acknowledged. One without any page does not know.
    pub(super) fn is_alone(&self, node: NodeId, is_founder: bool) -> bool {
        let is_new = self.voters.is_empty() && self.number > 0 && is_founder;
        self.voters.iter().eq([&node]) || is_new
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

/// Begins a ledger in a folder that has none.
///
/// # Errors
/// Those of the disk.
pub(super) async fn begin(disk: &dyn Disk) -> io::Result<()> {
    if disk.list(FOLDER).await?.iter().any(|name| is_page(name)) {
        return Ok(());
    }
    let file = disk.create(PATHS[0], 0).await?;
    file.write_at(&to_bytes(&Page { number: 1, ..Page::default() }), 0).await?;
    file.sync().await?;
    disk.sync_folder(FOLDER).await
}

fn is_page(name: &str) -> bool {
    PATHS.iter().any(|path| path[FOLDER.len() + 1..] == *name)
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
        let names = disk.list(FOLDER).await?;
        let has = |name: &str| names.iter().any(|known| known == name);
        let accepts_loss = has(ACCEPT);
        let mut pages = Vec::new();
        for path in PATHS.into_iter().filter(|path| has(&path[FOLDER.len() + 1..])) {
            match read(&*disk, path).await {
                Ok(page) => pages.push(page),
                Err(LedgerError::Damaged) => {}
                Err(error) => return Err(error),
            }
        }
        let newest = pages.into_iter().max_by_key(|page| page.number);
        let page = match newest {
            Some(page) => page,
            None if accepts_loss => Page::default(),
            None => return Err(LedgerError::Damaged),
        };
        Ok(Ledger { disk, files: [None, None], page, accepts_loss })
    }

    /// Writes a page, under the next number. When this returns it is durable.
    ///
    /// # Errors
    /// Those of the disk. One of a sync says that nobody knows what is on the disk.
    pub(super) async fn write(&mut self, page: Page) -> io::Result<()> {
        let number = self.page.number + 1;
        let page = Page { number, ..page };
        let turn = (number % 2) as usize;
        let is_new = self.files[turn].is_none();
        let file = match &self.files[turn] {
            Some(file) => Arc::clone(file),
            None => self.disk.create(PATHS[turn], 0).await?,
        };
        file.write_at(&to_bytes(&page), 0).await?;
        file.sync().await?;
        if is_new {
            self.disk.sync_folder(FOLDER).await?;
            self.files[turn] = Some(file);
        }
        self.page = page;
        Ok(())
    }

    /// The operator's word was heeded: it counts once.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) async fn accepted(&mut self) -> io::Result<()> {
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
    // Only a whole page says truly that it is newer.
    if format != FORMAT {
        return Err(LedgerError::Newer(format));
    }
    match postcard::take_from_bytes(body) {
        Ok((page, [])) => Ok(page),
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Page, accept_loss, from_bytes, to_bytes};
    use crate::disk::{Disk, Folder};
    use futures_util::FutureExt as _;
    use std::path::Path;
    use std::sync::Arc;

    /// Outside of a runtime a folder answers at once.
    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("nothing waits")
    }

    fn open(path: &Path) -> Result<Ledger, super::LedgerError> {
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
        now(super::begin(&Folder::open(folder.path()).expect("a folder"))).expect("written");
        let mut ledger = open(folder.path()).expect("empty");
        for term in 1..4 {
            let promised = vec![crate::log::Promised { last: None, term }];
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
        now(ledger.write(Page::default())).expect("written");
        now(ledger.accepted()).expect("removed");
        drop(ledger);
        assert!(!open(folder.path()).expect("whole").accepts_loss, "it counts once");
    }
}
