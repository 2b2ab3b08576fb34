//! Golden bytes by hand, bad bodies, and what is written read back.

use hinomi_series::{Labels, ResetHint, Span, stale_nan};
use proptest::prelude::*;

use super::*;

/// What a request held, in plain words.
#[derive(Debug, Default)]
struct Seen {
    /// Of the series that is under way.
    floats: Vec<(i64, i64, f64)>,
    histograms: Vec<(i64, i64, Checked)>,
    exemplars: Vec<Exemplar>,
    series: Vec<Series>,
    families: Vec<(String, Metadata)>,
    /// Calls until there is no more room.
    room: Option<usize>,
    /// Most bytes that may be announced, and most that were.
    admitted: Option<usize>,
    announced: usize,
}

#[derive(Debug, Default)]
struct Series {
    labels: Option<Result<Labels, LabelsError>>,
    key: Option<Key>,
    floats: Vec<(i64, i64, f64)>,
    histograms: Vec<(i64, i64, Checked)>,
    exemplars: Vec<Exemplar>,
    metadata: Option<Metadata>,
}

impl Seen {
    fn left(&mut self) -> bool {
        match &mut self.room {
            None => true,
            Some(0) => false,
            Some(room) => {
                *room -= 1;
                true
            }
        }
    }
}

impl<'r> Sink<'r> for Seen {
    fn admits(&mut self, bytes: usize) -> bool {
        self.announced = self.announced.max(bytes);
        bytes <= self.admitted.unwrap_or(usize::MAX)
    }

    fn float(&mut self, t_ms: i64, start_ms: i64, value: f64) -> bool {
        self.floats.push((t_ms, start_ms, value));
        self.left()
    }

    fn histogram(&mut self, t_ms: i64, start_ms: i64, histogram: Checked) -> bool {
        self.histograms.push((t_ms, start_ms, histogram));
        self.left()
    }

    fn exemplar(&mut self, exemplar: Option<Exemplar>) -> bool {
        self.exemplars.extend(exemplar);
        self.left()
    }

    fn series(&mut self, labels: LabelSet<'r>, metadata: Option<SeriesMetadata<'r>>) -> bool {
        self.series.push(Series {
            labels: Some(labels.labels()),
            key: labels.key(),
            floats: std::mem::take(&mut self.floats),
            histograms: std::mem::take(&mut self.histograms),
            exemplars: std::mem::take(&mut self.exemplars),
            metadata: metadata.and_then(|said| said.metadata()),
        });
        self.left()
    }

    fn family(&mut self, name: &str, metadata: Metadata) -> bool {
        self.families.push((name.to_owned(), metadata));
        self.left()
    }
}

fn read_with(version: Version, bytes: &[u8], room: Option<usize>) -> Result<Seen, Error> {
    let secret = Secret::new();
    let request = Request::open(version, bytes, &secret, |_| true)?;
    let mut seen = Seen { room, ..Seen::default() };
    request.read(&mut seen)?;
    Ok(seen)
}

fn read(version: Version, bytes: &[u8]) -> Result<Seen, Error> {
    read_with(version, bytes, None)
}

/// Bytes from text: numbers in hexadecimal, texts in quotes, and (…) for what stands behind its length.
fn bytes(text: &str) -> Vec<u8> {
    let mut stack: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let top = stack.last_mut().unwrap();
        if let Some(after) = rest.strip_prefix('"') {
            let (quoted, after) = after.split_once('"').unwrap();
            top.push(u8::try_from(quoted.len()).unwrap());
            top.extend_from_slice(quoted.as_bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix('(') {
            stack.push(Vec::new());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(')') {
            let done = stack.pop().unwrap();
            let top = stack.last_mut().unwrap();
            top.push(u8::try_from(done.len()).unwrap());
            top.extend(done);
            rest = after;
        } else {
            let (digits, after) = rest.split_at(2);
            top.push(u8::from_str_radix(digits, 16).unwrap());
            rest = after;
        }
        rest = rest.trim_start();
    }
    stack.pop().unwrap()
}

fn up() -> Labels {
    Labels::from_pairs([("__name__", "up"), ("job", "a")])
}

const HALF: &str = "00 00 00 00 00 00 e0 3f";
const UP: &str = r#"0a(0a "__name__" 12 "up") 0a(0a "job" 12 "a")"#;

#[test]
fn a_request_of_version_1() {
    let body = bytes(&format!(
        r#"0a({UP}
               12(09 {HALF} 10 e8 07) 12(09 02 00 00 00 00 00 f0 7f 10 e9 07)
               1a(0a(0a "trace_id" 12 "xyz") 11 {HALF} 18 e7 07))
           1a(08 01 12 "up" 22 "Help." 2a "s")
           12 "old" 7a 01 ff"#
    ));
    let seen = read(Version::V1, &body).unwrap();
    let [series] = &seen.series[..] else { panic!("{seen:?}") };
    assert_eq!(series.labels, Some(Ok(up())));
    assert_eq!(series.floats[0], (1000, 0, 0.5));
    assert_eq!((series.floats[1].0, series.floats[1].2.to_bits()), (1001, stale_nan().to_bits()));
    let labels = Labels::from_pairs([("trace_id", "xyz")]);
    assert_eq!(series.exemplars, [Exemplar { labels, t_ms: 999, value: 0.5 }]);
    let said = Metadata { kind: MetadataKind::Counter, help: "Help.".into(), unit: "s".into() };
    assert_eq!(seen.families, [("up".to_owned(), said)]);
}

#[test]
fn a_request_of_version_2() {
    let body = bytes(&format!(
        r#"22 "" 22 "__name__" 22 "up" 22 "job" 22 "a" 22 "Help." 22 "s" 22 "trace_id" 22 "xyz"
           2a(0a(01 02 03 04)
              12(09 {HALF} 10 e8 07) 12(09 {HALF} 10 e9 07 18 05)
              22(0a(07 08) 11 {HALF} 18 e7 07)
              2a(08 02 18 05 20 06)
              30 09)"#
    ));
    let seen = read(Version::V2, &body).unwrap();
    let [series] = &seen.series[..] else { panic!("{seen:?}") };
    assert_eq!(series.labels, Some(Ok(up())));
    assert_eq!(series.floats, [(1000, 9, 0.5), (1001, 5, 0.5)], "a sample's own start counts first");
    let labels = Labels::from_pairs([("trace_id", "xyz")]);
    assert_eq!(series.exemplars, [Exemplar { labels, t_ms: 999, value: 0.5 }]);
    let said = Metadata { kind: MetadataKind::Gauge, help: "Help.".into(), unit: "s".into() };
    assert_eq!(series.metadata, Some(said));
}

#[test]
fn histograms_of_whole_numbers_and_of_floats() {
    // 1 + 2 in the buckets 0 and 1, one in the zero bucket, one in the negative bucket 3.
    let whole = format!(
        "08 05 19 {HALF} 20 06 29 {HALF} 30 01 42(08 06 10 01) 4a(02) 5a(10 02) 62(02 02) 70 02 78 e8 07 88 01 07"
    );
    let float = format!(
        "11 {HALF} 19 {HALF} 20 69 5a(08 02 10 01) 69 {HALF} 78 e9 07 82 01({HALF} 00 00 00 00 00 00 f0 3f)"
    );
    let body = bytes(&format!("0a({UP} 22({whole})) 0a({UP} 22({float}))"));
    let seen = read(Version::V1, &body).unwrap();
    let exponential = Histogram {
        reset_hint: ResetHint::NotReset,
        schema: 3,
        zero_threshold: 0.5,
        zero_count: 1.0,
        count: 5.0,
        sum: 0.5,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        negative_spans: vec![Span { offset: 3, length: 1 }],
        positive_buckets: vec![1.0, 2.0],
        negative_buckets: vec![1.0],
        custom_values: [].into(),
    };
    assert_eq!(seen.series[0].histograms, [(1000, 7, Ok(exponential))]);
    let custom = Histogram {
        schema: -53,
        count: 0.5,
        sum: 0.5,
        positive_spans: vec![Span { offset: 1, length: 1 }],
        positive_buckets: vec![0.5],
        custom_values: [0.5, 1.0].into(),
        ..Histogram::default()
    };
    assert_eq!(seen.series[1].histograms, [(1001, 0, Ok(custom))]);
    assert_eq!(seen.series[0].key, seen.series[1].key);
}

#[test]
fn wrong_histograms_are_named() {
    let table = [
        (
            format!("08 04 19 {HALF} 5a(10 02) 62(02 02)"),
            "3 observations found in buckets, but the Count field is 4",
        ),
        ("08 02 19 02 00 00 00 00 00 f8 7f 5a(10 02) 62(02 02)".to_owned(), "should be at least the number"),
        (format!("08 01 19 {HALF} 5a(10 02) 62(02)"), "spans need 2 buckets, have 1 buckets"),
        (format!("08 01 19 {HALF} 20 12 5a(10 01) 62(02)"), "invalid schema"),
    ];
    for (histogram, words) in table {
        let seen = read(Version::V1, &bytes(&format!("0a({UP} 22({histogram}))"))).unwrap();
        let (_, _, found) = &seen.series[0].histograms[0];
        assert!(found.as_ref().is_err_and(|text| text.contains(words)), "{found:?}");
    }
}

#[test]
fn labels_that_name_no_series() {
    let label = |name: &str, value: &str| format!("0a(0a \"{name}\" 12 \"{value}\")");
    let name = label("__name__", "up");
    let table = [
        (format!("{} {name}", label("job", "a")), "ok {__name__=\"up\", job=\"a\"}"),
        (format!("{name} {}", label("job", "")), "ok {__name__=\"up\"}"),
        (format!("{name} {}", label("höhe", "1")), "ok {__name__=\"up\", \"höhe\"=\"1\"}"),
        (label("job", "a"), "invalid metric name or labels, got {job=\"a\"}"),
        (String::new(), "invalid metric name or labels, got {}"),
        (label("__name__", ""), "invalid metric name or labels, got {__name__=\"\"}"),
        (
            format!("{name} {}", label("", "a")),
            "invalid metric name or labels, got {\"\"=\"a\", __name__=\"up\"}",
        ),
        (
            format!("{name} 0a(0a \"job\" 12 01 ff)"),
            "invalid metric name or labels, got {__name__=\"up\", job=\"\u{fffd}\"}",
        ),
        (
            format!("{name} {} {}", label("job", "a"), label("job", "b")),
            "invalid labels for series, labels {__name__=\"up\", job=\"a\", job=\"b\"}, duplicated label job",
        ),
    ];
    for (block, expected) in &table {
        // Samples between labels are no reason to read them otherwise.
        for body in [format!("0a({block} 12(10 01))"), format!("0a(12(10 01) {block})")] {
            let seen = read(Version::V1, &bytes(&body)).unwrap();
            let found = match seen.series[0].labels.as_ref().unwrap() {
                Ok(labels) => format!("ok {labels}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(&found, expected, "{body}");
            assert_eq!(seen.series[0].floats, [(1, 0, 0.0)]);
        }
    }
}

#[test]
fn too_many_labels() {
    let label = bytes("0a(0a \"a\" 12 \"b\")");
    let count = LABELS_MAX + 1;
    let body = label.repeat(count);
    let mut request = vec![0x0a];
    let len = body.len();
    request.extend([u8::try_from(len & 0x7f).unwrap() | 0x80, u8::try_from(len >> 7).unwrap()]);
    request.extend(body);
    let seen = read(Version::V1, &request).unwrap();
    assert_eq!(seen.series[0].labels, Some(Err(LabelsError::TooMany)));
}

#[test]
fn memory_is_asked_for_before_it_is_taken() {
    let secret = Secret::new();
    let symbols = of_symbols(&["", "a", "b"], &[]);
    let mut asked = 0;
    let refused = Request::open(Version::V2, &symbols, &secret, |bytes| {
        asked = bytes;
        false
    });
    assert_eq!((refused.err(), asked), (Some(Error::Full), 3 * size_of::<labels::Symbol<'_>>()));
    // A histogram of 20 bytes, and the memory that it may take.
    let body = bytes(&format!("0a({UP} 22(08 01 19 {HALF} 5a(10 02) 62(02 02 02)))"));
    let mut seen = Seen { admitted: Some(100), ..Seen::default() };
    let request = Request::open(Version::V1, &body, &secret, |_| true).unwrap();
    assert_eq!(request.read(&mut seen), Err(Error::Full));
    assert!(seen.announced > 100 && seen.histograms.is_empty(), "{}", seen.announced);
    // Labels of which one stands apart take memory of their own, and not more for more than there may be.
    let apart = bytes(&format!("0a({UP} 12(10 01) 0a(0a \"x\" 12 \"y\"))"));
    let request = Request::open(Version::V1, &apart, &secret, |_| true).unwrap();
    let mut sizes = Sizes::default();
    request.read(&mut sizes).unwrap();
    assert!(sizes.0 >= 3 * size_of::<&[u8]>(), "{}", sizes.0);
}

/// Memory that labels hold.
#[derive(Default)]
struct Sizes(usize);

impl<'r> Sink<'r> for Sizes {
    fn admits(&mut self, _: usize) -> bool {
        true
    }
    fn float(&mut self, _: i64, _: i64, _: f64) -> bool {
        true
    }
    fn histogram(&mut self, _: i64, _: i64, _: Checked) -> bool {
        true
    }
    fn exemplar(&mut self, _: Option<Exemplar>) -> bool {
        true
    }
    fn series(&mut self, labels: LabelSet<'r>, _: Option<SeriesMetadata<'r>>) -> bool {
        self.0 += labels.memory_bytes();
        true
    }
    fn family(&mut self, _: &str, _: Metadata) -> bool {
        true
    }
}

/// A 2.0 request: these symbols, and one series of these parts.
fn of_symbols(symbols: &[&str], series: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let parts = symbols.iter().map(|text| (0x22, text.as_bytes())).chain([(0x2a, series)]);
    for (tag, part) in parts {
        let len = u32::try_from(part.len()).unwrap();
        out.push(tag);
        out.extend([0, 7, 14, 21].map(|shift| u8::try_from((len >> shift) & 0x7f).unwrap() | 0x80));
        out.push(0);
        out.extend(part);
    }
    out
}

#[test]
fn a_long_text_is_not_copied_for_every_reference_to_it() {
    let long = "x".repeat(1 << 20);
    let symbols = ["", "__name__", "up", &long, "a", "b"];
    // As a value under three names, as an exemplar's label, as help.
    let series = bytes("0a(01 02 04 03 05 03 02 03) 12(10 01) 22(0a(04 03)) 2a(08 01 18 03 20 03)");
    let seen = read(Version::V2, &of_symbols(&symbols, &series)).unwrap();
    let [series] = &seen.series[..] else { panic!("one series") };
    let error = series.labels.clone().unwrap().unwrap_err().to_string();
    assert!(error.contains("64 KiB") && error.len() < 200, "{}", error.len());
    let kept = series.exemplars.iter().map(|exemplar| exemplar.labels.text_bytes()).sum::<usize>();
    assert!(kept <= 512, "{kept}");
    let said = series.metadata.as_ref().map_or(0, |said| said.help.len() + said.unit.len());
    assert!(said <= 64 << 10, "{said}");
    let mut family = Vec::new();
    let mut body = bytes("08 01 12 \"up\" 22");
    body.extend([0x80, 0x80, 0xc0, 0x00]);
    body.extend(long.as_bytes());
    let len = u32::try_from(body.len()).unwrap();
    family.push(0x1a);
    family.extend([0, 7, 14].map(|shift| u8::try_from((len >> shift) & 0x7f).unwrap() | 0x80));
    family.push(0);
    family.extend(body);
    assert_eq!(read(Version::V1, &family).unwrap().families, []);
}

#[test]
fn references_that_lead_nowhere() {
    let table = [
        ("01", "parsing labels for series [1]: invalid labelRefs length 1"),
        (
            "00 01 07 01",
            "parsing labels for series [0 1 7 1]: labelRefs 2 (name) = 7 or 3 (value) = 1 outside of symbols table \
             (size 2)",
        ),
    ];
    for (refs, text) in table {
        let seen = read(Version::V2, &bytes(&format!("2a(0a({refs}) 12(10 01)) 22 \"\" 22 \"a\""))).unwrap();
        assert_eq!(seen.series[0].key, None);
        let error = seen.series[0].labels.clone().unwrap().unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    let one_by_one =
        bytes(r#"22 "" 22 "__name__" 22 "up" 2a(08 01 08 02 12(10 01)) 2a(0a(01 02) 12(10 01))"#);
    let seen = read(Version::V2, &one_by_one).unwrap();
    assert_eq!(seen.series[0].labels, Some(Ok(Labels::from_pairs([("__name__", "up")]))));
    assert_eq!(seen.series[0].key, seen.series[1].key, "however references are written");
}

#[test]
fn what_is_no_such_message() {
    let table = [
        ("0a 05 01", "unexpected end of the message"),
        ("0a(12(09 00 00))", "unexpected end of the message"),
        ("0a(12(08 01))", "wrong wire type of a field"),
        ("0a(12(11 00 00 00 00 00 00 00 00))", "wrong wire type of a field"),
        ("08 01", "wrong wire type of a field"),
        ("0b", "groups and unknown wire types are not taken"),
        ("00 01", "illegal number of a field"),
        ("0a ff ff ff ff ff ff ff ff ff 7f", "integer overflow"),
        ("0a ff ff ff ff ff ff ff ff ff ff 01", "integer overflow"),
        ("0a ff", "unexpected end of the message"),
        ("0a(0a 05 01)", "unexpected end of the message"),
    ];
    for (body, reason) in table {
        assert_eq!(read(Version::V1, &bytes(body)).err(), Some(Error::Proto(reason)), "{body}");
    }
}

#[test]
fn a_sink_that_is_full_ends_the_reading() {
    let body = bytes(&format!("0a({UP} 12(10 01) 12(10 02))"));
    for room in 0..3 {
        assert_eq!(read_with(Version::V1, &body, Some(room)).err(), Some(Error::Full), "{room}");
    }
    assert!(read_with(Version::V1, &body, Some(3)).is_ok());
}

#[test]
fn sizes_are_looked_at_before_memory_is_taken() {
    let mut raw = Vec::new();
    assert_eq!(unpack(&pack(b"hello").unwrap(), &mut raw, |len| len == 5), Ok(&b"hello"[..]));
    assert_eq!(unpack(&pack(b"hello").unwrap(), &mut raw, |_| false), Err(Error::Full));
    let corrupt = Err(Error::Snappy("corrupt input"));
    // A header that says 4 GiB - 1 before nothing, one that is cut, and one that lies.
    for packed in [&[][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff], &[5, 0, 0x41]] {
        assert_eq!(unpack(packed, &mut raw, |_| true), corrupt, "{packed:?}");
    }
    let zeros = pack(&vec![0; RAW_MAX_BYTES + 1]).unwrap();
    assert!(zeros.len() < PACKED_MAX_BYTES);
    assert_eq!(unpack(&zeros, &mut raw, |_| true), Err(Error::TooLarge(RAW_MAX_BYTES)));
    assert!(raw.capacity() < 100);
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let sample = (any::<i64>(), any::<i64>(), any::<u64>());
    prop::collection::vec(sample, 1..4).prop_map(|list| {
        let sample = |(t_ms, start_ms, bits)| Sample { t_ms, start_ms, value: f64::from_bits(bits) };
        list.into_iter().map(sample).collect()
    })
}

fn many() -> impl Strategy<Value = Vec<(Labels, Vec<Sample>)>> {
    let labels = prop::collection::vec(("[a-z]{1,3}|ü|_{200}", "\\PC{1,200}"), 0..6).prop_map(|pairs| {
        let name = [("__name__".to_owned(), "m".to_owned())];
        Labels::from_pairs(pairs.into_iter().chain(name))
    });
    prop::collection::vec((labels, samples()), 0..8)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(many in many(), packed in any::<bool>()) {
        let series: Vec<_> =
            many.iter().map(|(labels, samples)| TimeSeries { labels, samples }).collect();
        for (version, raw) in [(Version::V1, write_v1(&series)), (Version::V2, write_v2(&series))] {
            let mut memory = Vec::new();
            let body = pack(&raw).unwrap();
            let raw = if packed { unpack(&body, &mut memory, |_| true).unwrap() } else { &raw };
            let seen = read(version, raw).unwrap();
            prop_assert_eq!(seen.series.len(), many.len());
            for (found, (labels, samples)) in seen.series.iter().zip(&many) {
                prop_assert_eq!(found.labels.as_ref(), Some(&Ok(labels.clone())));
                prop_assert!(found.key.is_some());
                let start = |own| if version == Version::V2 { own } else { 0 };
                let bits = |all: Vec<(i64, i64, f64)>| -> Vec<_> {
                    all.into_iter().map(|(t, start, value)| (t, start, value.to_bits())).collect()
                };
                let sent = samples.iter().map(|s| (s.t_ms, start(s.start_ms), s.value)).collect();
                prop_assert_eq!(bits(found.floats.clone()), bits(sent));
            }
            for (a, b) in seen.series.iter().zip(&many).zip(seen.series.iter().zip(&many).skip(1)) {
                prop_assert_eq!(a.0.key == b.0.key, a.1.0 == b.1.0, "a key is as good as the labels");
            }
        }
    }

    #[test]
    fn whatever_bytes_there_are(body in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
        let golden = bytes(&format!("0a({UP} 12(09 {HALF} 10 e8 07) 22(08 05 5a(10 02) 62(02 02)))"));
        let mut broken = golden.clone();
        broken.truncate(cut.index(golden.len()));
        broken.extend_from_slice(&body);
        for version in [Version::V1, Version::V2] {
            let _read = (read(version, &body), read(version, &broken));
        }
        let _unpacked = unpack(&body, &mut Vec::new(), |len| len < 1 << 20);
    }
}
