//! What a drill came to, for people and programs. Pure.

use std::time::Duration;

use hinomi_model::Level;
use hinomi_timeline::duration_words;
use serde_json::{Value, json};

use super::case::Case;
use super::run::Outcome;
use crate::render::style::{bad, good, labelled, pad};
use crate::terminal::Page;

/// What would be done.
pub(crate) fn plan(page: &Page, cases: &[&Case]) -> String {
    cases.iter().map(|case| labelled(page, &pad(case.name, 14), 14, &words(case))).collect()
}

fn words(case: &Case) -> String {
    match case.expected {
        Some(expected) => {
            let louder = if expected.level == Level::Alert { "" } else { " or louder" };
            format!("{}: {} as {}{louder}", case.does, expected.inspection, expected.level.as_str())
        }
        None => case.does.to_owned(),
    }
}

/// One case.
pub(crate) fn line(page: &Page, outcome: &Outcome) -> String {
    let sign = if outcome.is_as_expected() { good(page) } else { bad(page) };
    labelled(page, &format!("{sign} {}", pad(outcome.case.name, 14)), 16, &said(outcome))
}

fn said(outcome: &Outcome) -> String {
    if let Some(why) = &outcome.failed {
        return format!("could not be done: {why}");
    }
    let Some(said) = &outcome.said else {
        return match outcome.case.expected {
            None => "nobody was told, as it should be".to_owned(),
            Some(expected) => format!("nothing was said; expected {}", expected.inspection),
        };
    };
    let mut words = format!(
        "{} {} after {}: {}",
        said.level.as_str(),
        said.inspection,
        duration_words(said.after),
        said.cause
    );
    words.push_str(&match outcome.told.as_slice() {
        [] => "; no receiver was told".to_owned(),
        told => {
            let one = |(name, took): &(String, bool)| match took {
                true => name.clone(),
                false => format!("{name} (did not arrive)"),
            };
            format!("; told: {}", told.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    });
    words.push_str(&match outcome.over_after {
        Some(after) => format!("; over {} after it was removed", duration_words(after)),
        None => "; not over yet".to_owned(),
    });
    words
}

/// All of it in a line.
pub(crate) fn end(page: &Page, outcomes: &[Outcome]) -> String {
    let right = outcomes.iter().filter(|outcome| outcome.is_as_expected()).count();
    let sign = if right == outcomes.len() { good(page) } else { bad(page) };
    let words = format!("{right} of {} as expected; every demo container is removed", outcomes.len());
    format!("\n{}", labelled(page, &sign, 1, &words))
}

/// For programs.
pub(crate) fn json(outcomes: &[Outcome]) -> Value {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let one = |outcome: &Outcome| {
        json!({
            "drill": outcome.case.name,
            "as_expected": outcome.is_as_expected(),
            "expected": outcome.case.expected.map(|it| json!({ "inspection": it.inspection, "level": it.level })),
            "said": outcome.said.as_ref().map(|said| json!({
                "finding": said.id, "inspection": said.inspection, "level": said.level, "cause": said.cause,
                "after_ms": ms(said.after),
            })),
            "told": outcome.told.iter().map(|(name, accepted)| json!({ "receiver": name, "accepted": accepted }))
                .collect::<Vec<_>>(),
            "over_after_ms": outcome.over_after.map(ms),
            "failed": outcome.failed,
        })
    };
    json!({ "drills": outcomes.iter().map(one).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::case;
    use super::super::run::Said;
    use super::*;

    #[test]
    fn what_a_drill_came_to() {
        let now = "2026-11-24T12:05:00Z".parse().expect("a time");
        let page = Page { width: 100, colour: false, zone: TimeZone::UTC, now };
        let outcome = |name: &str, said: Option<Said>, told: &[(&str, bool)], over: Option<u64>| Outcome {
            case: case::ALL.iter().find(|case| case.name == name).expect("a case"),
            said,
            told: told.iter().map(|(name, took)| ((*name).to_owned(), *took)).collect(),
            over_after: over.map(Duration::from_millis),
            failed: None,
        };
        let said = |inspection: &str, level: Level| Said {
            id: "f-1".to_owned(),
            inspection: inspection.to_owned(),
            level,
            cause: "hinomi-drill-1 ended with exit code 3 after 20 ms".to_owned(),
            after: Duration::from_millis(240),
        };
        let all = [
            outcome("stopped", None, &[], None),
            outcome("job-fails", Some(said("abnormal_exit", Level::Notice)), &[("chat", true)], Some(300)),
            outcome("unhealthy", Some(said("unhealthy", Level::Notice)), &[("oncall", false)], None),
            outcome("crash-loop", None, &[], None),
        ];
        let lines: String = all.iter().map(|one| line(&page, one)).collect();
        insta::assert_snapshot!(format!("{lines}{}", end(&page, &all)));
        assert_eq!(json(&all)["drills"][1]["said"]["after_ms"], 240);
    }

    #[test]
    fn the_plan() {
        let now = "2026-11-24T12:05:00Z".parse().expect("a time");
        let page = Page { width: 100, colour: false, zone: TimeZone::UTC, now };
        insta::assert_snapshot!(plan(&page, &case::ALL.iter().collect::<Vec<_>>()));
    }
}
