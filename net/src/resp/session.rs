//! What a connection has told about itself. Most say nothing, so a session is a few words until one does.

use super::command::transaction::Queue;
use super::encode::Proto;
use super::server::{ClientRow, Role};
use crate::pubsub::Kind;
use crate::pubsub::subscriptions::Subscriptions;

/// The state of one RESP connection that outlives a request.
#[derive(Debug)]
pub struct RespSession {
    id: u64,
    role: Option<Role>,
    proto: Proto,
    command: &'static str,
    /// What was queued since `MULTI`.
    queue: Option<Box<Queue>>,
    details: Option<Box<Details>>,
    /// What it listens to; `None`: nothing.
    subscriptions: Option<Box<Subscriptions>>,
}

/// Names; boxed, because few connections have any.
#[derive(Default, Debug)]
struct Details {
    name: Box<[u8]>,
    user: Box<[u8]>,
    lib_name: Box<[u8]>,
    lib_version: Box<[u8]>,
}

/// Who a connection is before it logs in, and on a server without users.
const DEFAULT_USER: &[u8] = b"default";

impl RespSession {
    /// A new connection. `role` is [`ServerInfo::default_role`](super::server::ServerInfo::default_role).
    #[must_use]
    pub fn new(id: u64, role: Option<Role>) -> RespSession {
        RespSession {
            id,
            role,
            proto: Proto::Resp2,
            command: "NULL",
            queue: None,
            details: None,
            subscriptions: None,
        }
    }

    /// The connection's id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it speaks.
    #[must_use]
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// What it may do; `None`: log in.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// The last command, for example `client|list`.
    #[must_use]
    pub fn command(&self) -> &'static str {
        self.command
    }

    /// Its name; empty when unset.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.details.as_ref().map_or(b"", |details| &details.name)
    }

    /// Who it is.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        match &self.details {
            Some(details) if !details.user.is_empty() => &details.user,
            _ => DEFAULT_USER,
        }
    }

    /// The client library's name; empty when unset.
    #[must_use]
    pub fn lib_name(&self) -> &[u8] {
        self.details.as_ref().map_or(b"", |details| &details.lib_name)
    }

    /// The client library's version; empty when unset.
    #[must_use]
    pub fn lib_version(&self) -> &[u8] {
        self.details.as_ref().map_or(b"", |details| &details.lib_version)
    }

    /// The row with what this session knows better than whoever made it.
    #[must_use]
    pub fn overlaid<'a>(&'a self, row: &ClientRow<'a>) -> ClientRow<'a> {
        ClientRow {
            command: self.command,
            name: self.name(),
            lib_name: self.lib_name(),
            lib_version: self.lib_version(),
            user: self.user(),
            proto: self.proto,
            channels: self.listens_to().0,
            patterns: self.listens_to().1,
            ..*row
        }
    }

    /// What was queued so far; `None` outside of a transaction.
    pub(super) fn queue(&mut self) -> Option<&mut Queue> {
        self.queue.as_deref_mut()
    }

    pub(super) fn begin_queue(&mut self) {
        self.queue = Some(Box::default());
    }

    /// Ends the transaction.
    pub(super) fn take_queue(&mut self) -> Option<Box<Queue>> {
        self.queue.take()
    }

    /// What the transaction that gathers takes.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.held_bytes())
    }

    /// How many channels and patterns it listens to.
    #[must_use]
    pub fn listens_to(&self) -> (usize, usize) {
        let count = |kind| self.subscriptions.as_ref().map_or(0, |kept| kept.count(kind));
        (count(Kind::Channel), count(Kind::Pattern))
    }

    /// Whether it listens to anything.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.is_some()
    }

    /// Whether only a few commands are open to it: a RESP2 client takes whatever comes for a message.
    #[must_use]
    pub fn is_listener(&self) -> bool {
        self.is_subscribed() && self.proto == Proto::Resp2
    }

    /// What it listens to, where that is anything.
    pub(crate) fn subscriptions(&self) -> Option<&Subscriptions> {
        self.subscriptions.as_deref()
    }

    /// What it listens to, to be changed; call [`RespSession::tidy_subscriptions`] afterwards.
    pub(crate) fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        self.subscriptions.get_or_insert_default()
    }

    /// It listens to nothing any more.
    pub(crate) fn clear_subscriptions(&mut self) {
        self.subscriptions = None;
    }

    /// Keeps nothing where it listens to nothing.
    pub(crate) fn tidy_subscriptions(&mut self) {
        self.subscriptions.take_if(|kept| kept.len() == 0);
    }

    pub(super) fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
    }

    pub(super) fn set_command(&mut self, name: &'static str) {
        self.command = name;
    }

    pub(super) fn log_in(&mut self, user: &[u8], role: Role) {
        self.role = Some(role);
        self.details().user = user.into();
    }

    /// As if it had just connected, but for its library's name.
    pub(super) fn reset(&mut self, role: Option<Role>) {
        self.role = role;
        self.proto = Proto::Resp2;
        self.queue = None;
        if let Some(details) = &mut self.details {
            details.name = Box::default();
            details.user = Box::default();
        }
    }

    pub(super) fn set_name(&mut self, name: &[u8]) {
        self.details().name = name.into();
    }

    pub(super) fn set_lib_name(&mut self, name: &[u8]) {
        self.details().lib_name = name.into();
    }

    pub(super) fn set_lib_version(&mut self, version: &[u8]) {
        self.details().lib_version = version.into();
    }

    fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}
