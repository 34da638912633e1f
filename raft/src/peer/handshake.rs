//! Who may talk to whom, decided when a connection opens.
//!
//! A node keeps its id for ever, so an address may lead to another node than it used to, or to one whose disk was wiped: both
//! sides say who they are and whom they expect before anything else, and neither before both have proven what they know
//! ([`super::proof`]).

use openraft::async_runtime::AsyncRuntime;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, RwLock};
use tokio::sync::watch;

use super::frame::{FORMAT_MAX, FORMAT_MIN};
use super::limit::{BODY_BYTES_MAX, CLAIM_PROOFS_MAX, HELLO_BYTES_MAX, TEXT_CHARS_MAX};
use super::message::Request;
use super::proof::Proven;
use super::tls::{Configs, Tls, Unsigned};
use super::transport::Lane;
use crate::secret::{ClusterSecret, Key};
use crate::types::NodeId;

/// Who a node is. Both are 0 until it founded or joined a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster.
    pub cluster: u128,
    /// The node within it.
    pub node: NodeId,
}

impl Identity {
    /// Whether the node still waits to be added to a cluster.
    pub fn is_waiting(&self) -> bool {
        self.cluster == 0
    }
}

/// This node's identity, shared by all its connections, and what proves it. The identity changes once: when a waiting node is
/// adopted.
#[derive(Debug, Default)]
pub struct Local {
    identity: Mutex<Identity>,
    keys: RwLock<Keys>,
    /// Counts changes of the members' secrets.
    changes: watch::Sender<u64>,
    tls: Option<Arc<Tls>>,
    unsigned: Unsigned,
}

/// What is proven to others, and accepted from them.
#[derive(Debug, Default)]
struct Keys {
    /// Of members: each is proven, and accepted.
    members: Vec<Credential>,
    joining: Option<Credential>,
}

/// Something that two nodes may both know.
#[derive(Clone, Debug)]
pub struct Credential {
    key: Key,
    /// The secret of the cluster that it is the key of; none of a newcomer's.
    secret: Option<ClusterSecret>,
}

impl Credential {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

impl Local {
    /// A node that is `identity`.
    pub fn new(identity: Identity) -> Local {
        Local { identity: Mutex::new(identity), ..Local::default() }
    }

    /// A node that is `identity`, and shows a certificate for it, and wants to see one.
    pub fn with_tls(identity: Identity, tls: Arc<Tls>) -> Local {
        Local { tls: Some(tls), ..Local::new(identity) }
    }

    /// Who this node is.
    pub fn get(&self) -> Identity {
        *self.identity.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// The node was adopted. Connections that are open keep the rights they have.
    pub fn set(&self, identity: Identity) {
        *self.identity.lock().unwrap_or_else(|broken| broken.into_inner()) = identity;
    }

    /// From now on members are those who know one of these secrets, the newest of which comes first. None: nobody is. At most
    /// [`CLAIM_PROOFS_MAX`] count. Connections that were opened with another one end.
    pub fn trust(&self, secrets: &[ClusterSecret]) {
        let credential =
            |secret: &ClusterSecret| Credential { key: secret.peer_key(), secret: Some(*secret) };
        let members = secrets.iter().take(CLAIM_PROOFS_MAX).map(credential).collect();
        self.keys.write().unwrap_or_else(|broken| broken.into_inner()).members = members;
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Waits until what a connection was opened with makes nobody a member any more. It may be for ever.
    pub(super) async fn distrusts(&self, known: &Credential) {
        let mut changes = self.changes.subscribe();
        let is_trusted = |known: &Credential| {
            let keys = self.keys.read().unwrap_or_else(|broken| broken.into_inner());
            known.secret.is_none() || keys.members.iter().any(|member| member.secret == known.secret)
        };
        while is_trusted(known) {
            if changes.changed().await.is_err() {
                // Not while this one is there.
                return std::future::pending().await;
            }
        }
    }

    /// From now on this key is that of newcomers and of those who adopt them; none: nobody joins.
    pub fn let_join(&self, key: Option<Key>) {
        let joining = key.map(|key| Credential { key, secret: None });
        self.keys.write().unwrap_or_else(|broken| broken.into_inner()).joining = joining;
    }

    pub(super) fn credentials(&self, proves: Proven) -> Vec<Credential> {
        let keys = self.keys.read().unwrap_or_else(|broken| broken.into_inner());
        match proves {
            Proven::Membership => keys.members.clone(),
            Proven::Joining => keys.joining.iter().cloned().collect(),
        }
    }

    /// The certificates, where there are any.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// What new connections are encrypted with.
    pub(super) fn configs(&self) -> io::Result<Configs> {
        match &self.tls {
            Some(tls) => Ok(tls.configs()),
            None => self.unsigned.configs(),
        }
    }
}

/// Who the caller is, once both have proven what they know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest format it speaks.
    pub format_min: u8,
    /// The newest one.
    pub format_max: u8,
    /// Who it is.
    pub from: Identity,
    /// Whom it expects; 0 where it knows an address only.
    pub to: NodeId,
    /// What it will use the connection for.
    pub lane: Lane,
    /// Its software version, for people.
    pub version: String,
}

impl Hello {
    /// What this version of the software says.
    pub fn new(from: Identity, to: NodeId, lane: Lane) -> Hello {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Hello { format_min: FORMAT_MIN, format_max: FORMAT_MAX, from, to, lane, version }
    }
}

/// The answer to it.
pub type Answer = Result<Welcome, Denial>;

/// The connection may be used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The format to use from here on.
    pub format: u8,
    /// Who answered.
    pub from: Identity,
    /// Its software version, for people.
    pub version: String,
}

/// Why a connection is refused. Its text is one line for an operator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Denial {
    /// No format in common.
    Format {
        /// The oldest that the refusing node speaks.
        min: u8,
        /// The newest one.
        max: u8,
    },
    /// The other belongs to another cluster.
    Cluster,
    /// Another node than expected is at this address.
    Node {
        /// The one that is there; 0 waits to be added.
        found: NodeId,
    },
    /// A node was about to talk to itself.
    Itself,
    /// Neither has a cluster.
    BothWaiting,
    /// The certificate is not the node's.
    Certificate(String),
    /// Too many connections.
    Full,
    /// The handshake cannot be read.
    Malformed,
    /// The caller is no member of the cluster any more.
    NotMember,
    /// No proof, or that of another secret: all that somebody is told who is not known.
    Unproven,
    /// This node has no secret that it could prove; never sent.
    NoSecret,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::Format { min, max } => write!(f, "it speaks only formats {min} to {max}"),
            Denial::Cluster => f.write_str("the node belongs to another cluster"),
            Denial::Node { found: 0 } => f.write_str("the node there waits to be added: it has no id"),
            Denial::Node { found } => write!(f, "node {found} is at this address"),
            Denial::Itself => f.write_str("the address is this node's own"),
            Denial::BothWaiting => f.write_str("the node there waits to be added, too"),
            Denial::Certificate(reason) => write!(f, "certificate: {reason}"),
            Denial::Full => f.write_str("too many connections"),
            Denial::Malformed => f.write_str("handshake that cannot be read"),
            Denial::NotMember => f.write_str("the node was removed from the cluster"),
            Denial::Unproven => f.write_str(
                "the two nodes do not know the same secret; that of a node which was removed, or whose folder was put back, may be an old \
                 one",
            ),
            Denial::NoSecret => f.write_str(
                "this node has no join secret: start it with --join-secret and the file node/join-secret of a member",
            ),
        }
    }
}

/// What a connection may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A node of this cluster.
    Peer(NodeId),
    /// A node without a cluster: it may announce itself.
    Newcomer,
    /// A node of some cluster, to this one without: it may adopt it.
    Adopter(NodeId),
}

impl Standing {
    /// The caller's id, 0 for a newcomer.
    pub fn node(&self) -> NodeId {
        match self {
            Standing::Peer(node) | Standing::Adopter(node) => *node,
            Standing::Newcomer => 0,
        }
    }

    /// What has to be proven for it.
    fn needs(&self) -> Proven {
        match self {
            Standing::Peer(_) => Proven::Membership,
            Standing::Newcomer | Standing::Adopter(_) => Proven::Joining,
        }
    }

    /// Bytes of a message of such a caller: who does not belong to the cluster yet has little to say.
    pub fn body_bytes_max(&self) -> usize {
        match self {
            Standing::Peer(_) => BODY_BYTES_MAX,
            Standing::Newcomer | Standing::Adopter(_) => HELLO_BYTES_MAX,
        }
    }

    /// Whether such a caller may ask this.
    pub fn may<R: AsyncRuntime>(&self, request: &Request<R>) -> bool {
        match self {
            Standing::Peer(_) => !matches!(request, Request::Adopt(_) | Request::Waiting { .. }),
            Standing::Newcomer => matches!(request, Request::Waiting { .. }),
            Standing::Adopter(_) => matches!(request, Request::Adopt(_)),
        }
    }
}

/// The called node's decision.
///
/// # Errors
/// The [`Denial`] to send.
pub fn judge(mine: Identity, proven: Proven, hello: &Hello) -> Result<(Welcome, Standing), Denial> {
    if hello.version.len() > TEXT_CHARS_MAX {
        return Err(Denial::Malformed);
    }
    if hello.format_min > FORMAT_MAX || hello.format_max < FORMAT_MIN {
        return Err(Denial::Format { min: FORMAT_MIN, max: FORMAT_MAX });
    }
    let standing = standing(mine, hello)?;
    if standing.needs() != proven {
        return Err(Denial::Unproven);
    }
    let format = hello.format_max.min(FORMAT_MAX);
    Ok((Welcome { format, from: mine, version: env!("CARGO_PKG_VERSION").to_owned() }, standing))
}

fn standing(mine: Identity, hello: &Hello) -> Result<Standing, Denial> {
    match (mine.is_waiting(), hello.from.is_waiting()) {
        (true, true) => Err(Denial::BothWaiting),
        // A waiting node is adopted by somebody who knows that it waits, and never taken for the member it may once have been.
        (true, false) if hello.to == 0 => Ok(Standing::Adopter(hello.from.node)),
        (false, true) if hello.to == 0 => Ok(Standing::Newcomer),
        (false, false) if mine.cluster != hello.from.cluster => Err(Denial::Cluster),
        (false, false) if mine.node == hello.from.node => Err(Denial::Itself),
        (false, false) if mine.node == hello.to => Ok(Standing::Peer(hello.from.node)),
        _ => Err(Denial::Node { found: mine.node }),
    }
}

/// The caller's own check of the answer: a node that is not the expected one might have welcomed it by mistake.
///
/// # Errors
/// The [`Denial`] to report.
pub fn check(hello: &Hello, welcome: &Welcome) -> Result<(), Denial> {
    if !(FORMAT_MIN..=FORMAT_MAX).contains(&welcome.format) {
        return Err(Denial::Format { min: FORMAT_MIN, max: FORMAT_MAX });
    }
    if hello.to != 0 && welcome.from.node != hello.to {
        return Err(Denial::Node { found: welcome.from.node });
    }
    let same = welcome.from.cluster == hello.from.cluster;
    let either_waits = welcome.from.is_waiting() || hello.from.is_waiting();
    if same || either_waits { Ok(()) } else { Err(Denial::Cluster) }
}
