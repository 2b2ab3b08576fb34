//! Everything that the stories of `tests/scripts` say is translated wholly: no English of ours is left in it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test")]
#![allow(clippy::cast_possible_truncation, clippy::string_slice, reason = "a test")]

#[path = "story/story.rs"]
mod story;

use std::collections::BTreeSet;

use hinomi_model::{HealingState, Nanos};
use hinomi_timeline::level::{Case, Serving, level};
use hinomi_words::{Language, foreign, translate, visit_json};
use story::{files, run, split};

/// Words that the runner of the stories itself puts in, as a runtime or a person would.
const RUNNERS: [&str; 4] = ["host", "app:1", "Docker 20.10", "a signal"];

#[test]
fn everything_that_stories_say_is_translated() {
    let mut said = BTreeSet::new();
    let mut theirs: BTreeSet<String> = RUNNERS.map(str::to_owned).into();
    for path in files("timeline") {
        let text = std::fs::read_to_string(&path).unwrap();
        theirs.extend(words_of_script(&text));
        run(&text, &mut |mut seen| {
            visit_json(&mut seen, &mut |text, _| {
                said.insert(text.clone());
            });
        });
    }
    said.extend(cells());
    assert!(said.len() > 200, "only {} texts", said.len());
    let problems: Vec<String> = said.iter().filter_map(|text| untranslated(text, &theirs)).collect();
    assert!(problems.is_empty(), "{} of {} texts:\n{}", problems.len(), said.len(), problems.join("\n"));
}

/// The reason of every cell of the level function, with every footnote.
fn cells() -> BTreeSet<String> {
    use HealingState::{Done, HealerDown, Overdue, Stopped, Working};
    use Serving::{Full, NoneBeyondGrace, NoneWithinGrace, Reduced};
    let mut reasons = BTreeSet::new();
    for healing in [Working, Overdue, Stopped, HealerDown, Done] {
        for serving in [Full, Reduced, NoneWithinGrace, NoneBeyondGrace] {
            for note in 0..5 {
                let tries = if note == 1 { 7 } else { 0 };
                let (incurable, slow_loop, one_shot) = (note == 2, note == 3, note == 4);
                reasons
                    .insert(level(&Case { healing, serving, tries, incurable, slow_loop, one_shot }).reason);
            }
        }
    }
    reasons
}

/// What is left of our English in the translation of a text.
fn untranslated(text: &str, theirs: &BTreeSet<String>) -> Option<String> {
    if text.is_empty() || is_theirs(text, theirs) {
        return None;
    }
    let Some(foreign) = foreign(text) else {
        return Some(format!("no row: {text}"));
    };
    let ours: Vec<&str> = foreign.into_iter().filter(|passage| !is_theirs(passage, theirs)).collect();
    (!ours.is_empty()).then(|| format!("{ours:?} is left: {text} => {}", translate(text, Language::Ja)))
}

/// A name, a point in time, or somebody's words; or several of these.
fn is_theirs(passage: &str, theirs: &BTreeSet<String>) -> bool {
    let one = |passage: &str| {
        theirs.iter().any(|word| word == passage || (word.contains(' ') && word.contains(passage)))
            || Nanos::parse_rfc3339(passage).is_some()
            || passage.starts_with("SIG")
    };
    one(passage) || passage.split(", ").all(one)
}

/// What the script gives as names, images, policies and words of others. Not its verbs: those are ours.
fn words_of_script(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('=')) {
        let line = line.split('#').next().unwrap();
        words.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
        let parts = split(line);
        if let Some([verb, name]) = parts.get(..2)
            && verb == "container"
        {
            words.insert(name.clone());
        }
        words.extend(parts.iter().filter_map(|part| part.split_once('=')).map(|(_, value)| value.to_owned()));
        if let Some([_, _, verb, new]) = parts.get(..4)
            && verb == "name"
        {
            words.insert(new.clone());
        }
    }
    // How policies and parts of Compose projects are written.
    let projects: Vec<String> = words.iter().cloned().collect();
    for project in &projects {
        words.extend(projects.iter().map(|service| format!("{project}/{service}")));
    }
    words.extend(["no", "always", "unless-stopped"].map(str::to_owned));
    words
}
