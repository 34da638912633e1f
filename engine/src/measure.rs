//! What a value takes in the log and between nodes: counted by the codec that writes it, so that no field is forgotten.

use serde::Serialize;

/// A value, and the bytes that it takes as the codec writes it. Counted once, carried from then on.
///
/// ```
/// use sluice_engine::measure::Measured;
/// let text = Measured::of("sluice");
/// assert_eq!((text.bytes(), *text.value()), (7, "sluice"));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Measured<T> {
    value: T,
    bytes: usize,
}

impl<T: Serialize> Measured<T> {
    /// Counts a value.
    #[must_use]
    pub fn of(value: T) -> Measured<T> {
        let bytes = bytes_of(&value);
        Measured { value, bytes }
    }
}

impl<T> Measured<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The value, without its size.
    pub fn into_value(self) -> T {
        self.value
    }
}

/// Bytes that the codec would write: a pass that copies nothing, and takes texts by their length.
#[must_use]
pub fn bytes_of<T: Serialize + ?Sized>(value: &T) -> usize {
    // Only a value that cannot tell its own length fails, and there is none.
    postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default())
        .expect("every message can be written")
}
