//! A day of levels: for each plane the loudest level of every 15 minutes.
//!
//! Pure: fed at every change of a level and by passing time, the same live and when records are folded again. A level
//! holds until the next sign of life and at most [`HOLDS`] beyond it: what lies after that nobody saw.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hinomi_model::{Finding, Level, Nanos, ResourceKind};
use serde::{Deserialize, Serialize};

/// Length of a cell.
pub const STEP: Duration = Duration::from_secs(15 * 60);
/// Cells kept: a day, and the current one.
pub const CELLS_MAX: usize = 97;
/// Signs of life come once a minute; a longer time without one was not seen.
const HOLDS: Duration = Duration::from_secs(120);

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// What places and heals.
    Control,
    /// Machines, and what is seen of them.
    Data,
    /// What users run.
    Container,
}

impl Plane {
    /// All, in the order to show them.
    pub const ALL: [Self; 3] = [Self::Control, Self::Data, Self::Container];

    /// Of a finding.
    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        match finding.resource.kind {
            _ if finding.inspection == "gap" => Self::Data,
            ResourceKind::Cluster => Self::Control,
            ResourceKind::Node => Self::Data,
            _ => Self::Container,
        }
    }
}

/// What is known of 15 minutes, the loudest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Nothing was wrong.
    Quiet,
    /// Hinomi did not see, or was not yet there.
    #[default]
    Unseen,
    /// Something was wrong that healed by itself.
    None,
    /// Loudest level Notice.
    Notice,
    /// Loudest level Alert.
    Alert,
}

impl From<Option<Level>> for Cell {
    fn from(level: Option<Level>) -> Self {
        match level {
            None => Self::Quiet,
            Some(Level::None) => Self::None,
            Some(Level::Notice) => Self::Notice,
            Some(Level::Alert) => Self::Alert,
        }
    }
}

/// The cells of one plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    /// Number of the first cell since the epoch.
    first: i64,
    cells: VecDeque<Cell>,
}

impl Row {
    /// Marks a time; the loudest word about a cell stands.
    fn mark(&mut self, from: Nanos, to: Nanos, cell: Cell) {
        let (from, to) = (number(from), number(to));
        let keep = i64::try_from(CELLS_MAX).unwrap_or(i64::MAX);
        let oldest = to.saturating_sub(keep - 1);
        if self.cells.is_empty() || self.end() < oldest {
            self.cells.clear();
            self.first = from.max(oldest);
        }
        for index in from.max(self.first)..=to {
            while self.end() < index {
                self.cells.push_back(Cell::Unseen);
            }
            match usize::try_from(index - self.first).ok().and_then(|at| self.cells.get_mut(at)) {
                Some(known) => *known = cell.max(*known),
                // The first word about it: it counts, be it quiet.
                None => self.cells.push_back(cell),
            }
        }
        while self.cells.len() > CELLS_MAX {
            self.cells.pop_front();
            self.first = self.first.saturating_add(1);
        }
    }

    /// Number after the last cell.
    fn end(&self) -> i64 {
        self.first.saturating_add(i64::try_from(self.cells.len()).unwrap_or(i64::MAX))
    }

    fn at(&self, index: i64) -> Cell {
        let place = usize::try_from(index.saturating_sub(self.first)).ok();
        place.and_then(|place| self.cells.get(place)).copied().unwrap_or_default()
    }
}

fn number(at: Nanos) -> i64 {
    at.0.div_euclid(i64::try_from(STEP.as_nanos()).unwrap_or(i64::MAX))
}

/// The levels of a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    rows: BTreeMap<Plane, Row>,
    /// Levels now, by the subject of their incident.
    open: BTreeMap<String, (Plane, Level)>,
    /// Until when everything is marked.
    until: Option<Nanos>,
    /// Containers are not seen now.
    blind: bool,
}

impl Heat {
    /// Lets time pass: what was so until now is marked.
    pub fn pass(&mut self, now: Nanos) {
        let Some(until) = self.until.filter(|until| *until <= now) else {
            // The first word, or a time that is marked already.
            if self.until.is_none() {
                self.until = Some(now);
                self.mark_now(now, now);
            }
            return;
        };
        let known = now.since(until) <= HOLDS;
        self.mark_now(until, if known { now } else { until });
        if !known {
            for plane in Plane::ALL {
                self.row(plane).mark(until, now, Cell::Unseen);
            }
            self.mark_now(now, now);
        }
        self.until = Some(now);
    }

    fn row(&mut self, plane: Plane) -> &mut Row {
        self.rows.entry(plane).or_default()
    }

    fn mark_now(&mut self, from: Nanos, to: Nanos) {
        for plane in Plane::ALL {
            let mut cell = Cell::from(self.level(plane));
            if self.blind && plane == Plane::Container {
                cell = cell.max(Cell::Unseen);
            }
            self.row(plane).mark(from, to, cell);
        }
    }

    /// The level of a subject from now on; `None`: nothing is wrong with it any more.
    pub fn note(&mut self, subject: &str, level: Option<(Plane, Level)>, now: Nanos) {
        if self.open.get(subject).copied() == level {
            return;
        }
        self.pass(now);
        match level {
            Some((plane, level)) => {
                self.open.insert(subject.to_owned(), (plane, level));
                self.row(plane).mark(now, now, Cell::from(Some(level)));
            }
            None => {
                self.open.remove(subject);
            }
        }
    }

    /// Whether containers are seen from now on.
    pub fn see(&mut self, sees: bool, now: Nanos) {
        if self.blind == sees {
            self.pass(now);
            self.blind = !sees;
            self.mark_now(now, now);
        }
    }

    /// A time in which something was not seen.
    pub fn unseen(&mut self, planes: &[Plane], from: Nanos, to: Nanos) {
        // Before the first word nothing is known anyhow.
        let Some(begin) = self.rows.get(&Plane::Container).map(|row| row.first) else { return };
        let span = i64::try_from(STEP.as_nanos()).unwrap_or(i64::MAX);
        let from = from.max(Nanos(begin.saturating_mul(span)));
        if from <= to {
            for plane in planes {
                self.row(*plane).mark(from, to, Cell::Unseen);
            }
        }
    }

    /// Loudest level of a plane now; `None`: nothing is wrong.
    #[must_use]
    pub fn level(&self, plane: Plane) -> Option<Level> {
        self.open.values().filter(|(at, _)| *at == plane).map(|(_, level)| *level).max()
    }

    /// The cells of the day before `now`, the current one last, and the begin of the first.
    #[must_use]
    pub fn day(&self, plane: Plane, now: Nanos) -> (Nanos, Vec<Cell>) {
        let mut here = self.clone();
        if here.until.is_some() {
            here.pass(now);
        }
        let last = number(now);
        let first = last.saturating_sub(i64::try_from(CELLS_MAX).unwrap_or(1) - 1);
        let span = i64::try_from(STEP.as_nanos()).unwrap_or(i64::MAX);
        let row = here.rows.get(&plane);
        let cells = (first..=last).map(|index| row.map_or(Cell::Unseen, |row| row.at(index)));
        (Nanos(first.saturating_mul(span)), cells.collect())
    }
}

#[cfg(test)]
#[path = "heat_tests.rs"]
mod tests;
