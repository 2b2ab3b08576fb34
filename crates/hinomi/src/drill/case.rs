//! What is broken, and what has to be said about it.

use hinomi_model::Level;

/// One thing that is broken.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What is done, in words.
    pub(crate) does: &'static str,
    /// Options of `docker run`.
    pub(crate) options: &'static [&'static str],
    /// The command in the container.
    pub(crate) command: &'static [&'static str],
    /// What is done to it once it runs.
    pub(crate) then: &'static [&'static str],
    /// `docker run` itself fails.
    pub(crate) start_fails: bool,
    /// What must be said; `None`: nothing.
    pub(crate) expected: Option<Expected>,
}

/// What must be said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// By which inspection.
    pub(crate) inspection: &'static str,
    /// How loud.
    pub(crate) level: Level,
}

const fn said(inspection: &'static str, level: Level) -> Option<Expected> {
    Some(Expected { inspection, level })
}

/// All cases, in their order.
pub(crate) const ALL: [Case; 8] = [
    Case {
        name: "stopped",
        does: "is stopped by a person: nobody is told",
        options: &[],
        command: &["sleep", "600"],
        then: &["stop", "-t", "1"],
        start_fails: false,
        expected: None,
    },
    Case {
        name: "restarted",
        does: "is restarted by a person: nobody is told",
        options: &[],
        command: &["sleep", "600"],
        then: &["restart", "-t", "1"],
        start_fails: false,
        expected: None,
    },
    Case {
        name: "job-fails",
        does: "a job ends with exit code 3",
        options: &[],
        command: &["sh", "-c", "echo drill: going to fail; exit 3"],
        then: &[],
        start_fails: false,
        expected: said("abnormal_exit", Level::Notice),
    },
    Case {
        name: "out-of-memory",
        does: "reaches its memory limit and is restarted",
        options: &["--memory", "16m", "--restart", "on-failure"],
        command: &["sh", "-c", "sleep 1; tail /dev/zero"],
        then: &[],
        start_fails: false,
        expected: said("oom_kill", Level::Notice),
    },
    Case {
        name: "bad-command",
        does: "its command does not exist",
        options: &[],
        command: &["/no/such/command"],
        then: &[],
        start_fails: true,
        expected: said("start_failure", Level::Notice),
    },
    Case {
        name: "crash-loop",
        does: "ends and is restarted again and again",
        options: &["--restart", "always"],
        command: &["sh", "-c", "sleep 0.2; exit 1"],
        then: &[],
        start_fails: false,
        expected: said("crash_loop", Level::Notice),
    },
    Case {
        name: "gave-up",
        does: "its restart policy gives up",
        options: &["--restart", "on-failure:2"],
        command: &["sh", "-c", "exit 1"],
        then: &[],
        start_fails: false,
        expected: said("restart_exhausted", Level::Alert),
    },
    Case {
        name: "unhealthy",
        does: "its health check fails",
        options: &["--health-cmd", "false", "--health-interval", "1s", "--health-retries", "2"],
        command: &["sleep", "600"],
        then: &[],
        start_fails: false,
        expected: said("unhealthy", Level::Alert),
    },
];
