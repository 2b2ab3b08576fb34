//! Entry points for `fuzz/`: each feeds a decoder with bytes from a stranger. Not part of the interface.

use hinomi_series::Matcher;
use roaring::RoaringBitmap;

use crate::block::{BlockIndex, Meta};
use crate::codec::{decode_histograms, decode_times, decode_values};
use crate::postings::Index as _;
use crate::wal;

/// A record of the log; what is read is written the same way again.
pub fn record(bytes: &[u8]) {
    let Ok(wal::Record::Append(entries)) = wal::decode(bytes) else { return };
    let mut encoder = wal::Encoder::default();
    for entry in &entries.series {
        encoder.series(entry.id, &entry.tenant, &entry.labels);
    }
    for sample in &entries.samples {
        encoder.sample(sample.id, sample.t, sample.start, &sample.value);
    }
    for entry in &entries.exemplars {
        encoder.exemplar(entry.id, &entry.exemplar);
    }
    for entry in &entries.metadata {
        encoder.metadata(&entry.tenant, &entry.family, &entry.metadata);
    }
    let (mut back, mut times) = ([0; 3], Vec::new());
    for record in encoder.finish() {
        if let Ok(wal::Record::Append(entries)) = wal::decode(&record) {
            let lens = [entries.series.len(), entries.exemplars.len(), entries.metadata.len()];
            back.iter_mut().zip(lens).for_each(|(sum, len)| *sum += len);
            times.extend(entries.samples.iter().map(|sample| (sample.id, sample.t, sample.start)));
        }
    }
    let want = [entries.series.len(), entries.exemplars.len(), entries.metadata.len()];
    assert_eq!(back, want, "every series, exemplar and family comes back");
    let want = entries.samples.iter().map(|sample| (sample.id, sample.t, sample.start));
    assert!(times.iter().copied().eq(want), "and every sample");
}

/// A column of a block, of every kind; the first byte says how many numbers.
pub fn column(bytes: &[u8]) {
    let Some((count, bytes)) = bytes.split_first() else { return };
    let count = usize::from(*count).saturating_add(1);
    for values in
        [decode_values(bytes, count).map(|values| values.len()), decode_times(bytes, count).map(|t| t.len())]
    {
        assert!(values.is_err() || values == Ok(count), "as many as there are said to be");
    }
    let histograms = decode_histograms(bytes, count).map(|histograms| histograms.len());
    assert!(histograms.is_err() || histograms == Ok(count), "as many as there are said to be");
}

/// The index of a block: four sections of about the same length, and the description.
pub fn index(bytes: &[u8]) {
    let _meta = Meta::decode(bytes);
    let mut parts = bytes.chunks(bytes.len().div_ceil(4).max(1)).map(<[u8]>::to_vec);
    let mut part = || parts.next().unwrap_or_default();
    let symbols = part();
    let Ok(index) = BlockIndex::new(&symbols, part(), part(), part()) else { return };
    let mut found = RoaringBitmap::new();
    index.add_where("a", &|_| true, &mut found);
    found |= crate::postings::select(&index, &[Matcher::equal("a", "b")]);
    for number in found.iter().chain(0..4).take(64) {
        let Ok((_, chunks)) = index.series(number) else { continue };
        for chunk in chunks {
            let _times = index.times(chunk.times).map(|(count, column)| decode_times(column, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn strange_bytes_do_no_harm(bytes in proptest::collection::vec(prop_oneof![0_u8..8, any::<u8>()], 0..120)) {
            super::record(&bytes);
            super::column(&bytes);
            super::index(&bytes);
        }
    }
}
