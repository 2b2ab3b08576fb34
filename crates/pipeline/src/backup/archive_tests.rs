//! Archives as they are written, as they are cut, and as nobody honest writes them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use hinomi_disk::lock::FolderLock;
use hinomi_model::Nanos;

use super::frames::Frames;
use super::make::archive;
use super::manifest::{Entry, FILES_MAX, Head, Manifest, hex};
use super::names::{HEAD, MANIFEST};
use super::{FORMAT_VERSION, Keep, RestoreError, Sum, read, restore, tar};

const NOW: Nanos = Nanos(1_435_781_451_781_000_000);

fn content() -> BTreeMap<&'static str, Vec<u8>> {
    let noise = |bytes: usize| (0..bytes).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[1]).collect();
    BTreeMap::from([
        ("metrics/catalogue", noise(700)),
        ("metrics/wal/1.log", b"x".repeat(512)),
        ("records/journal/0000000000000001.log", noise(40)),
        ("records/empty", Vec::new()),
    ])
}

fn head(files: &[(String, u64)]) -> Head {
    Head {
        format: FORMAT_VERSION,
        hinomi: "0.1.0".into(),
        made_at: "2026-11-24T08:15:00.000Z".into(),
        cluster: "box".into(),
        files: files.len() as u64,
        bytes: files.iter().map(|(_, bytes)| bytes).sum(),
    }
}

fn written(content: &BTreeMap<&str, Vec<u8>>) -> Vec<u8> {
    let files: Vec<_> =
        content.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.len() as u64)).collect();
    let mut out = Vec::new();
    let bytes = archive(&mut out, &head(&files), 7, &files, |name| Ok(&*content[name])).unwrap();
    assert_eq!(bytes, out.len() as u64);
    out
}

/// Keeps everything in memory, up to a megabyte.
#[derive(Default)]
struct Memory(Vec<(String, Vec<u8>)>);

impl Keep for Memory {
    fn begin(&mut self, _: &Head) -> Result<(), RestoreError> {
        Ok(())
    }

    fn file(&mut self, name: &str) -> Result<(), RestoreError> {
        self.0.push((name.to_owned(), Vec::new()));
        Ok(())
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let last = &mut self.0.last_mut().unwrap().1;
        last.extend_from_slice(bytes);
        assert!(last.len() < 1 << 20, "more than was announced");
        Ok(())
    }

    fn done(&mut self) -> Result<(), RestoreError> {
        Ok(())
    }
}

fn fault(bytes: &[u8]) -> RestoreError {
    read(bytes, &mut Memory::default()).unwrap_err()
}

#[test]
fn what_was_written_is_read() {
    let content = content();
    let bytes = written(&content);
    let mut memory = Memory::default();
    let head = read(&*bytes, &mut memory).unwrap();
    assert_eq!((head.files, head.bytes), (4, 1252));
    let want: Vec<_> = content.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    assert_eq!(memory.0, want);
    let mut sum = Sum::default();
    bytes.chunks(13).for_each(|piece| sum.push(piece));
    assert!(sum.is_whole());
}

/// What compresses badly, in more than one frame.
#[test]
fn large_files_take_several_frames() {
    let mut state = 1_u64;
    let noise = (0..2_500_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let content = BTreeMap::from([("metrics/blocks/1", noise.collect::<Vec<u8>>())]);
    let bytes = written(&content);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("data");
    restore(&*bytes, &to, false, NOW).unwrap();
    assert!(std::fs::read(to.join("metrics/blocks/1")).unwrap() == content["metrics/blocks/1"]);
    let mut bad = bytes;
    bad[1_700_000] ^= 1;
    match restore(&*bad, &dir.path().join("other"), false, NOW).unwrap_err() {
        RestoreError::Damaged { at, file, .. } => {
            assert!((1_700_000..2_300_000).contains(&at), "{at}");
            assert_eq!(file.as_deref(), Some("metrics/blocks/1"));
        }
        other => panic!("{other}"),
    }
    assert!(!dir.path().join("other").exists());
}

#[test]
fn every_cut_is_noticed() {
    let bytes = written(&content());
    for len in 0..bytes.len() {
        let error = fault(&bytes[..len]);
        assert!(matches!(error, RestoreError::Cut { at, .. } if at == len as u64), "{len}: {error}");
        let mut sum = Sum::default();
        sum.push(&bytes[..len]);
        assert!(!sum.is_whole(), "{len}");
    }
}

#[test]
fn every_changed_byte_and_every_byte_more_is_noticed() {
    let bytes = written(&content());
    for at in 0..bytes.len() {
        for flip in [1_u8, 0x10, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            let error = fault(&bad).to_string();
            assert!(error.contains("at byte"), "{at}: {error}");
            let mut sum = Sum::default();
            sum.push(&bad);
            assert!(!sum.is_whole(), "{at}");
        }
    }
    for more in [&b"\0"[..], b"x", &bytes, &super::frames::tests_skippable(100)] {
        let error = fault(&[&bytes, more].concat()).to_string();
        assert!(error.contains("byte"), "{error}");
    }
}

/// One entry of a hostile archive.
struct Odd(Vec<u8>, Vec<u8>);

fn file(name: &str, content: &[u8]) -> Odd {
    Odd(tar::header(name, content.len() as u64, 0).to_vec(), content.to_vec())
}

/// An archive with any entries between head and manifest, with checksums that are right.
fn odd(head: &Head, entries: &[Odd], listed: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut frames = Frames::new(&mut out).unwrap();
    let contents = listed.iter().map(|(name, content)| Entry {
        name: (*name).to_owned(),
        bytes: content.len() as u64,
        sha256: hex(ring::digest::digest(&ring::digest::SHA256, content).as_ref()),
    });
    let manifest = Manifest { head: head.clone(), contents: contents.collect() };
    let first = file(HEAD, &serde_json::to_vec(head).unwrap());
    let last = file(MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    for Odd(header, content) in std::iter::once(&first).chain(entries).chain([&last]) {
        frames.write_all(header).unwrap();
        frames.write_all(content).unwrap();
        frames.write_all(&vec![0; tar::padding(content.len() as u64)]).unwrap();
    }
    frames.write_all(&[0; tar::END_BYTES]).unwrap();
    frames.finish().unwrap();
    out
}

fn announced(files: u64, bytes: u64) -> Head {
    Head { files, bytes, ..head(&[]) }
}

/// A header of another kind, with the right sum.
fn of_kind(kind: u8, link: &str) -> Odd {
    let mut block = tar::header("metrics/x", 0, 0);
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Odd(block.to_vec(), Vec::new())
}

#[test]
fn hostile_archives_are_refused_and_make_nothing() {
    let x: &[u8] = b"x";
    let huge = |bytes: u64| Odd(tar::header("metrics/x", bytes, 0).to_vec(), x.to_vec());
    let table = [
        ("honest", odd(&announced(1, 1), &[file("metrics/x", x)], &[("metrics/x", x)])),
        ("is an absolute path", odd(&announced(1, 1), &[file("/metrics/x", x)], &[])),
        ("leads elsewhere", odd(&announced(1, 1), &[file("metrics/../../x", x)], &[])),
        ("is no part", odd(&announced(1, 1), &[file("sessions", x)], &[])),
        ("is no name", odd(&announced(1, 1), &[file("metrics/a b", x)], &[])),
        ("a symbolic link", odd(&announced(1, 1), &[of_kind(b'2', "/etc/passwd")], &[])),
        ("a hard link", odd(&announced(1, 1), &[of_kind(b'1', "metrics/y")], &[])),
        ("a device", odd(&announced(1, 1), &[of_kind(b'3', "")], &[])),
        ("a folder", odd(&announced(1, 1), &[of_kind(b'5', "")], &[])),
        ("an unknown kind", odd(&announced(1, 1), &[of_kind(b'x', "")], &[])),
        ("twice", odd(&announced(2, 2), &[file("metrics/x", x), file("metrics/x", x)], &[])),
        ("more than the 1 bytes", odd(&announced(1, 1), &[huge(1 << 40)], &[])),
        ("more than the 1 bytes", odd(&announced(1, 1), &[huge(u64::MAX)], &[])),
        (
            "more than the 9 bytes in 1 files",
            odd(&announced(1, 9), &[file("metrics/x", x), file("metrics/y", x)], &[]),
        ),
        ("less than it announces", odd(&announced(1, 2), &[file("metrics/x", x)], &[("metrics/x", x)])),
        ("less than it announces", odd(&announced(2, 1), &[file("metrics/x", x)], &[("metrics/x", x)])),
        ("is not as", odd(&announced(1, 1), &[file("metrics/x", x)], &[("metrics/x", b"y")])),
        ("is not as", odd(&announced(1, 1), &[file("metrics/x", x)], &[])),
        ("bytes are needed", odd(&announced(1, 1 << 60), &[file("metrics/x", x)], &[])),
        ("files; at most", odd(&announced(FILES_MAX + 1, 1), &[file("metrics/x", x)], &[])),
        ("format version 2", odd(&Head { format: 2, ..announced(1, 1) }, &[file("metrics/x", x)], &[])),
        ("does not begin with", {
            let mut out = Vec::new();
            let mut frames = Frames::new(&mut out).unwrap();
            frames.write_all(&tar::header("metrics/x", 0, 0)).unwrap();
            frames.finish().unwrap();
            out
        }),
        ("at most 65536", {
            let mut out = Vec::new();
            let mut frames = Frames::new(&mut out).unwrap();
            frames.write_all(&tar::header(HEAD, 1 << 40, 0)).unwrap();
            frames.finish().unwrap();
            out
        }),
        ("damaged", b"this is no archive at all, but some text".to_vec()),
    ];
    for (want, bytes) in table {
        let dir = tempfile::tempdir().unwrap();
        let result = restore(&*bytes, &dir.path().join("data"), false, NOW);
        if want == "honest" {
            result.unwrap();
            continue;
        }
        let error = result.unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
        assert!(names(dir.path()).is_empty(), "{want}: {:?}", names(dir.path()));
    }
}

/// Zeros that compress a thousandfold end where the announced size does.
#[test]
fn a_bomb_is_no_larger_than_announced() {
    let zeros = vec![0; 512 << 10];
    let bytes = odd(&announced(1, 100), &[file("metrics/x", &zeros)], &[]);
    assert!(bytes.len() < 4000);
    assert!(fault(&bytes).to_string().contains("more than the 100 bytes"));
    // And so does a bomb inside of a file to skip, or behind the end.
    let mut out = Vec::new();
    let mut frames = Frames::new(&mut out).unwrap();
    frames.write_all(&zeros).unwrap();
    frames.finish().unwrap();
    assert!(fault(&out).to_string().contains("there is no"), "{}", fault(&out));
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn targets() {
    let bytes = written(&content());
    let mut cut = bytes.clone();
    cut.pop();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("a/data");
    // Not there, then there; empty. What a killed one left goes; what another is at stays.
    std::fs::create_dir_all(dir.path().join("a/.data.restore-1.tmp/records")).unwrap();
    let other = dir.path().join("a/.data.restore-2.tmp");
    std::fs::create_dir(&other).unwrap();
    let at_it = FolderLock::acquire(&other).unwrap();
    restore(&*bytes, &to, false, NOW).unwrap();
    assert_eq!(names(&to), ["metrics", "records"]);
    assert_eq!(names(&dir.path().join("a")), [".data.restore-2.tmp", "data"]);
    drop(at_it);
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(restore(&*cut, &empty, false, NOW).is_err());
    assert!(names(&empty).is_empty());
    assert_eq!(restore(&*bytes, &empty, false, NOW).unwrap().kept, None);
    // With something in it.
    std::fs::write(to.join("mine"), "mine").unwrap();
    let error = restore(&*bytes, &to, false, NOW).unwrap_err();
    assert!(matches!(error, RestoreError::Target(_)) && error.to_string().contains("--force"), "{error}");
    assert!(restore(&*cut, &to, true, NOW).is_err());
    assert_eq!(names(&to), ["metrics", "mine", "records"]);
    assert_eq!(names(&dir.path().join("a")), ["data"]);
    let kept = restore(&*bytes, &to, true, NOW).unwrap().kept.unwrap();
    assert!(kept.ends_with("data.before-restore-20150701T201051Z"), "{kept:?}");
    assert_eq!(names(&to), ["metrics", "records"]);
    assert!(names(&kept).contains(&"mine".to_owned()));
    let second = restore(&*bytes, &to, true, NOW).unwrap().kept.unwrap();
    assert!(second.ends_with("data.before-restore-20150701T201051Z-2"), "{second:?}");
    // In use, a file, the root.
    let lock = FolderLock::acquire(&to).unwrap();
    let error = restore(&*bytes, &to, true, NOW).unwrap_err().to_string();
    assert!(error.contains("is in use by process"), "{error}");
    drop(lock);
    restore(&*bytes, &to, true, NOW).unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(restore(&*bytes, &file, true, NOW).unwrap_err().to_string().contains("is no folder"));
    assert!(restore(&*bytes, Path::new("/"), true, NOW).unwrap_err().to_string().contains("is the root"));
}

/// Changes behind the compression, where its checksums see nothing.
#[test]
fn every_changed_byte_of_the_tar_is_noticed() {
    let plain = zstd::stream::decode_all(&*written(&content())).unwrap();
    for at in 0..plain.len() {
        for flip in [1_u8, 0x80] {
            let mut bad = plain.clone();
            bad[at] ^= flip;
            let mut out = Vec::new();
            let mut frames = Frames::new(&mut out).unwrap();
            frames.write_all(&bad).unwrap();
            frames.finish().unwrap();
            assert!(read(&*out, &mut Memory::default()).is_err(), "{at} of {}", plain.len());
        }
    }
}
