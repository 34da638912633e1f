//! Keys, whatever they name: here only streams. Zones are no keys.

pub(super) mod expire;
pub(super) mod flush;
pub(super) mod remove;
pub(super) mod scan;
