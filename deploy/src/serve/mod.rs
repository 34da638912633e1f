//! The server's life: check and take what it needs, start the parts, wait for a signal, take them down in order.

mod banner;
mod data;
mod files;
mod signal;
