//! Log streams: frames, terminals, long lines, bounds.

use super::*;

fn frame(kind: u8, text: &str) -> Vec<u8> {
    let mut out = vec![kind, 0, 0, 0];
    out.extend_from_slice(&u32::try_from(text.len()).expect("short").to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    out
}

fn decode(tty: bool, bytes: &[u8], step: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut decoder = Decoder::new(tty);
    for chunk in bytes.chunks(step) {
        decoder.feed(chunk, &mut |line| lines.push(line));
    }
    decoder.end(&mut |line| lines.push(line));
    lines
}

const STAMP: &str = "2026-11-22T10:37:08.123456789Z";

#[test]
fn frames_however_they_are_cut() {
    let mut bytes = frame(1, &format!("{STAMP} out\n"));
    bytes.extend(frame(2, &format!("{STAMP} err\n")));
    bytes.extend(frame(1, &format!("{STAMP} \n")));
    bytes.extend(frame(1, "no stamp\n"));
    for step in [1, 3, 7, 1000] {
        let lines = decode(false, &bytes, step);
        let got: Vec<_> =
            lines.iter().map(|line| (line.at.is_some(), line.stderr, line.text.as_str())).collect();
        assert_eq!(
            got,
            [(true, false, "out"), (true, true, "err"), (true, false, ""), (false, false, "no stamp")]
        );
    }
}

#[test]
fn a_terminal_has_no_frames() {
    let lines = decode(true, format!("{STAMP} a\r\n{STAMP} b").as_bytes(), 5);
    assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn long_lines_are_cut_while_they_come_in() {
    let text = format!("{STAMP} {}\n", "x".repeat(100_000));
    for tty in [true, false] {
        let bytes = if tty { text.clone().into_bytes() } else { frame(1, &text) };
        let mut lines = Vec::new();
        let mut decoder = Decoder::new(tty);
        for chunk in bytes.chunks(1000) {
            decoder.feed(chunk, &mut |line| lines.push(line));
            assert!(decoder.line.len() <= LINE_BYTES + 31);
        }
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].text.len() <= LINE_BYTES && lines[0].text.ends_with(CUT_MARK),
            "{}",
            lines[0].text.len()
        );
    }
    // The engine cuts at 16 KiB: each part is an entry without line end.
    let mut bytes = frame(1, &format!("{STAMP} part"));
    bytes.extend(frame(1, &format!("{STAMP} rest\n")));
    let lines = decode(false, &bytes, 1000);
    assert_eq!(
        lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>(),
        [format!("part{CUT_MARK}"), "rest".to_owned()]
    );
}

#[test]
fn garbage_ends() {
    for step in [1, 9] {
        decode(false, &[7, 255, 0, 0, 255, 255, 255, 255, b'\n', 0, 200, b'\n'], step);
        decode(true, &[0, 1, 2, 255, 254], step);
    }
}

#[test]
fn a_ring_keeps_the_last_lines_within_its_bytes() {
    let mut ring = Ring {
        lines: VecDeque::new(),
        bytes: 0,
        max_lines: 3,
        max_bytes: 10,
        note: None,
        is_open: false,
        is_broken: false,
    };
    let line = |text: &str| Line { at: None, stderr: false, text: text.to_owned() };
    ["a", "b", "c", "d"].into_iter().for_each(|text| ring.push(line(text)));
    assert_eq!(ring.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
    ring.push(line("123456789"));
    assert_eq!((ring.lines.len(), ring.bytes), (2, 10));
}

#[test]
fn too_fast_for_five_seconds() {
    let began = Instant::now();
    let at = |ms: u64| began + Duration::from_millis(ms);
    let first_too_fast = |gap_ms: u64| {
        let mut pace = Pace::new(began);
        (1..=6000).find(|line| pace.count(at(line * gap_ms)))
    };
    assert_eq!(first_too_fast(1), Some(5000), "a thousand lines a second");
    assert_eq!(first_too_fast(3), None, "333 a second are fine");
    let mut pace = Pace::new(began);
    let bursts = (0..20_u64).flat_map(|second| (0..900).map(move |line| second * 2000 + line));
    assert!(!bursts.into_iter().any(|ms| pace.count(at(ms))), "bursts with a pause between are fine");
}

#[test]
fn the_ring_of_a_running_container_can_be_seen() {
    let ring = |text: &str| {
        let mut ring = Ring::new(&Options::default());
        ring.push(Line { at: None, stderr: true, text: text.to_owned() });
        Arc::new(Mutex::new(ring))
    };
    let rings = Rings::default();
    assert_eq!(rings.tail("a"), None);
    let (old, new) = (ring("password=hunter2"), ring("the next run"));
    rings.show("a", &old);
    let seen = rings.tail("a").expect("it runs");
    assert!(seen.lines[0].stderr && !seen.lines[0].text.contains("hunter2"), "{seen:?}");
    assert_eq!(rings.tail("a"), Some(seen), "looking takes nothing out");
    // The next run begins before the last one's follower is gone.
    rings.show("a", &new);
    rings.hide("a", &old);
    assert_eq!(rings.tail("a").map(|tail| tail.lines[0].text.clone()), Some("the next run".to_owned()));
    rings.hide("a", &new);
    assert_eq!(rings.tail("a"), None);
}
