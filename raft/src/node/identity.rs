//! Who this node is, for ever: a small file, replaced as a whole.
//!
//! ```text
//! magic 8 | format u16 | body bytes u32 | body (postcard) | CRC32 of all before
//! ```
//! Its secrets mint tokens, so only the owner of the data folder may read it.

use super::ledger;
use super::limit::{CONTACTS_MAX, GROUPS_MAX, LOG_TIME_BITS};
use crate::disk::{Disk, put};
use crate::log::CURE;
use crate::peer::Contact;
use crate::secret::{ClusterSecret, JoinSecret, MemberSecrets, NoJoinSecret};
use crate::types::NodeId;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::io;

const MAGIC: &[u8; 8] = b"SLUICEID";
/// The format that this version writes, and the newest it reads.
const FORMAT: u16 = 2;
const HEAD_BYTES: usize = 14;
/// More than an identity ever takes.
const BYTES_MAX: u64 = 16_384;
const FOLDER: &str = "node";
const NAME: &str = "identity";
const PATH: &str = "node/identity";
const JOIN_NAME: &str = "join-secret";
const JOIN_PATH: &str = "node/join-secret";

/// What a node knows of itself before it has read anything else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster, drawn at random when it was founded.
    pub cluster: u128,
    /// This node within it.
    pub node: NodeId,
    /// Groups of the cluster: fixed when it was founded.
    pub groups: u16,
    /// The secret of the founding, for ever: ids of people and requests are hashed with it, and logs begin with its token key.
    pub secret: ClusterSecret,
    /// The secrets that make somebody a member, as the file has them: what is held now is the node's to say.
    pub members: MemberSecrets,
    /// Log time at which empty shards begin, ms.
    pub epoch: u64,
    /// This node founded the cluster, and is its only member until others are added.
    pub is_founder: bool,
    /// Nodes that were there when this one was added: it asks them to be taken in, and whether it still belongs to the cluster.
    pub contacts: Vec<Contact>,
    /// It was removed from the cluster: it never starts again.
    pub is_removed: bool,
}

// A secret never gets into a log line.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of cluster {:032x}", self.node, self.cluster)
    }
}

/// Why an identity cannot be read or written.
#[derive(Debug)]
pub enum IdentityError {
    /// The operating system refused.
    Io(io::Error),
    /// Not what was written.
    Damaged(&'static str),
    /// A newer version wrote it, in this format.
    Newer(u16),
    /// A version wrote it, in this format, that this one does not follow.
    Older(u16),
    /// The file of the join secret holds none.
    NoJoinSecret,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Io(error) => write!(f, "{PATH}: {error}"),
            IdentityError::Damaged(what) => write!(f, "{PATH} is damaged ({what}); {CURE}"),
            IdentityError::Newer(format) => write!(
                f,
                "{PATH} has format {format}, this program reads up to {FORMAT}; start the newer program that wrote it"
            ),
            IdentityError::NoJoinSecret => {
                write!(f, "{JOIN_PATH} {NoJoinSecret}; copy that of another node, or remove it")
            }
            IdentityError::Older(format) => write!(
                f,
                "{PATH} has format {format} of an older program, this one reads {FORMAT}; start the older program, or move the \
                 data folder away to begin anew"
            ),
        }
    }
}

impl std::error::Error for IdentityError {}

impl From<io::Error> for IdentityError {
    fn from(error: io::Error) -> IdentityError {
        IdentityError::Io(error)
    }
}

impl Identity {
    /// Whether a data folder belongs to a node already.
    #[must_use]
    pub fn is_in(folder: &std::path::Path) -> bool {
        folder.join(PATH).exists()
    }

    /// Reads the identity; `None` in a folder that never had one.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn load(disk: &dyn Disk) -> Result<Option<Identity>, IdentityError> {
        if !disk.list(FOLDER).await?.iter().any(|name| name == NAME) {
            return Ok(None);
        }
        let file = disk.open(PATH).await?;
        let size = file.size().await?;
        if size > BYTES_MAX {
            return Err(IdentityError::Damaged("it is too long"));
        }
        let mut bytes = vec![0; size as usize];
        let read = file.read_at(&mut bytes, 0).await?;
        bytes.truncate(read);
        Identity::from_bytes(&bytes).map(Some)
    }

    /// Writes the identity; when this returns it is durable. A ledger is begun before, so that one that is missing later was lost.
    ///
    /// # Errors
    /// [`IdentityError::Io`].
    pub async fn save(&self, disk: &dyn Disk) -> Result<(), IdentityError> {
        ledger::begin(disk, self.is_founder).await?;
        Ok(save(disk, PATH, &self.to_bytes()).await?)
    }

    /// Whether a file takes it: what another node sent may be of any length.
    pub(super) fn can_be(&self) -> bool {
        let has_ids = self.cluster != 0 && self.node != 0 && (1..=GROUPS_MAX).contains(&self.groups);
        has_ids
            && self.epoch >> LOG_TIME_BITS == 0
            && self.contacts.len() <= CONTACTS_MAX
            && self.to_bytes().len() as u64 <= BYTES_MAX
    }

    fn to_bytes(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(self).expect("an identity can be written");
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(body);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Identity, IdentityError> {
        let damaged = IdentityError::Damaged;
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(damaged("it ends early"))?;
        let (magic, numbers) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(damaged("it is something else"));
        }
        let (format, length) = numbers.split_at(2);
        let format = u16::from_le_bytes(format.try_into().map_err(|_| damaged("it ends early"))?);
        let length = u32::from_le_bytes(length.try_into().map_err(|_| damaged("it ends early"))?) as usize;
        let (body, checksum) = rest.split_at_checked(length).ok_or(damaged("it ends early"))?;
        if checksum != crc32fast::hash(&bytes[..HEAD_BYTES + length]).to_le_bytes() {
            return Err(damaged("its checksum does not match"));
        }
        // Only a whole file says truly that it is newer.
        match format.cmp(&FORMAT) {
            Ordering::Less => return Err(IdentityError::Older(format)),
            Ordering::Greater => return Err(IdentityError::Newer(format)),
            Ordering::Equal => {}
        }
        match postcard::take_from_bytes(body) {
            Ok((identity, [])) => Ok(identity),
            _ => Err(damaged("it cannot be read")),
        }
    }
}

/// Reads the join secret that the folder holds; `None` where there is none.
pub(super) async fn load_join_secret(disk: &dyn Disk) -> Result<Option<JoinSecret>, IdentityError> {
    if !disk.list(FOLDER).await?.iter().any(|name| name == JOIN_NAME) {
        return Ok(None);
    }
    let file = disk.open(JOIN_PATH).await?;
    let mut bytes = vec![0; file.size().await?.min(BYTES_MAX) as usize];
    let read = file.read_at(&mut bytes, 0).await?;
    bytes.truncate(read);
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| JoinSecret::parse(text).ok());
    text.map(Some).ok_or(IdentityError::NoJoinSecret)
}

/// Writes the join secret; when this returns it is durable.
pub(super) async fn save_join_secret(disk: &dyn Disk, secret: &JoinSecret) -> Result<(), IdentityError> {
    Ok(save(disk, JOIN_PATH, secret.text().as_bytes()).await?)
}

/// Puts a file into the folder whole, or leaves the one that was there.
async fn save(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    disk.list(FOLDER).await?;
    put(disk, path, bytes).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::{CONTACTS_MAX, Contact, FORMAT, Identity, IdentityError, LOG_TIME_BITS};
    use crate::secret::{ClusterSecret, MemberSecrets};

    fn identity() -> Identity {
        Identity {
            cluster: 7,
            node: 1,
            groups: 6,
            secret: ClusterSecret::new([9; 16]),
            members: MemberSecrets {
                number: 3,
                newest: ClusterSecret::new([8; 16]),
                before: Some(ClusterSecret::new([7; 16])),
            },
            epoch: 1_000,
            is_founder: true,
            contacts: vec![Contact { node: 2, peer: "b:1".to_owned() }],
            is_removed: false,
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = identity().to_bytes();
        assert_eq!(Identity::from_bytes(&bytes).unwrap(), identity());
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::from_bytes(&bytes).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(Identity::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_no_cluster_offers_is_nobody() {
        assert!(identity().can_be());
        let others = [
            Identity { cluster: 0, ..identity() },
            Identity { node: 0, ..identity() },
            Identity { groups: 0, ..identity() },
            Identity { groups: u16::MAX, ..identity() },
            Identity { epoch: 1 << LOG_TIME_BITS, ..identity() },
            Identity {
                contacts: vec![Contact { node: 2, peer: "b:1".to_owned() }; CONTACTS_MAX + 1],
                ..identity()
            },
            Identity { contacts: vec![Contact { node: 2, peer: "b".repeat(20_000) }], ..identity() },
        ];
        assert!(!others.iter().any(Identity::can_be));
    }

    #[test]
    fn newer_and_older_formats_are_told_from_damage_and_from_each_other() {
        let read = |format: u16| {
            let mut bytes = identity().to_bytes();
            bytes.truncate(bytes.len() - 4);
            bytes[8..10].copy_from_slice(&format.to_le_bytes());
            let checksum = crc32fast::hash(&bytes);
            bytes.extend(checksum.to_le_bytes());
            Identity::from_bytes(&bytes)
        };
        let (newer, older) = (FORMAT + 1, FORMAT - 1);
        assert!(matches!(read(newer), Err(IdentityError::Newer(format)) if format == newer));
        let refused = read(older).expect_err("is older");
        assert!(matches!(refused, IdentityError::Older(format) if format == older));
        assert!(refused.to_string().contains("older program"), "{refused}");
    }
}
