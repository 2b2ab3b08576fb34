//! Sentences of every place that makes some, with what is foreign in them between `‹` and `›`.
//!
//! The stories (`crates/alert/tests/words.rs`) reach most causes; here is the rest. Snapshot: the translations, to be
//! read by people who know the language.

use hinomi_words::{Language, foreign, translate, translate_label};

const SENTENCES: &str = include_str!("sentences.txt");

#[test]
fn sentences_are_translated_wholly() {
    let mut problems = Vec::new();
    let mut pairs = Vec::new();
    for line in SENTENCES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let text = line.replace(['‹', '›'], "");
        let mut want: Vec<&str> = line.split('‹').skip(1).filter_map(|part| part.split('›').next()).collect();
        let Some(mut got) = foreign(&text) else {
            problems.push(format!("no row: {text}"));
            continue;
        };
        want.sort_unstable();
        got.sort_unstable();
        if want != got {
            problems.push(format!("{text}: {got:?} stayed, not {want:?}"));
        }
        pairs.push(format!("{text}\n  {}", translate(&text, Language::Ja)));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(pairs.len() > 100, "{} sentences", pairs.len());
    insta::assert_snapshot!("japanese", pairs.join("\n"));
}

/// A word may mean one thing as a label and another as a value.
#[test]
fn labels_are_looked_up_by_themselves() {
    assert_eq!(
        (translate_label("none", Language::Ja), translate("none", Language::Ja)),
        ("記録のみ".into(), "なし".into())
    );
    assert_eq!(translate_label("web hangs in its removal", Language::Ja), "web hangs in its removal");
    assert_eq!(translate_label("serving", Language::En), "serving");
}
