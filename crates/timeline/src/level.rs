//! The level function: one pure function decides how loud a deviation is.
//!
//! | healing ↓ / serving → | full | reduced | none, within grace | none, beyond grace |
//! |---|---|---|---|---|
//! | working | None ¹ | None ¹ | None ¹ | Alert |
//! | overdue, or stopped | Notice | Alert | Alert | Alert |
//! | healer itself down | Alert | Alert | Alert | Alert |
//!
//! ¹ Notice from the third try in a row, at once when trying again can't cure it, and for a slow loop.
//! One-shot work that failed for good: Notice.

use hinomi_model::{HealingState, Level};
use serde::{Deserialize, Serialize};

/// How many of the wanted instances serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serving {
    /// All of them, or none are wanted.
    Full,
    /// Some.
    Reduced,
    /// None, and the start grace is not over.
    NoneWithinGrace,
    /// None, and the start grace is over.
    NoneBeyondGrace,
}

impl Serving {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "serving full",
            Self::Reduced => "serving reduced",
            Self::NoneWithinGrace => "serving none, within the start grace",
            Self::NoneBeyondGrace => "serving none, beyond the start grace",
        }
    }
}

/// Tries in a row from which a working healing is worth a Notice.
pub const TRIES_NOTICE: u32 = 3;

/// What the level of a deviation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// How the healing goes.
    pub healing: HealingState,
    /// How many serve.
    pub serving: Serving,
    /// Tries in a row by the healer.
    pub tries: u32,
    /// Trying again can't cure it: OOM, pull denied, wrong command or configuration.
    pub incurable: bool,
    /// It comes back with a period, with stable runs in between.
    pub slow_loop: bool,
    /// One-shot work: it serves nobody.
    pub one_shot: bool,
}

/// A level and the cell or footnote that gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How loud.
    pub level: Level,
    /// Why, in words: "healing working, serving full".
    pub reason: String,
}

/// The level of a deviation.
#[must_use]
pub fn level(case: &Case) -> Verdict {
    use HealingState as H;
    if case.one_shot && matches!(case.healing, H::Stopped | H::Overdue) {
        return verdict(Level::Notice, "one-shot work failed for good".to_owned());
    }
    let cell = format!("healing {}, {}", healing_words(case.healing), case.serving.words());
    let by_table = match (case.healing, case.serving) {
        (H::Done, _) => Level::None,
        (H::Working, Serving::NoneBeyondGrace) | (H::HealerDown, _) => Level::Alert,
        (H::Working, _) => return working(case, cell),
        (H::Overdue | H::Stopped, Serving::Full) => Level::Notice,
        (H::Overdue | H::Stopped, _) => Level::Alert,
    };
    verdict(by_table, cell)
}

/// Footnote ¹: a healing that works may still be worth a Notice.
fn working(case: &Case, cell: String) -> Verdict {
    if case.incurable {
        return verdict(Level::Notice, format!("{cell}; trying again can't cure it"));
    }
    if case.tries >= TRIES_NOTICE {
        return verdict(Level::Notice, format!("{cell}; try {} in a row", case.tries));
    }
    if case.slow_loop {
        return verdict(Level::Notice, format!("{cell}; it comes back with a period"));
    }
    verdict(Level::None, cell)
}

fn verdict(level: Level, reason: String) -> Verdict {
    Verdict { level, reason }
}

fn healing_words(state: HealingState) -> &'static str {
    match state {
        HealingState::Working => "working",
        HealingState::Overdue => "overdue",
        HealingState::Stopped => "stopped",
        HealingState::HealerDown => "healer itself down",
        HealingState::Done => "done",
    }
}
