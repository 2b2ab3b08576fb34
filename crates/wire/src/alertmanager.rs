//! Alerts as Prometheus, vmalert and others post them to Alertmanager's API v2 (`POST /api/v2/alerts`).
//!
//! Source of the rules: Alertmanager's `api/v2` and `types` packages and its OpenAPI document, 0.28.

use std::collections::BTreeMap;

use hinomi_model::Nanos;
use serde::Deserialize;

/// Longest body that is looked at, bytes.
pub const BODY_MAX_BYTES: usize = 8 << 20;
/// Alerts of one post at most.
pub const ALERTS_MAX: usize = 20_000;
/// Labels, and annotations, of one alert at most.
const PAIRS_MAX: usize = 128;
/// Longest name of a label, bytes.
const NAME_MAX_BYTES: usize = 1024;
/// Longest value of a label or text of an annotation, bytes; what is longer is cut (an annotation) or refused (a label).
const VALUE_MAX_BYTES: usize = 16 << 10;

/// Labels or annotations by name.
pub type Pairs = BTreeMap<String, String>;

/// An alert as it was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedAlert {
    /// Who it is; never empty, no empty value.
    pub labels: Pairs,
    /// What is said about it.
    pub annotations: Pairs,
    /// Begin.
    pub starts_at: Nanos,
    /// End; in the past: it is over.
    pub ends_at: Nanos,
    /// The sender named no end: `ends_at` is the time of the post and the resolve timeout.
    pub timed_out: bool,
    /// Where it comes from; may be empty.
    pub generator_url: String,
}

/// A post that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PostError(String);

/// What a post says, alert by alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// Those that are in order.
    pub alerts: Vec<PostedAlert>,
    /// Why others are not, at most [`ERRORS_MAX`] of them.
    pub errors: Vec<String>,
}

/// Errors that are told of one post.
pub const ERRORS_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    labels: Option<Pairs>,
    #[serde(default)]
    annotations: Option<Pairs>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
}

/// Reads a post. An alert that is not in order is left out and told; the others count, as Alertmanager does it.
///
/// # Errors
///
/// When it is no list of alerts, or longer than [`BODY_MAX_BYTES`] or [`ALERTS_MAX`].
pub fn read(body: &[u8], now: Nanos, resolve_timeout: std::time::Duration) -> Result<Posted, PostError> {
    if body.len() > BODY_MAX_BYTES {
        return Err(PostError(format!(
            "{} bytes are too many for one post; at most {BODY_MAX_BYTES}",
            body.len()
        )));
    }
    let raw: Vec<Raw> =
        serde_json::from_slice(body).map_err(|error| PostError(format!("not a list of alerts: {error}")))?;
    if raw.len() > ALERTS_MAX {
        return Err(PostError(format!(
            "{} alerts are too many for one post; at most {ALERTS_MAX}",
            raw.len()
        )));
    }
    let mut posted = Posted::default();
    for (index, raw) in raw.into_iter().enumerate() {
        match one(raw, now, resolve_timeout) {
            Ok(alert) => posted.alerts.push(alert),
            Err(why) if posted.errors.len() < ERRORS_MAX => {
                posted.errors.push(format!("alert {index}: {why}"))
            }
            Err(_) => {}
        }
    }
    Ok(posted)
}

fn one(raw: Raw, now: Nanos, resolve_timeout: std::time::Duration) -> Result<PostedAlert, String> {
    let labels = labels(raw.labels.unwrap_or_default())?;
    let annotations = raw.annotations.unwrap_or_default().into_iter().take(PAIRS_MAX);
    let annotations = annotations.map(|(name, text)| (cut(name, NAME_MAX_BYTES), cut(text, VALUE_MAX_BYTES)));
    let (starts_at, ends_at) = (time(raw.starts_at, "startsAt")?, time(raw.ends_at, "endsAt")?);
    let timed_out = ends_at.is_none();
    let starts_at = starts_at.or(ends_at).unwrap_or(now);
    let ends_at = ends_at.unwrap_or_else(|| now.plus(resolve_timeout));
    if ends_at < starts_at {
        return Err("start time must be before end time".to_owned());
    }
    let generator_url = cut(raw.generator_url.unwrap_or_default(), VALUE_MAX_BYTES);
    Ok(PostedAlert {
        labels,
        annotations: annotations.collect(),
        starts_at,
        ends_at,
        timed_out,
        generator_url,
    })
}

fn labels(mut labels: Pairs) -> Result<Pairs, String> {
    labels.retain(|_, value| !value.is_empty());
    if labels.is_empty() {
        return Err("at least one label pair required".to_owned());
    }
    if labels.len() > PAIRS_MAX {
        return Err(format!("{} labels are too many, at most {PAIRS_MAX}", labels.len()));
    }
    for (name, value) in &labels {
        if name.is_empty() || name.len() > NAME_MAX_BYTES {
            return Err(format!("invalid label set: invalid name {:?}", cut(name.clone(), 64)));
        }
        if value.len() > VALUE_MAX_BYTES {
            return Err(format!("the value of the label {:?} is too long", cut(name.clone(), 64)));
        }
    }
    Ok(labels)
}

/// The zero time of Go counts as none.
fn time(text: Option<String>, field: &str) -> Result<Option<Nanos>, String> {
    let Some(text) = text.filter(|text| !text.is_empty() && !text.starts_with("0001-01-01T00:00:00")) else {
        return Ok(None);
    };
    let time = Nanos::parse_rfc3339(&text);
    time.map(Some).ok_or_else(|| format!("{field} is no time of RFC 3339: {:?}", cut(text, 64)))
}

fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Number of a label set: FNV-1a, 64 bit, over names and values in order of the names, each ended by 255, as Prometheus
/// and Alertmanager do it; 16 hex digits.
#[must_use]
pub fn fingerprint(labels: &Pairs) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (name, value) in labels {
        for part in [name, value] {
            for byte in part.bytes().chain([255]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const NOW: Nanos = Nanos(1_800_000_000_000_000_000);
    const TIMEOUT: Duration = Duration::from_secs(300);

    fn read(text: &str) -> Posted {
        super::read(text.as_bytes(), NOW, TIMEOUT).unwrap()
    }

    #[test]
    fn times_that_are_not_given() {
        let later = NOW.plus(TIMEOUT);
        let hour = NOW.minus(Duration::from_secs(3600));
        let (hour_text, later_text) = (hour.rfc3339(), later.rfc3339());
        for (times, starts_at, ends_at, timed_out) in [
            (String::new(), NOW, later, true),
            (
                r#","startsAt":"0001-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z""#.to_owned(),
                NOW,
                later,
                true,
            ),
            (format!(r#","startsAt":"{hour_text}""#), hour, later, true),
            (format!(r#","endsAt":"{hour_text}""#), hour, hour, false),
            (format!(r#","startsAt":"{hour_text}","endsAt":"{later_text}""#), hour, later, false),
        ] {
            let posted = read(&format!(r#"[{{"labels":{{"alertname":"A","empty":""}}{times}}}]"#));
            let alert = posted.alerts.first().unwrap();
            assert_eq!(
                (alert.starts_at, alert.ends_at, alert.timed_out),
                (starts_at, ends_at, timed_out),
                "{times}"
            );
            assert_eq!(alert.labels.len(), 1);
        }
    }

    #[test]
    fn one_that_is_wrong_spoils_no_other() {
        let posted = read(
            r#"[{"labels":{}},{"labels":{"a":"b"}},{"labels":{"a":"b"},"startsAt":"yesterday"},
                {"labels":{"a":"b"},"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"}]"#,
        );
        assert_eq!(posted.alerts.len(), 1);
        assert_eq!(
            posted.errors,
            [
                "alert 0: at least one label pair required",
                "alert 2: startsAt is no time of RFC 3339: \"yesterday\"",
                "alert 3: start time must be before end time",
            ]
        );
        assert!(
            super::read(b"{}", NOW, TIMEOUT).unwrap_err().to_string().starts_with("not a list of alerts")
        );
    }

    /// Those of Prometheus' own tests (`common/model`), and the empty set's offset basis.
    #[test]
    fn fingerprints_are_those_of_prometheus() {
        let of = |pairs: &[(&str, &str)]| {
            fingerprint(&pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(of(&[]), format!("{:016x}", 14_695_981_039_346_656_037_u64));
        assert_eq!(
            of(&[("name", "garland, briggs"), ("fear", "love is not enough")]),
            format!("{:016x}", 5_799_056_148_416_392_346_u64)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _read = super::read(&bytes, NOW, TIMEOUT);
        }

        #[test]
        fn any_labels_are_survived(name in ".{0,40}", value in ".{0,40}", at in ".{0,30}") {
            let body = serde_json::json!([{ "labels": { name: value }, "startsAt": at }]).to_string();
            let posted = read(&body);
            prop_assert_eq!(posted.alerts.len() + posted.errors.len(), 1);
        }
    }
}
