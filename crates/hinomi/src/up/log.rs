//! The log, to standard error; held back until the start screen is printed.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::cli::LogFormat;
use crate::exit::Usage;
use crate::terminal;

/// What is said when nothing else is asked for.
const FILTER_DEFAULT: &str = "info";
/// Most that is held back; what does not fit is written at once.
const HELD_MAX_BYTES: usize = 64 * 1024;

/// Standard error, with a pause at the start. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Held(Arc<Mutex<Option<Vec<u8>>>>);

impl Held {
    /// Writes what was held back; from now on everything is written at once.
    pub(crate) fn release(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(bytes) = held {
            let _nobody_reads = io::stderr().write_all(&bytes);
        }
    }
}

/// What was held back shows even when the start fails.
impl Drop for Held {
    fn drop(&mut self) {
        // The subscriber keeps one for ever; the last but it is the program's.
        if Arc::strong_count(&self.0) <= 2 {
            self.release();
        }
    }
}

impl Write for &Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut().filter(|held| held.len() + bytes.len() <= HELD_MAX_BYTES) {
            Some(held) => held.extend_from_slice(bytes),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Held {
    type Writer = &'a Held;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// The user's wall clock, for people.
struct Local(jiff::tz::TimeZone);

impl FormatTime for Local {
    fn format_time(&self, out: &mut Writer<'_>) -> std::fmt::Result {
        let now = jiff::Timestamp::now().to_zoned_datetime(self.0.clone());
        write!(out, "{}", now.strftime("%Y-%m-%d %H:%M:%S%.3f"))
    }
}

/// Starts logging for the process.
///
/// # Errors
///
/// [`Usage`] when the filter in the environment is wrong.
pub(crate) fn start(format: LogFormat) -> anyhow::Result<Held> {
    let named = ["HINOMI_LOG", "RUST_LOG"].into_iter();
    let given = named
        .filter_map(|name| Some((name, std::env::var(name).ok().filter(|text| !text.is_empty())?)))
        .next();
    let filter = match given {
        None => EnvFilter::new(FILTER_DEFAULT),
        Some((name, text)) => EnvFilter::try_new(&text).map_err(|error| {
            Usage(format!(
                "{name}: \"{text}\" is no log filter ({error}); write it like info or hinomi_agent=debug"
            ))
        })?,
    };
    let held = Held(Arc::new(Mutex::new(Some(Vec::new()))));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(held.clone());
    match format {
        LogFormat::Text => {
            let compact = builder.compact().with_ansi(terminal::stderr_colour()).with_target(false);
            compact.with_timer(Local(jiff::tz::TimeZone::system())).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(held)
}
