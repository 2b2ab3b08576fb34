//! A measured value and the limit it has to keep.

use std::fmt;

/// What a value has to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `measurement.what`.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its unit; empty for counts.
    pub unit: &'static str,
    /// What it has to keep; `None`: shown for comparison.
    pub limit: Option<Limit>,
    /// What explains it: sums, and on a failure what was wrong.
    pub note: String,
}

impl Line {
    /// A value without a limit.
    #[must_use]
    pub fn shown(name: &str, value: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), value, unit, limit: None, note: String::new() }
    }

    /// A value that must not be greater.
    #[must_use]
    pub fn at_most(name: &str, value: f64, unit: &'static str, limit: f64) -> Self {
        Self { limit: Some(Limit::AtMost(limit)), ..Self::shown(name, value, unit) }
    }

    /// A value that must not be smaller.
    #[must_use]
    pub fn at_least(name: &str, value: f64, unit: &'static str, limit: f64) -> Self {
        Self { limit: Some(Limit::AtLeast(limit)), ..Self::shown(name, value, unit) }
    }

    /// Things that must not be: their number, and the first of them as the note.
    #[must_use]
    pub fn none_of(name: &str, wrong: &[String]) -> Self {
        let shown: Vec<&str> = wrong.iter().take(5).map(String::as_str).collect();
        Self::at_most(name, count(wrong.len()), "", 0.0).noted(shown.join("; "))
    }

    /// With a note.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether it keeps its limit. A value that is no number keeps none.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.limit {
            None => true,
            Some(Limit::AtMost(limit)) => self.value <= limit,
            Some(Limit::AtLeast(limit)) => self.value >= limit,
        }
    }

    /// The value with its unit.
    #[must_use]
    pub fn value_text(&self) -> String {
        with_unit(self.value, self.unit)
    }

    /// The limit with its unit.
    #[must_use]
    pub fn limit_text(&self) -> String {
        match self.limit {
            None => String::new(),
            Some(Limit::AtMost(limit)) => format!("≤ {}", with_unit(limit, self.unit)),
            Some(Limit::AtLeast(limit)) => format!("≥ {}", with_unit(limit, self.unit)),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bench {}: {}", self.name, self.value_text())?;
        if self.limit.is_some() {
            write!(f, " (line {}) {}", self.limit_text(), if self.holds() { "ok" } else { "FAIL" })?;
        }
        if !self.note.is_empty() {
            write!(f, " [{}]", self.note)?;
        }
        Ok(())
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    let places = match value.abs() {
        _ if value.fract().abs() < f64::EPSILON => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let blank = if unit.is_empty() { "" } else { " " };
    format!("{value:.places$}{blank}{unit}")
}

/// A count as a value.
#[must_use]
pub fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_whether_they_hold() {
        let text = |line: Line| line.to_string();
        assert_eq!(text(Line::at_most("a.b", 0.21, "s", 0.5)), "bench a.b: 0.210 s (line ≤ 0.500 s) ok");
        assert_eq!(text(Line::at_least("a.b", 99.8, "%", 99.9)), "bench a.b: 99.80 % (line ≥ 99.90 %) FAIL");
        assert_eq!(text(Line::at_most("a.b", f64::NAN, "s", 0.5)), "bench a.b: NaN s (line ≤ 0.500 s) FAIL");
        let wrong = ["x".to_owned(), "y".to_owned()];
        assert_eq!(text(Line::none_of("a.lost", &wrong)), "bench a.lost: 2 (line ≤ 0) FAIL [x; y]");
        assert_eq!(text(Line::shown("a.c", 3.0, "").noted("of 4")), "bench a.c: 3 [of 4]");
    }
}
