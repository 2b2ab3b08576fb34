//! What each inspection over numbers holds to be bad, and from where on it is over.

use std::time::Duration;

use hinomi_model::NumberUnit;

use super::trend::{Trend, trend};
use super::{Mark, Reading, Settings};

const HOUR: Duration = Duration::from_hours(1);
/// Lines through a container's memory that must agree.
const MEMORY_SPANS: [Duration; 3] =
    [Duration::from_mins(10), Duration::from_mins(30), Duration::from_hours(2)];
/// Lines through what a filesystem holds that must agree.
const DISK_SPANS: [Duration; 3] = [Duration::from_mins(30), Duration::from_hours(2), Duration::from_hours(6)];
/// Memory that is full later than this is no finding yet.
const MEMORY_AHEAD: Duration = Duration::from_hours(24);
/// A filesystem that is full later than this is no finding yet: longer than a weekend.
const DISK_AHEAD: Duration = Duration::from_hours(72);
/// A filesystem that fills this fast is a finding already from half full on.
const DISK_SOON: Duration = Duration::from_hours(4);
const DISK_SOON_SHARE: f64 = 0.5;
/// A filesystem that is this full is a finding also while nothing is added.
const DISK_NEARLY: f64 = 0.95;
/// No more than this is left of what is full.
const DISK_FULL: f64 = 0.9995;
/// How far below its mark a share has to be to be over.
const BELOW: f64 = 0.05;
/// … for what is counted or held back: this part of its mark.
const BELOW_PART: f64 = 0.6;

/// An inspection over numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A container's memory near its limit, and rising.
    MemoryLimit,
    /// A container held back by its limit on CPU time.
    CpuThrottled,
    /// A filesystem fills up.
    Filesystem,
    /// A filesystem runs out of inodes.
    Inodes,
    /// Processes of the host wait for memory, disks or CPUs.
    HostPressure,
    /// The host's open files near the most that it may have.
    OpenFiles,
    /// Processes and threads near the most that there may be.
    Pids,
}

impl Check {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::MemoryLimit,
        Self::CpuThrottled,
        Self::Filesystem,
        Self::Inodes,
        Self::HostPressure,
        Self::OpenFiles,
        Self::Pids,
    ];

    /// Id of its inspection.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::MemoryLimit => "memory_limit",
            Self::CpuThrottled => "cpu_throttled",
            Self::Filesystem => "filesystem",
            Self::Inodes => "inodes",
            Self::HostPressure => "host_pressure",
            Self::OpenFiles => "open_files",
            Self::Pids => "pids",
        }
    }

    /// By the id of its inspection.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.id() == id)
    }

    /// From which share of the limit on samples of the past are worth asking for.
    #[must_use]
    pub fn looks_back_from(self, settings: &Settings) -> Option<f64> {
        match self {
            Self::MemoryLimit => Some(settings.mark(self).share() - 2.0 * BELOW),
            Self::Filesystem | Self::Inodes => Some(DISK_SOON_SHARE.min(settings.mark(self).share()) - BELOW),
            _ => None,
        }
    }

    /// How far samples of the past are looked at.
    #[must_use]
    pub fn looks_back(self) -> Duration {
        let spans: &[Duration] = match self {
            Self::MemoryLimit => &MEMORY_SPANS,
            Self::Filesystem | Self::Inodes => &DISK_SPANS,
            _ => &[],
        };
        spans.last().copied().unwrap_or_default()
    }
}

/// What is to be said of a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Opinion {
    /// Bad, if it stays so.
    Bad { class: &'static str, trend: Option<Trend>, harm: Harm },
    /// Neither: whatever was found stays so.
    Unsure,
    /// Good, if it stays so.
    Good,
}

/// What follows if nobody does anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Harm {
    /// Users are hurt now.
    Now,
    /// They will be, in this time.
    In(Duration),
    /// A risk, or it is only slow.
    Risk,
}

pub(super) fn opinion(reading: &Reading, mark: Mark) -> Opinion {
    if reading.is_unlimited() {
        return Opinion::Good;
    }
    match reading.check {
        Check::MemoryLimit => memory(reading, mark),
        Check::Filesystem | Check::Inodes => filesystem(reading, mark),
        Check::CpuThrottled => marked(reading, "by_limit", Harm::Risk),
        Check::HostPressure => marked(reading, pressure_class(&reading.part), pressure_harm(&reading.part)),
        Check::OpenFiles | Check::Pids => table(reading, mark),
    }
}

fn memory(reading: &Reading, mark: Mark) -> Opinion {
    let share = reading.share();
    let line = trend(&reading.samples, reading.limit, &MEMORY_SPANS);
    match line {
        Some(line) if share >= mark.share() && line.latest_in <= MEMORY_AHEAD => {
            Opinion::Bad { class: "rising", trend: Some(line), harm: Harm::In(line.full_in) }
        }
        Some(line) if share >= mark.share() - BELOW && line.latest_in <= MEMORY_AHEAD * 2 => Opinion::Unsure,
        _ => Opinion::Good,
    }
}

fn filesystem(reading: &Reading, mark: Mark) -> Opinion {
    let share = reading.share();
    let line = trend(&reading.samples, reading.limit, &DISK_SPANS);
    let fills = |share_least: f64, ahead: Duration| {
        line.filter(|line| share >= share_least && line.latest_in <= ahead)
    };
    let filling = fills(mark.share(), DISK_AHEAD).or_else(|| fills(DISK_SOON_SHARE, DISK_SOON));
    if share >= DISK_FULL {
        Opinion::Bad { class: "full", trend: None, harm: Harm::Now }
    } else if let Some(line) = filling {
        Opinion::Bad { class: "filling", trend: Some(line), harm: Harm::In(line.full_in) }
    } else if share >= DISK_NEARLY {
        Opinion::Bad { class: "nearly_full", trend: None, harm: Harm::Risk }
    } else if share >= DISK_NEARLY - BELOW / 2.0
        || fills(mark.share() - BELOW, DISK_AHEAD * 2).is_some()
        || fills(DISK_SOON_SHARE - BELOW, DISK_SOON + HOUR).is_some()
    {
        Opinion::Unsure
    } else {
        Opinion::Good
    }
}

/// What is bad from its own limit on.
fn marked(reading: &Reading, class: &'static str, harm: Harm) -> Opinion {
    if reading.value >= reading.limit {
        Opinion::Bad { class, trend: None, harm }
    } else if reading.value >= reading.limit * BELOW_PART {
        Opinion::Unsure
    } else {
        Opinion::Good
    }
}

fn pressure_class(part: &str) -> &'static str {
    const CLASSES: [&str; 7] = ["memory", "memory_stalled", "io", "cpu", "load", "swap", "faults"];
    CLASSES.into_iter().find(|class| *class == part).unwrap_or("other")
}

/// When every process waits for memory nobody is served.
fn pressure_harm(part: &str) -> Harm {
    if part == "memory_stalled" { Harm::Now } else { Harm::Risk }
}

/// A table of the kernel with so many places.
fn table(reading: &Reading, mark: Mark) -> Opinion {
    let share = reading.share();
    if share >= 1.0 {
        Opinion::Bad { class: "reached", trend: None, harm: Harm::Now }
    } else if share >= mark.share() {
        Opinion::Bad { class: "near", trend: None, harm: Harm::Risk }
    } else if share >= mark.share() - 2.0 * BELOW {
        Opinion::Unsure
    } else {
        Opinion::Good
    }
}

impl Reading {
    /// In use, of all that may be.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.limit > 0.0 { self.value / self.limit } else { 0.0 }
    }

    /// Of something that has no limit.
    pub(super) fn is_unlimited(&self) -> bool {
        self.limit == f64::INFINITY
    }

    /// A reading that can be judged: finite, and with a limit, or known to have none.
    pub(super) fn is_sound(&self) -> bool {
        let shares = self.unit != NumberUnit::Share || self.value <= 1e6;
        self.value.is_finite() && self.limit > 0.0 && shares
    }
}
