//! Room in the heap for many small pieces that stay.

use std::cell::Cell;
use std::hint::black_box;

/// Below what the allocator maps apart, and below what it gives back at once.
const AHEAD_BYTES: usize = 120 << 10;

/// Says that so many bytes will be allocated and kept, by this thread and in pieces.
///
/// glibc's allocator extends the heap of a thread by just what is missing, with a system call each time, which takes as
/// long as unpacking a column. A piece that is allocated and dropped at once extends it for all that follow; its memory is not
/// touched. Elsewhere it does nothing but these two calls.
pub(crate) fn announce(bytes: usize) {
    thread_local!(static LEFT: Cell<usize> = const { Cell::new(0) });
    if let Some(left) = LEFT.get().checked_sub(bytes) {
        LEFT.set(left);
        return;
    }
    drop(black_box(Vec::<u8>::with_capacity(AHEAD_BYTES)));
    LEFT.set(AHEAD_BYTES.saturating_sub(bytes));
}
