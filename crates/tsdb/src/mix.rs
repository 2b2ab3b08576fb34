//! Maps by number: a hash that costs nothing. Not for texts that strangers choose.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Spreads one number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map by number.
pub(crate) type Numbers<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;
