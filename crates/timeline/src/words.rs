//! State changes and exits in words people use.

use std::time::Duration;

use crate::End;
use hinomi_model::{Fact, GapReason, HealthStatus, IntentAction, OomWitness, Outcome, StateChange};

/// Name of a signal, as `kill -l` says it.
#[must_use]
pub fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

/// An exit code in words: what 137 or 127 means.
#[must_use]
pub fn exit_words(code: Option<i32>) -> String {
    match code {
        None => "exit code lost".to_owned(),
        Some(0) => "exit code 0 (success)".to_owned(),
        Some(126) => "exit code 126 (command found but not executable)".to_owned(),
        Some(127) => "exit code 127 (command not found)".to_owned(),
        Some(255) => "exit code 255 (unknown: set when the runtime or host went away)".to_owned(),
        Some(code) if (129..=159).contains(&code) => {
            format!("exit code {code} (killed by {})", signal_name(code - 128))
        }
        Some(code) => format!("exit code {code}"),
    }
}

/// The end of a run in a few words: `exit 137, killed for memory`.
#[must_use]
pub fn end_words(end: &End) -> String {
    let code = end.code.map_or_else(|| "exit code lost".to_owned(), |code| format!("exit {code}"));
    match end.code {
        _ if end.oom => format!("{code}, killed for memory"),
        Some(0) => format!("{code}, success"),
        Some(signal @ 129..=159) => format!("{code}, killed by {}", signal_name(signal - 128)),
        _ => code,
    }
}

/// A duration as people say it: `0.3 s`, `42 s`, `5 min 3 s`, `2 h 10 min`.
#[must_use]
pub fn duration_words(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{secs} s"),
        60..3600 if secs.is_multiple_of(60) => format!("{} min", secs / 60),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// Bytes in binary units: `64 MiB`.
#[must_use]
pub fn bytes_words(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            let (whole, tenth) = (bytes / size, bytes % size * 10 / size);
            return if tenth == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenth} {unit}") };
        }
    }
    format!("{bytes} B")
}

/// A state change in one line, without its resource and time.
#[must_use]
pub fn change_words(change: &StateChange) -> String {
    let mut words = fact_words(&change.fact);
    if let Some(reason) = &change.reason {
        words.push_str(": ");
        words.push_str(reason);
    }
    words
}

fn fact_words(fact: &Fact) -> String {
    match fact {
        Fact::Spec(spec) => format!("declared: image {}, restart {}", spec.image, spec.restart),
        Fact::Phase(phase) => phase.word().to_owned(),
        Fact::Exit(exit) => match &exit.error {
            Some(error) => format!("ended: {}, {error}", exit_words(exit.code)),
            None => format!("ended: {}", exit_words(exit.code)),
        },
        Fact::Health(health) => match health.status {
            HealthStatus::Starting => "health: starting".to_owned(),
            HealthStatus::Healthy => "health: healthy".to_owned(),
            HealthStatus::Unhealthy => format!("health: unhealthy after {} failures", health.failing_streak),
        },
        Fact::Oom(oom) => {
            let who = match oom.witness {
                OomWitness::Tracefs | OomWitness::Kmsg => "kernel",
                OomWitness::Cgroup => "cgroup counter",
                OomWitness::Runtime => "runtime",
            };
            match (&oom.victim_comm, oom.victim_pid) {
                (Some(comm), Some(pid)) => {
                    format!("out of memory: killed {comm} (pid {pid}), says the {who}")
                }
                _ => format!("out of memory: a process was killed, says the {who}"),
            }
        }
        Fact::Intent(intent) => {
            let by = if intent.by_runtime { "by the runtime itself" } else { "asked for by the API" };
            match intent.action {
                IntentAction::Signal => {
                    format!("{} {by}", intent.signal.map_or_else(|| "a signal".to_owned(), signal_name))
                }
                IntentAction::Restart => format!("restart {by}"),
                IntentAction::Stop => format!("stop {by}"),
                IntentAction::Remove => format!("removal {by}"),
                IntentAction::Update => format!("update {by}"),
            }
        }
        Fact::Stage(mark) => {
            let how = match mark.outcome {
                Outcome::Pending => "pending",
                Outcome::Running => "running",
                Outcome::Passed => "passed",
                Outcome::Failed => "failed",
                Outcome::Unknown => "unknown",
                Outcome::NotApplicable => "not applicable",
            };
            match &mark.cause {
                Some(cause) => format!("stage {} {how}: {cause}", mark.stage.title()),
                None => format!("stage {} {how}", mark.stage.title()),
            }
        }
        Fact::Name(name) => format!("renamed to {name}"),
        Fact::UnobservedRestarts(n) => format!("{n} restart(s) that nobody observed"),
        Fact::Runtime(state) if state.up && state.rebooted => {
            format!("runtime up after a reboot ({})", state.version)
        }
        Fact::Runtime(state) if state.up && state.restarted => {
            format!("runtime restarted ({})", state.version)
        }
        Fact::Runtime(state) if state.up => format!("runtime up ({})", state.version),
        Fact::Runtime(_) => "runtime down".to_owned(),
        Fact::Gap(gap) => {
            let why = match gap.reason {
                GapReason::NotRunning => "Hinomi was not running",
                GapReason::RuntimeAway => "the runtime did not answer",
                GapReason::Overflow => "more events than could be taken",
                GapReason::NotStored => "the disk refused",
                GapReason::Inconsistent => "events were missing",
            };
            let took = duration_words(gap.to.since(gap.from));
            if gap.lost.is_empty() {
                format!("gap of {took}: {why}; everything that still exists was reconstructed")
            } else {
                format!("gap of {took}: {why}; lost: {}", gap.lost.join("; "))
            }
        }
        Fact::ClockStep(by) => {
            let size = duration_words(Duration::from_nanos(by.unsigned_abs()));
            format!("the wall clock was stepped {size} {}", if *by < 0 { "back" } else { "ahead" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_and_durations_in_words() {
        let mut failures = Vec::new();
        for (code, want) in [
            (None, "exit code lost"),
            (Some(3), "exit code 3"),
            (Some(137), "exit code 137 (killed by SIGKILL)"),
            (Some(139), "exit code 139 (killed by SIGSEGV)"),
            (Some(127), "exit code 127 (command not found)"),
        ] {
            if exit_words(code) != want {
                failures.push(format!("{code:?}: {}", exit_words(code)));
            }
        }
        for (ms, want) in [
            (300, "0.3 s"),
            (42_000, "42 s"),
            (303_000, "5 min 3 s"),
            (120_000, "2 min"),
            (7_800_000, "2 h 10 min"),
        ] {
            let got = duration_words(Duration::from_millis(ms));
            if got != want {
                failures.push(format!("{ms} ms: {got}"));
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
