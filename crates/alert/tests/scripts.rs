//! Runs the scripts below `tests/scripts`: level cells, and stories of containers told as state changes.
//!
//! The grammar of a story is in `story/story.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test")]
#![allow(clippy::cast_possible_truncation, clippy::string_slice, reason = "a test")]

#[path = "story/story.rs"]
mod story;

use std::fmt::Write as _;

use hinomi_model::HealingState;
use hinomi_timeline::level::{Case, Serving, level};
use story::{files, run};

#[test]
fn level_cells() {
    let mut failures = String::new();
    let mut count = 0;
    for path in files("level") {
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            let line = line.split('#').next().unwrap().trim();
            if line.is_empty() {
                continue;
            }
            count += 1;
            let (words, want) = line.split_once("=>").expect("a line is: words => level");
            let got = level(&cell(words));
            if got.level.as_str() != want.trim() {
                writeln!(failures, "{}:{}: got {} ({})", path.display(), number + 1, got.level, got.reason)
                    .unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(count >= 30, "only {count} cells");
}

fn cell(words: &str) -> Case {
    let mut case = Case {
        healing: HealingState::Working,
        serving: Serving::Full,
        tries: 0,
        incurable: false,
        slow_loop: false,
        one_shot: false,
    };
    for word in words.split_whitespace() {
        match word {
            "working" => case.healing = HealingState::Working,
            "overdue" => case.healing = HealingState::Overdue,
            "stopped" => case.healing = HealingState::Stopped,
            "healer-down" => case.healing = HealingState::HealerDown,
            "full" => case.serving = Serving::Full,
            "reduced" => case.serving = Serving::Reduced,
            "within-grace" => case.serving = Serving::NoneWithinGrace,
            "beyond-grace" => case.serving = Serving::NoneBeyondGrace,
            "incurable" => case.incurable = true,
            "slow-loop" => case.slow_loop = true,
            "one-shot" => case.one_shot = true,
            _ => case.tries = word.strip_prefix("tries=").expect(word).parse().expect(word),
        }
    }
    case
}

#[test]
fn stories() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut failures = String::new();
    for path in files("timeline") {
        let text = std::fs::read_to_string(&path).unwrap();
        let told = run(&text, &mut |_| ());
        if told == text {
            continue;
        }
        if bless {
            std::fs::write(&path, told).unwrap();
        } else {
            writeln!(failures, "{} differs (BLESS=1 rewrites it):", path.display()).unwrap();
            for (want, got) in text.lines().zip(told.lines()).filter(|(want, got)| want != got).take(12) {
                writeln!(failures, "  want {want}\n  got  {got}").unwrap();
            }
            if text.lines().count() != told.lines().count() {
                writeln!(failures, "  ({} lines wanted, {} got)", text.lines().count(), told.lines().count())
                    .unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}
