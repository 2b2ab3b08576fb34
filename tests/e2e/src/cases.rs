//! Cases that run side by side: most of their time is waiting.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;

/// A name for people and what to do.
pub type Case<'a> = (&'static str, Box<dyn Fn() -> Result<()> + Sync + 'a>);

/// Runs all cases, at most `at_once` at a time, in order of the list (so slow ones first), and then fails with
/// everything that failed.
///
/// # Panics
///
/// When a case failed: that is a test's way to say so.
#[allow(clippy::panic, reason = "fails the test that calls it, which is its purpose")]
pub fn run(at_once: usize, cases: &[Case<'_>]) {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(cases.len()) {
            scope.spawn(|| {
                while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let began = Instant::now();
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case));
                    let what = match outcome {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => format!("{error:#}"),
                        Err(_) => "panicked, see above".to_owned(),
                    };
                    let after = began.elapsed().as_secs();
                    let line = format!("{name} (after {after} s): {what}");
                    failed.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !failed.is_empty() {
        panic!("{} of {} cases failed:\n\n{}", failed.len(), cases.len(), failed.join("\n\n"));
    }
}
