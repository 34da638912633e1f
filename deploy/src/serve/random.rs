//! Secrets and ids. They come from the system, here and nowhere else.

use super::error::StartError;

/// Random bytes.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(StartError::Random)?;
    Ok(bytes)
}
