//! Numbers from standalone `pco` files.

use std::cell::RefCell;

use pco::DecompressorScratch;
use pco::data_types::{Number, NumberType};
use pco::wrapped::FileDecompressor;

use crate::bytes::{Fault, Reader, as_usize};

const MAGIC: [u8; 4] = *b"pco!";
/// The version of the standalone layout that is read: the one that is written.
const LAYOUT: u8 = 3;
/// Ends the chunks of a file.
const END: u8 = 0;

/// More than `pco` looks ahead for 256 numbers, its smallest step.
const PADDING: usize = 5 << 10;
/// A longer copy is not kept.
const KEPT_BYTES: usize = 256 << 10;

const DAMAGED: Fault = "pco bytes are damaged";

/// Fills `into` with the numbers of a file, which must have that many.
///
/// `pco` has a function for that, which makes its working memory anew for each file: more work than unpacking the few
/// thousand numbers of a column, and the allocator gives that memory back to the system and takes it again each time.
/// Here a thread keeps it, which takes reading what stands before the numbers.
pub(super) fn unpco<T: Number>(packed: &[u8], into: &mut [T]) -> Result<(), Fault> {
    thread_local!(static KEPT: RefCell<Kept> = RefCell::default());
    let mut reader = Reader(packed);
    read_header::<T>(&mut reader)?;
    let (file, rest) = FileDecompressor::new(reader.rest()).map_err(|_| DAMAGED)?;
    let mut reader = Reader(rest);
    if reader.byte()? != kind::<T>() {
        return Err("pco bytes are of other numbers");
    }
    let [low, middle, high] = reader.array()?;
    if as_usize(u64::from(u32::from_le_bytes([low, middle, high, 0]))).saturating_add(1) != into.len() {
        return Err("pco bytes have another count");
    }
    let (chunk, rest) = file.chunk_decompressor::<T, _>(reader.rest()).map_err(|_| DAMAGED)?;
    KEPT.with_borrow_mut(|kept| {
        let padded = kept.padded.with(rest);
        let mut page = chunk
            .page_decompressor_with_scratch(padded, into.len(), &mut kept.scratch)
            .map_err(|_| DAMAGED)?;
        page.read(into).map_err(|_| DAMAGED)?;
        let behind = page.into_src();
        let ended = behind.len() == PADDING.saturating_add(1) && behind.first() == Some(&END);
        if ended { Ok(()) } else { Err("pco bytes have another count") }
    })
}

/// What a thread keeps from one file to the next.
#[derive(Default)]
struct Kept {
    scratch: DecompressorScratch,
    padded: Padded,
}

/// Bytes with more behind them that mean nothing: near the end of what it is given `pco` reads from a longer copy of the
/// rest, which it makes anew each time. Whoever reads into the padding does not end where the bytes end.
#[derive(Default)]
struct Padded(Vec<u8>);

impl Padded {
    fn with(&mut self, bytes: &[u8]) -> &[u8] {
        if self.0.capacity() > KEPT_BYTES {
            self.0 = Vec::new();
        }
        let len = bytes.len().saturating_add(PADDING);
        self.0.resize(len, 0);
        if let Some(begin) = self.0.get_mut(..bytes.len()) {
            begin.copy_from_slice(bytes);
        }
        &self.0
    }
}

fn kind<T: Number>() -> u8 {
    NumberType::new::<T>() as u8
}

/// Walks over the file's header; what it says of the numbers is said again before them.
fn read_header<T: Number>(reader: &mut Reader<'_>) -> Result<(), Fault> {
    if reader.array()? != MAGIC || reader.byte()? != LAYOUT {
        return Err("these are no pco bytes of a known version");
    }
    let all_of = reader.byte()?;
    if all_of != END && all_of != kind::<T>() {
        return Err("pco bytes are of other numbers");
    }
    // A guess at the count: six bits say how many bits it takes, less one.
    let first = reader.byte()?;
    let bits = 6 + usize::from(first & 63) + 1;
    reader.take(bits.div_ceil(8) - 1)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{COLUMN_MAX, Effort, pco_config};

    #[test]
    fn every_file_is_read_as_pco_reads_it() {
        let mix = |at: i64| at.wrapping_mul(0x1e37_79b9_7f4a_7c15) >> (24 + at % 40);
        let mut mixed = (1..).map(mix);
        for count in [1, 2, 24, 255, 256, 257, 1000, COLUMN_MAX] {
            for effort in [Effort::Quick, Effort::Careful, Effort::Thorough] {
                let wild = |at: usize| (at as f64 * 0.7331).sin() * 1e6;
                let numbers: Vec<i64> = mixed.by_ref().take(count).collect();
                let floats: Vec<f64> =
                    (0..count).map(|at| if at % 7 == 0 { f64::NAN } else { wild(at) }).collect();
                let packed = pco::standalone::simple_compress(&numbers, &pco_config(effort)).unwrap();
                let mut read = vec![0; count];
                assert_eq!(unpco::<i64>(&packed, &mut read), Ok(()), "{count} {effort:?}");
                assert_eq!(read, numbers);
                for other in [count - 1, count + 1] {
                    assert!(unpco::<i64>(&packed, &mut vec![0; other]).is_err());
                }
                assert!(unpco::<f64>(&packed, &mut vec![0.0; count]).is_err());
                for cut in 0..packed.len().min(40) {
                    assert!(
                        unpco::<i64>(&packed[..packed.len() - 1 - cut], &mut read).is_err(),
                        "{count} {cut}"
                    );
                }
                assert!(unpco::<i64>(&[&packed[..], &[0]].concat(), &mut read).is_err());

                let packed = pco::standalone::simple_compress(&floats, &pco_config(effort)).unwrap();
                let mut read = vec![0.0; count];
                assert_eq!(unpco::<f64>(&packed, &mut read), Ok(()), "{count} {effort:?}");
                let bits = |floats: &[f64]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&read), bits(&floats));
            }
        }
    }
}
