//! The keys under `inspections`: how often numbers are looked at, and from where on they are worth a finding.

use std::time::Duration;

use hinomi_alert::numbers::{Check, Settings};
use hinomi_config::emit::Emitter;
use hinomi_config::{Value, decode};

/// The keys under `inspections`.
pub(super) fn take(value: &Value<'_>) -> Option<Settings> {
    let mut map = value.map()?;
    let mut settings = Settings::default();
    let interval = decode::duration_within(Duration::from_secs(5)..=Duration::from_mins(5));
    settings.interval = map.take("interval", interval).unwrap_or(settings.interval);
    for (check, mark) in Check::ALL.iter().zip(&mut settings.marks) {
        let _told = map.take(check.id(), |value| {
            let mut map = value.map()?;
            mark.enabled = map.take("enabled", decode::boolean).unwrap_or(mark.enabled);
            if has_mark(*check) {
                let percent = map.take("from_percent", decode::integer(1..=100));
                let percent = percent.and_then(|percent| u8::try_from(percent).ok());
                mark.from_percent = percent.unwrap_or(mark.from_percent);
            }
            map.finish();
            Some(())
        });
    }
    map.finish();
    Some(settings)
}

pub(super) fn emit(settings: &Settings, emitter: &mut Emitter) {
    emitter.map("inspections", |e| {
        e.entry("interval", decode::duration_text(settings.interval));
        for check in Check::ALL {
            let mark = settings.mark(check);
            e.map(check.id(), |e| {
                e.entry("enabled", mark.enabled);
                if has_mark(check) {
                    e.entry("from_percent", mark.from_percent);
                }
            });
        }
    });
}

/// The parts of the host's pressure have their own marks.
fn has_mark(check: Check) -> bool {
    check != Check::HostPressure
}
