//! A zone: its rules, its queue, and what is told about them.
//!
//! ```text
//! settings   names and settings, valid by type        window     admissions, exact; planned releases
//! state      the replicated state, changed by apply   users      one person, one place
//! view       what any thread reads; the poll          frontier   who is due within a poll period
//! eta        waits by rank, as published              forecast   how that table is made
//! survival   departures by age, measured            pace       even spacing of admissions
//! ```
//! Read `state` and `view` first. `state` is the same on every node; `frontier`, `eta` and `survival`
//! are soft: the owner makes them from what it sees, and apply never reads them.

pub mod eta;
pub mod forecast;
pub mod frontier;
pub mod pace;
pub mod settings;
pub(crate) mod state;
pub mod survival;
pub mod users;
pub mod view;
pub mod window;
