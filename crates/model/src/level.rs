//! How loud Hinomi gets.

use serde::{Deserialize, Serialize};

/// Level of a finding. The meaning is fixed; the order is by loudness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Recorded; the orchestrator heals it. Nobody is told.
    #[default]
    None,
    /// Works now, may hurt users if left. A channel, in working hours.
    Notice,
    /// Users are being hurt, or will be before anyone is back at work. On-call, now.
    Alert,
}

impl Level {
    /// Lower-case name as configuration, API and messages write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Notice => "notice",
            Self::Alert => "alert",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
