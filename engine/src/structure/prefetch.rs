//! Asking the cache for memory ahead of its use.

/// Bytes that a cache holds or does not hold together.
pub(crate) const LINE_BYTES: usize = 64;

/// Asks the cache for the line that an address lies in, and does not wait for it. A plain load would: it cannot retire
/// before its line is there.
#[inline]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it reads nothing and cannot fault, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// The same for all lines of a value.
#[inline]
pub(crate) fn prefetch_all<T>(value: &T) {
    let first: *const u8 = std::ptr::from_ref(value).cast();
    for offset in (0..size_of::<T>()).step_by(LINE_BYTES) {
        prefetch(first.wrapping_add(offset));
    }
}
