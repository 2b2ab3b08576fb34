//! The inspections: what each listens to, which causes it knows, and what it finds.

use std::sync::Arc;

use hinomi_model::{Finding, Nanos, OomWitness, Outcome, Stage};
use hinomi_timeline::level::TRIES_NOTICE;
use hinomi_timeline::{Assessment, DeviationKind, End, bytes_words, duration_words, exit_words};

use crate::evidence;

/// A named check over state or numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Its id in findings, messages and configuration.
    pub id: &'static str,
    /// What it finds, in one line.
    pub finds: &'static str,
    /// Attributes whose changes make it look; or metrics that are looked at again and again.
    pub listens_to: &'static [&'static str],
    /// Its closed list of cause classes.
    pub causes: &'static [&'static str],
}

/// All inspections. The first that knows a deviation names it.
pub const ALL: [Inspection; 17] = [
    Inspection {
        id: "oom_kill",
        finds: "the kernel killed a process of a container for memory",
        listens_to: &["oom", "exit"],
        causes: &["main_process", "process_inside"],
    },
    Inspection {
        id: "start_failure",
        finds: "a container could not be created or started",
        listens_to: &["stage", "exit"],
        causes: &["bad_command", "port_taken", "bind_source_missing", "image_gone", "no_space", "other"],
    },
    Inspection {
        id: "restart_exhausted",
        finds: "a restart policy gave up",
        listens_to: &["exit", "phase"],
        causes: &["used_up", "gave_up"],
    },
    Inspection {
        id: "crash_loop",
        finds: "a container ends and is restarted again and again",
        listens_to: &["exit", "phase", "unobserved_restarts"],
        causes: &["in_a_row", "with_period"],
    },
    Inspection {
        id: "abnormal_exit",
        finds: "a container ended that nobody asked to end",
        listens_to: &["exit"],
        causes: &["exit_code", "killed_from_outside", "crashed", "code_lost", "success_restarted"],
    },
    Inspection {
        id: "unhealthy",
        finds: "the health check of a running container fails",
        listens_to: &["health"],
        causes: &["after_healthy", "never_healthy", "found_unhealthy"],
    },
    Inspection {
        id: "stuck",
        finds: "a container is neither alive nor gone",
        listens_to: &["phase", "exit"],
        causes: &["removing", "dead", "process_gone"],
    },
    Inspection {
        id: "not_back",
        finds: "containers that ran before a restart of the runtime or the host did not come back",
        listens_to: &["runtime", "phase"],
        causes: &["after_reboot", "after_runtime_restart"],
    },
    Inspection {
        id: "runtime_down",
        finds: "the container runtime does not answer: nothing is healed meanwhile",
        listens_to: &["runtime"],
        causes: &["no_answer"],
    },
    Inspection {
        id: "gap",
        finds: "Hinomi did not see everything for a while",
        listens_to: &["gap"],
        causes: &["not_running", "runtime_away", "overflow", "not_stored", "inconsistent"],
    },
    Inspection {
        id: "memory_limit",
        finds: "a container's memory is near its limit and rises",
        listens_to: &["container_memory_working_set_bytes", "container_spec_memory_limit_bytes"],
        causes: &["rising"],
    },
    Inspection {
        id: "cpu_throttled",
        finds: "a container is held back by its CPU limit",
        listens_to: &["container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_periods_total"],
        causes: &["by_limit"],
    },
    Inspection {
        id: "filesystem",
        finds: "a filesystem fills up",
        listens_to: &["node_filesystem_avail_bytes", "node_filesystem_size_bytes"],
        causes: &["filling", "nearly_full", "full"],
    },
    Inspection {
        id: "inodes",
        finds: "a filesystem runs out of inodes",
        listens_to: &["node_filesystem_files_free", "node_filesystem_files"],
        causes: &["filling", "nearly_full", "full"],
    },
    Inspection {
        id: "host_pressure",
        finds: "processes of a host wait for memory, disks or CPUs",
        listens_to: &["node_pressure_memory_waiting_seconds_total", "node_pressure_io_waiting_seconds_total"],
        causes: &["memory", "memory_stalled", "io", "cpu", "load", "swap", "faults"],
    },
    Inspection {
        id: "open_files",
        finds: "a host has nearly as many files open as it can",
        listens_to: &["node_filefd_allocated", "node_filefd_maximum"],
        causes: &["near", "reached"],
    },
    Inspection {
        id: "pids",
        finds: "a container or a host has nearly as many processes and threads as it can",
        listens_to: &["container_threads", "container_threads_max", "node_processes_threads"],
        causes: &["near", "reached"],
    },
];

/// What an inspection says about a deviation.
struct Cause {
    inspection: &'static str,
    class: &'static str,
    words: String,
    stage: Option<Stage>,
}

/// The finding of a container's deviation. Deviations of kind `NotBack` belong to the runtime and give `None`.
#[must_use]
pub fn find(assessment: &Assessment<'_>, now: Nanos) -> Option<Finding> {
    let cause = cause(assessment)?;
    let (track, deviation) = (assessment.track, assessment.deviation);
    Some(Finding {
        id: finding_id(&track.id.cluster, &track.id.uid, deviation.started_at),
        inspection: cause.inspection.to_owned(),
        resource: Arc::clone(&track.id),
        level: assessment.verdict.level,
        level_reason: assessment.verdict.reason.clone(),
        cause: cause.words,
        cause_class: cause.class.to_owned(),
        stage: cause.stage,
        stages: track.attempt().map(|attempt| attempt.stages.clone()).unwrap_or_default(),
        healing: assessment.healing.clone(),
        started_at: deviation.started_at,
        resolved_at: None,
        evidence: evidence::of(assessment, now),
    })
}

/// Unique and the same after a restart: follows from the resource and the begin of its deviation.
#[must_use]
pub fn finding_id(cluster: &str, uid: &str, started_at: Nanos) -> String {
    format!("f-{}", digest(&[cluster, uid, &started_at.0.to_string()]))
}

/// FNV-1a, 64 bit, hex: short names that follow from their parts. Not for secrets.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

fn cause(a: &Assessment<'_>) -> Option<Cause> {
    match &a.deviation.kind {
        DeviationKind::NotBack => None,
        DeviationKind::OomInside => Some(oom_inside(a)),
        DeviationKind::LaunchFailed { stage, cause } => Some(launch_failed(a, *stage, cause)),
        DeviationKind::Unhealthy => Some(unhealthy(a)),
        DeviationKind::Stuck | DeviationKind::Phantom => Some(stuck(a)),
        DeviationKind::Ended if a.deviation.oom => Some(oom_end(a)),
        DeviationKind::Ended => Some(ended(a)),
    }
}

fn oom_words(a: &Assessment<'_>) -> String {
    let limit = match a.track.spec.memory_limit_bytes {
        0 => "met the end of the machine's memory".to_owned(),
        bytes => format!("reached its memory limit of {}", bytes_words(bytes)),
    };
    let seen = a.track.last_oom();
    let victim = seen.and_then(|seen| seen.oom.victim_comm.as_deref().zip(seen.oom.victim_pid));
    match victim {
        Some((comm, pid)) => format!("{limit}; the kernel killed {comm} (pid {pid})"),
        None if seen.is_some_and(|seen| seen.oom.witness == OomWitness::Runtime) => {
            format!("{limit}; the runtime says that the kernel killed a process")
        }
        None => format!("{limit}; the kernel killed a process"),
    }
}

fn oom_inside(a: &Assessment<'_>) -> Cause {
    let name = &a.track.id.name;
    Cause {
        inspection: "oom_kill",
        class: "process_inside",
        words: format!("{name} {}; the container itself goes on", oom_words(a)),
        stage: None,
    }
}

fn oom_end(a: &Assessment<'_>) -> Cause {
    let name = &a.track.id.name;
    Cause {
        inspection: "oom_kill",
        class: "main_process",
        words: format!("{name} {}{}", oom_words(a), again_words(a)),
        stage: None,
    }
}

fn launch_failed(a: &Assessment<'_>, stage: Stage, cause: &str) -> Cause {
    let class = launch_class(cause);
    let cause = plain_cause(cause);
    let plain = match class {
        "bad_command" => "its command does not exist or can't be executed",
        "port_taken" => "a port that it publishes is taken",
        "bind_source_missing" => "the source of a bind mount is missing",
        "image_gone" => "its image is gone",
        "no_space" => "no space left on the device",
        _ => "the runtime refused",
    };
    let name = &a.track.id.name;
    let words = format!("{name} failed at stage {}: {plain} ({cause})", stage.title());
    Cause { inspection: "start_failure", class, words, stage: Some(stage) }
}

/// The runtime's words without the layers that passed them on; the whole text is in the stage's cause.
fn plain_cause(text: &str) -> &str {
    let inner = text.rsplit_once("unable to start container process: ").map_or(text, |(_, inner)| inner);
    let inner = match inner.split_once("driver failed programming external connectivity") {
        Some((_, rest)) => rest.split_once("): ").map_or(inner, |(_, inner)| inner),
        None => inner,
    };
    inner.trim_end_matches(": unknown")
}

/// Class of a launch failure by the runtime's words.
#[must_use]
pub fn launch_class(text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if has(&["no space left"]) {
        "no_space"
    } else if has(&["address already in use", "port is already allocated"]) {
        "port_taken"
    } else if has(&["bind source path does not exist", "error mounting", "mount source"]) {
        "bind_source_missing"
    } else if has(&["no such image", "manifest unknown", "image not found"]) {
        "image_gone"
    } else if has(&[
        "executable file not found",
        "exec:",
        "exec format error",
        "permission denied",
        "no such file",
    ]) {
        "bad_command"
    } else {
        "other"
    }
}

fn unhealthy(a: &Assessment<'_>) -> Cause {
    let outcome =
        a.track.attempt().and_then(|attempt| attempt.stage(Stage::Health)).map(|stage| stage.outcome);
    let name = &a.track.id.name;
    let streak = a.track.health.as_ref().map_or(0, |health| health.failing_streak);
    let (class, how) = match outcome {
        Some(Outcome::Failed) => ("never_healthy", "never became healthy"),
        Some(Outcome::Unknown) => ("found_unhealthy", "is unhealthy"),
        _ => ("after_healthy", "became unhealthy"),
    };
    let times = if streak > 0 { format!(" ({streak} failed probes in a row)") } else { String::new() };
    let words = format!("{name} {how}{times}; Docker does not restart unhealthy containers");
    Cause { inspection: "unhealthy", class, words, stage: Some(Stage::Health) }
}

fn stuck(a: &Assessment<'_>) -> Cause {
    let name = &a.track.id.name;
    let (class, words) = match (&a.deviation.kind, a.track.state) {
        (DeviationKind::Phantom, _) => (
            "process_gone",
            format!("{name}: the runtime says running, but its process is gone; it is not restarted"),
        ),
        (_, hinomi_timeline::State::Dead) => ("dead", format!("{name} is dead: its removal failed")),
        _ => ("removing", format!("{name} hangs in its removal")),
    };
    Cause { inspection: "stuck", class, words, stage: None }
}

fn ended(a: &Assessment<'_>) -> Cause {
    let name = &a.track.id.name;
    let end = a.track.last_end();
    let how = end.map_or_else(|| "ended".to_owned(), end_words);
    if let Some(why) = &a.deviation.gave_up {
        let policy = matches!(a.track.spec.restart, hinomi_model::RestartPolicy::OnFailure { .. });
        let class = if policy { "used_up" } else { "gave_up" };
        let words = format!("{name} {how} and stays down: {why}");
        return Cause { inspection: "restart_exhausted", class, words, stage: None };
    }
    if let Some(looped) = &a.looped {
        let class = if looped.slow { "with_period" } else { "in_a_row" };
        let every = duration_words(looped.period);
        let words = format!("{name} {how}, {} times, every {every} on average", looped.count);
        return Cause { inspection: "crash_loop", class, words, stage: None };
    }
    let words = format!("{name} {how}{}", again_words(a));
    // Most of the loop lies before the first look: only its tries are known.
    if a.deviation.tries >= TRIES_NOTICE {
        return Cause { inspection: "crash_loop", class: "in_a_row", words, stage: None };
    }
    Cause { inspection: "abnormal_exit", class: end.map_or("code_lost", exit_class), words, stage: None }
}

fn end_words(end: &End) -> String {
    let after = end.ran_for.map_or_else(String::new, |ran| format!(" after {}", duration_words(ran)));
    match (exit_class(end), &end.error) {
        ("killed_from_outside", _) => {
            format!("was killed by SIGKILL from outside (no API call, no OOM kill seen){after}")
        }
        (_, Some(error)) => format!("ended with {}{after}: {error}", exit_words(end.code)),
        _ if end.oom_hint && !end.seen => {
            format!("ended with {}{after}; Docker marks it as killed for memory", exit_words(end.code))
        }
        _ => format!("ended with {}{after}", exit_words(end.code)),
    }
}

fn exit_class(end: &End) -> &'static str {
    match end.code {
        None => "code_lost",
        Some(0) => "success_restarted",
        // Found afterwards: who killed it was not seen.
        Some(137) if end.seen => "killed_from_outside",
        Some(132 | 134 | 135 | 136 | 139) => "crashed",
        Some(_) => "exit_code",
    }
}

/// What follows, for a cause that is not a loop by itself.
fn again_words(a: &Assessment<'_>) -> String {
    use hinomi_model::HealingState as H;
    let tries = a.healing.tries;
    match a.healing.state {
        H::Stopped if a.healing.healer == "nobody" => "; nobody restarts it (no restart policy)".to_owned(),
        H::Working if a.healing.healer == "nobody" => "; it runs again".to_owned(),
        H::Stopped => "; it is not restarted any more".to_owned(),
        H::HealerDown => "; its restart policy does not act".to_owned(),
        _ if tries == 0 => "; it is being restarted".to_owned(),
        _ if tries == 1 => "; restarted once".to_owned(),
        _ => format!("; restarted {tries} times in a row"),
    }
}
