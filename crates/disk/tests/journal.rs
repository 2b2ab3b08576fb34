//! The journal against a model: crashes at every byte, flipped bits, refusing disks, power loss.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hinomi_disk::faulty::Faulty;
use hinomi_disk::fs::{Fs, Real};
use hinomi_disk::journal::{self, Opened, Options};
use proptest::prelude::*;

fn open_on(dir: &Path, segment_bytes: u64, fs: Arc<dyn Fs>) -> Opened {
    journal::open(dir, Options { segment_bytes, not_below: 1 }, fs, &mut |_, _| {}).unwrap()
}

fn open(dir: &Path, segment_bytes: u64) -> Opened {
    open_on(dir, segment_bytes, Arc::new(Real))
}

fn contents(opened: &Opened) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    opened.journal.scan(0..u64::MAX, &mut |seq, payload| {
        all.push((seq, payload.to_vec()));
        true
    });
    all
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn payload(seq: u64) -> Vec<u8> {
    vec![u8::try_from(seq % 251).unwrap(); usize::try_from(seq * 7 % 90).unwrap()]
}

/// Appends frames one by one up to number `last`.
fn fill(opened: &mut Opened, last: u64) {
    while opened.writer.next_seq() <= last {
        let seq = opened.writer.next_seq();
        opened.writer.append(&[payload(seq)]).unwrap();
    }
}

fn expected(seqs: impl Iterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    seqs.map(|seq| (seq, payload(seq))).collect()
}

#[test]
fn a_crash_at_any_byte_keeps_every_frame_before_it_and_appending_goes_on() {
    let source = tempfile::tempdir().unwrap();
    let mut opened = open(source.path(), 400);
    let mut ends = Vec::new();
    for seq in 1..=25 {
        let appended = opened.writer.append(&[payload(seq)]).unwrap();
        assert_eq!(appended.seqs, seq..seq + 1);
        ends.push((
            segments(source.path()).len(),
            std::fs::metadata(segments(source.path()).last().unwrap()).unwrap().len(),
        ));
    }
    let paths = segments(source.path());
    let last = paths.last().unwrap();
    let bytes = std::fs::read(last).unwrap();
    for cut in 0..=bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        for path in &paths {
            std::fs::copy(path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
        std::fs::write(dir.path().join(last.file_name().unwrap()), &bytes[..cut]).unwrap();
        let survivors = ends.iter().filter(|(n, len)| *n < paths.len() || *len <= cut as u64).count() as u64;
        let mut opened = open(dir.path(), 400);
        assert!(opened.recovered.damages.is_empty(), "cut at {cut}: {:?}", opened.recovered.damages);
        assert_eq!(contents(&opened), expected(1..=survivors), "cut at {cut}");
        let kept = std::fs::metadata(dir.path().join(last.file_name().unwrap())).map_or(0, |meta| meta.len());
        assert_eq!(kept + opened.recovered.cut_bytes, cut as u64, "what is told to be cut is cut");
        fill(&mut opened, survivors + 3);
        drop(opened);
        let opened = open(dir.path(), 400);
        assert_eq!(opened.recovered.cut_bytes, 0);
        assert_eq!(contents(&opened), expected(1..=survivors + 3), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_costs_its_frame_only_and_is_named() {
    let source = tempfile::tempdir().unwrap();
    fill(&mut open(source.path(), 400), 25);
    let paths = segments(source.path());
    assert!(paths.len() > 3);
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        for bit in (0..bytes.len() * 8).step_by(5) {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(path, &bad).unwrap();
            let opened = open(source.path(), 400);
            let got = contents(&opened);
            let lost: Vec<u64> = (1..=25).filter(|seq| !got.iter().any(|(got, _)| got == seq)).collect();
            assert!(got.iter().all(|(seq, bytes)| *bytes == payload(*seq)));
            assert!(lost.len() <= 1, "bit {bit} of {}: lost {lost:?}", path.display());
            let scan = opened.journal.scan(0..u64::MAX, &mut |_, _| true);
            let in_last = Some(path) == paths.last();
            if let [seq] = lost[..] {
                let cut_as_tail = in_last && seq == 25 && opened.recovered.cut_bytes > 0;
                assert!(cut_as_tail || scan.damages.lost == 1, "bit {bit}: {scan:?}");
                assert!(
                    cut_as_tail || scan.damages.listed[0].to_string().contains(&path.display().to_string())
                );
            } else {
                assert_eq!(opened.recovered.damages.places, 1, "a header of {}", path.display());
            }
            std::fs::write(path, &bytes).unwrap();
        }
    }
}

#[test]
fn a_segment_that_vanished_is_counted_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path(), 400), 40);
    let paths = segments(dir.path());
    let gone = paths.len() / 2;
    std::fs::remove_file(&paths[gone]).unwrap();
    let opened = open(dir.path(), 400);
    let got = contents(&opened);
    let scan = opened.journal.scan(0..u64::MAX, &mut |_, _| true);
    assert_eq!(scan.damages.lost + got.len() as u64, 40);
    assert!(scan.damages.lost > 0 && got.last().unwrap().0 == 40);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path(), 400), 3);
    let path = &segments(dir.path())[0];
    let mut bytes = std::fs::read(path).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..64]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(path, &bytes).unwrap();
    let error = journal::open(dir.path(), Options::default(), Arc::new(Real), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("format version 2"), "{error}");
}

#[test]
fn a_failed_sync_seals_the_file_and_the_frames_are_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let mut opened = open_on(dir.path(), 1 << 20, Arc::new(fs.clone()));
    fill(&mut opened, 3);
    let sealed = std::fs::metadata(&segments(dir.path())[0]).unwrap().len();
    fs.fail_next_syncs(1);
    assert!(opened.writer.append(&[payload(4)]).unwrap().new_segment);
    assert_eq!(segments(dir.path()).len(), 2);
    assert_eq!(std::fs::metadata(&segments(dir.path())[0]).unwrap().len(), sealed);
    // Both tries fail, and the cutting too: nothing is acknowledged, and the next call succeeds.
    fs.fail_next_syncs(2);
    fs.fail_next_truncates(1);
    assert!(opened.writer.append(&[b"never acknowledged, and much longer than what follows"]).is_err());
    fill(&mut opened, 6);
    fs.power_loss();
    drop(opened);
    let opened = open(dir.path(), 1 << 20);
    assert_eq!(contents(&opened), expected(1..=6));
    assert!(opened.journal.scan(0..u64::MAX, &mut |_, _| true).damages.is_empty());
}

#[test]
fn a_refused_group_leaves_nothing_that_a_later_start_could_take_for_stored() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    let mut opened = open_on(dir.path(), 1 << 20, Arc::new(fs.clone()));
    fill(&mut opened, 2);
    // Two whole frames and a piece of the third reach the file before the disk is full.
    fs.set_space(Some(150));
    assert!(opened.writer.append(&[[1; 50], [2; 50], [3; 50]]).is_err());
    fs.set_space(None);
    fill(&mut opened, 3);
    drop(opened);
    let opened = open(dir.path(), 1 << 20);
    assert_eq!((opened.recovered.cut_bytes, opened.recovered.damages.places), (0, 0));
    assert_eq!(contents(&opened), expected(1..=3));
}

#[test]
fn a_full_disk_refuses_and_then_goes_on_without_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Faulty::default();
    fs.set_short_writes(true);
    let mut opened = open_on(dir.path(), 300, Arc::new(fs.clone()));
    for space in 0..400 {
        let seq = opened.writer.next_seq();
        fs.set_space(Some(space));
        while opened.writer.append(&[payload(opened.writer.next_seq())]).is_ok() {}
        fs.set_space(None);
        fill(&mut opened, seq + 1);
    }
    let last = opened.writer.next_seq() - 1;
    assert_eq!(contents(&opened), expected(1..=last));
    fs.power_loss();
    drop(opened);
    let opened = open(dir.path(), 300);
    assert_eq!(contents(&opened), expected(1..=last));
    assert!(opened.journal.scan(0..u64::MAX, &mut |_, _| true).damages.is_empty());
}

#[test]
fn removal_spares_what_is_needed_and_the_last_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path(), 400);
    fill(&mut opened, 30);
    let infos = opened.journal.segments();
    let keep = infos[2].seqs.start;
    let removed = opened.journal.remove_before(keep + 1).unwrap();
    assert_eq!(removed.segments, 2);
    assert_eq!(contents(&opened), expected(keep..=30));
    opened.journal.remove_before(u64::MAX).unwrap();
    assert_eq!(opened.journal.segments().len(), 1);
    fill(&mut opened, 31);
    drop(opened);
    assert_eq!(open(dir.path(), 400).writer.next_seq(), 32);
}

#[test]
fn notes_come_back_with_their_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path(), 400);
    let mut notes = Vec::new();
    let mut note = [0; 16];
    for seq in 1..=30_u8 {
        if opened.writer.append(&[payload(u64::from(seq))]).unwrap().new_segment && seq > 1 {
            notes.push(Some(note));
        }
        note = [seq; 16];
        opened.writer.set_note(note);
    }
    notes.push(None);
    let got =
        |opened: &Opened| opened.journal.segments().into_iter().map(|info| info.note).collect::<Vec<_>>();
    assert_eq!(got(&opened), notes);
    drop(opened);
    assert_eq!(got(&open(dir.path(), 400)), notes);
}

#[test]
fn limits_and_the_floor_hold() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path(), 400);
    fill(&mut opened, 2);
    let error = opened.writer.append(&[vec![0; journal::PAYLOAD_BYTES_MAX + 1]]).unwrap_err();
    assert_eq!(error.kind(), hinomi_model::ErrorKind::Limited);
    assert_eq!(opened.writer.append(&[vec![1; journal::PAYLOAD_BYTES_MAX]]).unwrap().seqs, 3..4);
    drop(opened);
    let options = Options { segment_bytes: 400, not_below: 100 };
    let mut opened = journal::open(dir.path(), options, Arc::new(Real), &mut |_, _| {}).unwrap();
    assert_eq!(opened.writer.append(&[b"x"]).unwrap().seqs, 100..101);
    assert_eq!(opened.journal.scan(0..u64::MAX, &mut |_, _| true).damages.lost, 96);
}

#[test]
fn readers_see_a_dense_prefix_while_the_writer_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path(), 4000);
    let journal = opened.journal.clone();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut most = 0;
            while most < 600 {
                let floor = journal.next_seq();
                let mut next = 1;
                let scan = journal.scan(0..u64::MAX, &mut |seq, bytes| {
                    assert_eq!((seq, bytes), (next, &payload(seq)[..]));
                    next += 1;
                    true
                });
                assert!(scan.damages.is_empty() && next >= floor);
                most = next - 1;
            }
        });
        fill(&mut opened, 600);
        reader.join().unwrap();
    });
}

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<Vec<u8>>),
    FailSyncs(u32),
    FailTruncates(u32),
    Space(Option<u64>),
    PowerLoss,
    Kill,
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..120);
    prop_oneof![
        8 => proptest::collection::vec(bytes, 1..5).prop_map(Op::Append),
        1 => (0..4_u32).prop_map(Op::FailSyncs),
        1 => (0..3_u32).prop_map(Op::FailTruncates),
        1 => (0..600_u64).prop_map(|space| Op::Space(Some(space))),
        2 => Just(Op::Space(None)),
        1 => Just(Op::PowerLoss),
        1 => Just(Op::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Acknowledged payloads are there, in order, under their numbers, whatever happens; others may be there only
    /// behind them, after a kill that came before the answer.
    #[test]
    fn what_is_acknowledged_stays(ops in proptest::collection::vec(op(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let fs = Faulty::default();
        let mut opened = open_on(dir.path(), 500, Arc::new(fs.clone()));
        let mut model: Vec<(u64, Vec<u8>)> = Vec::new();
        for op in ops {
            match op {
                Op::Append(payloads) => {
                    if let Ok(appended) = opened.writer.append(&payloads) {
                        model.extend(appended.seqs.zip(payloads));
                    }
                    prop_assert_eq!(&contents(&opened), &model);
                }
                Op::FailSyncs(n) => fs.fail_next_syncs(n),
                Op::FailTruncates(n) => fs.fail_next_truncates(n),
                Op::Space(space) => fs.set_space(space),
                Op::PowerLoss | Op::Kill => {
                    drop(opened);
                    if matches!(op, Op::PowerLoss) {
                        fs.power_loss();
                    }
                    fs.fail_next_syncs(0);
                    fs.fail_next_truncates(0);
                    opened = open_on(dir.path(), 500, Arc::new(fs.clone()));
                    let got = contents(&opened);
                    prop_assert_eq!(got.get(..model.len()), Some(&model[..]));
                    model = got;
                }
            }
        }
        prop_assert!(opened.journal.scan(0..u64::MAX, &mut |_, _| true).damages.is_empty());
    }
}
