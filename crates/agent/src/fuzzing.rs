//! Entry points for `fuzz/`: each feeds a decoder with bytes from a stranger. Not part of the interface.

use crate::docker::{events, inspect, logs};

/// A piece of the event stream.
pub fn docker_events(bytes: &[u8]) {
    let mut lines = events::Lines::default();
    for piece in bytes.chunks(7) {
        lines.feed(piece, |line| {
            let _event = events::decode(line);
        });
    }
}

/// An answer to an inspect call.
pub fn docker_inspect(bytes: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<inspect::Inspect>(bytes) {
        let _spec = answer.spec();
        let _times = (answer.created_at(), answer.started_at(), answer.finished_at());
        let _health = (answer.health(), answer.probe(), answer.error(), answer.published(80));
    }
}

/// A piece of a log stream, framed or raw; what comes out stays within its bounds.
pub fn docker_logs(bytes: &[u8]) {
    for tty in [false, true] {
        let mut decoder = logs::Decoder::new(tty);
        let mut lines = Vec::new();
        for piece in bytes.chunks(11) {
            decoder.feed(piece, &mut |line| lines.push(line));
        }
        decoder.end(&mut |line| lines.push(line));
        let _tail = logs::tail(lines, None);
    }
}

/// Texts of the kernel: tracefs, kmsg, procfs, cgroups.
pub fn kernel_texts(bytes: &[u8]) {
    crate::oom::parse::every(&String::from_utf8_lossy(bytes));
}

/// What a container says.
///
/// # Panics
///
/// When redacting twice gives something else than redacting once.
pub fn redaction(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let once = crate::redact::redact(&text).into_owned();
    assert_eq!(crate::redact::redact(&once), once, "redaction is idempotent");
}
