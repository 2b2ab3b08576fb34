//! Fuzzes remote write: unpacking, both messages, labels and keys. The first byte chooses.
#![no_main]

use hinomi_model::metrics::{Exemplar, Metadata};
use hinomi_series::Labels;
use hinomi_wire::remote_write::{
    Checked, EXEMPLAR_MAX_CHARS, Key, LABELS_MAX_BYTES, LabelSet, Request, Secret, SeriesMetadata, Sink, Version, unpack,
};

/// Looks at everything, and holds what a key stands for against what it stood for before.
#[derive(Default)]
struct Looks {
    known: Vec<(Key, Option<Labels>)>,
}

impl<'r> Sink<'r> for Looks {
    fn admits(&mut self, bytes: usize) -> bool {
        bytes <= 64 << 20
    }

    fn float(&mut self, _: i64, _: i64, _: f64) -> bool {
        true
    }

    fn histogram(&mut self, _: i64, _: i64, histogram: Checked) -> bool {
        if let Ok(histogram) = histogram {
            histogram.validate().expect("what is handed on is valid");
        }
        true
    }

    fn exemplar(&mut self, exemplar: Option<Exemplar>) -> bool {
        exemplar.is_none_or(|exemplar| exemplar.labels.text_bytes() <= 4 * EXEMPLAR_MAX_CHARS)
    }

    fn series(&mut self, labels: LabelSet<'r>, metadata: Option<SeriesMetadata<'r>>) -> bool {
        let decoded = labels.labels().ok();
        if let Some(labels) = &decoded {
            assert!(!labels.name().is_empty());
            assert!(labels.text_bytes() <= LABELS_MAX_BYTES);
        }
        assert!(labels.shown().chars().count() < 1000);
        if let Some(key) = labels.key() {
            match self.known.iter().find(|(known, _)| *known == key) {
                Some((_, known)) => assert_eq!(*known, decoded),
                None => self.known.push((key, decoded)),
            }
        }
        metadata.is_none_or(|said| {
            assert_ne!(said.key, 0);
            said.metadata().is_none_or(|kept| kept.help.len() <= 3 * said.help.len())
        })
    }

    fn family(&mut self, name: &str, _: Metadata) -> bool {
        !name.is_empty()
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let secret = Secret::new();
    let mut memory = Vec::new();
    let raw = match choice & 1 {
        0 => bytes,
        _ => match unpack(bytes, &mut memory, |len| len <= 1 << 20) {
            Ok(raw) => raw,
            Err(_) => return,
        },
    };
    let version = if choice & 2 == 0 { Version::V1 } else { Version::V2 };
    if let Ok(request) = Request::open(version, raw, &secret, |bytes| bytes <= 64 << 20) {
        let _read = request.read(&mut Looks::default());
    }
});
