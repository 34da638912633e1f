//! The file of a snapshot that is none.

use crate::disk::{File, Io};
use std::io;

/// Holds nothing and takes nothing.
pub(super) struct Empty;

fn nothing<'a, T: Send + 'a>() -> Io<'a, T> {
    Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
}

impl File for Empty {
    fn size(&self) -> Io<'_, u64> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn write_at<'a>(&'a self, _: &'a [u8], _: u64) -> Io<'a, ()> {
        nothing()
    }

    fn read_at<'a>(&'a self, _: &'a mut [u8], _: u64) -> Io<'a, usize> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn sync(&self) -> Io<'_, ()> {
        nothing()
    }
}
