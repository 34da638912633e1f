//! What the rest of the process may see of a running server: figures, and statistics of zones.

use crate::limit;
use crate::resp::server::{Facts, ServerInfo};
use crate::shared::{Ending, Shared};
use crate::stats::Counts;
use sluice_engine::id::GroupId;
use sluice_engine::memory::Memory;
use sluice_engine::reply::Stats;
use sluice_engine::stream::policy::Usage;
use sluice_engine::zone::settings::ZoneName;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A view of a server that outlives it: afterwards it shows the last figures.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<Shared>,
}

/// Takes the statistics of the zones that were asked about; those that are gone are left out. Dropped without a call
/// where the worker is gone, or too many ask.
pub type TakeStats = Box<dyn FnOnce(Vec<(ZoneName, Stats)>) + Send>;

/// Takes the namespaces of one group.
pub type TakeNamespaces = Box<dyn FnOnce(Vec<Usage>) + Send>;

/// A question of somebody who is no client, for the worker that owns what is asked about.
pub(crate) enum Survey {
    /// Statistics of zones.
    Zones(Vec<ZoneName>, TakeStats),
    /// The namespaces of a group.
    Namespaces(GroupId, TakeNamespaces),
}

impl Observer {
    pub(crate) fn new(shared: Arc<Shared>) -> Observer {
        Observer { shared }
    }

    /// Figures as `INFO` has them.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.shared.facts()
    }

    /// What memory the state of this node takes, what it may, and how often that was in somebody's way.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.shared.directory.memory()
    }

    /// Messages of other nodes that were left out because they said what they may not say.
    #[must_use]
    pub fn unfit(&self) -> u64 {
        self.shared.directory.unfit()
    }

    /// The counters since the start, or since they were set back.
    #[must_use]
    pub fn totals(&self) -> Counts {
        self.shared.stats.totals()
    }

    /// By how many milliseconds the system's clock is ahead of the time that the node goes by (below 0: behind): it was set.
    #[must_use]
    pub fn clock_step_ms(&self) -> i64 {
        self.shared.wall.step_ms()
    }

    /// CPU time of the longest turn of any worker since the start, in µs, or a little more.
    #[must_use]
    pub fn longest_turn_us(&self) -> u64 {
        self.shared.stats.longest_turn_us()
    }

    /// Whether traffic should be sent here: see [`crate::server::Server::set_ready`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire) && self.shared.ending() == Ending::No
    }

    /// All zones, by group.
    #[must_use]
    pub fn zones(&self) -> Vec<(GroupId, Vec<ZoneName>)> {
        let directory = &self.shared.directory;
        let mut zones: Vec<_> =
            (0..directory.groups()).map(|group| (GroupId(group as u16), Vec::new())).collect();
        for name in directory.names() {
            let group = directory.group_of(name.as_str().as_bytes());
            if let Some((_, names)) = zones.get_mut(usize::from(group.0)) {
                names.push(name);
            }
        }
        zones
    }

    /// Asks for statistics of up to [`limit::SURVEY_ZONES_MAX`] zones of one group, as this node has them. Between two
    /// questions the worker serves its clients, so ask for many zones bit by bit.
    pub fn survey(&self, group: GroupId, mut zones: Vec<ZoneName>, take: TakeStats) {
        zones.truncate(limit::SURVEY_ZONES_MAX);
        self.ask(group, Survey::Zones(zones, take));
    }

    /// Asks for the namespaces of one group, as this node has them, and what is in them.
    pub fn survey_namespaces(&self, group: GroupId, take: TakeNamespaces) {
        self.ask(group, Survey::Namespaces(group, take));
    }

    fn ask(&self, group: GroupId, survey: Survey) {
        let mailboxes = &self.shared.mailboxes;
        if let Some(mailbox) = mailboxes.get(usize::from(group.0) % mailboxes.len().max(1)) {
            mailbox.survey(survey);
            mailbox.notify();
        }
    }
}
