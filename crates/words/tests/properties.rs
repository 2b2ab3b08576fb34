//! The invariants of the crate, for any text.

use hinomi_words::{Language, TEXT_MAX_BYTES, foreign, translate};
use proptest::prelude::*;

/// Pieces of Hinomi's sentences and of others, to make texts that come close to the rows.
const PIECES: [&str; 24] = [
    "web",
    " ended with ",
    "exit code 3",
    " after ",
    "5 min 3 s",
    "; ",
    ". ",
    ": ",
    " (",
    ")",
    ", ",
    "healing ",
    "working",
    "serving full",
    "gap of ",
    "lost: ",
    "Alert",
    "Level: ",
    "1",
    " d",
    "終了",
    "\u{0}",
    "restarted once",
    " times, every ",
];

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,300}") {
        let english = translate(&text, Language::En);
        prop_assert!(matches!(english, std::borrow::Cow::Borrowed(same) if same == text));
        let _any = translate(&text, Language::Ja);
    }

    #[test]
    fn texts_that_come_close_are_survived(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..200)) {
        let text: String = pieces.concat();
        let japanese = translate(&text, Language::Ja);
        if let Some(foreign) = foreign(&text) {
            for passage in foreign {
                prop_assert!(japanese.contains(passage), "{passage} of {text} is lost in {japanese}");
            }
        } else {
            prop_assert_eq!(japanese, text.as_str());
        }
    }

    /// Letters that no row of the phrasebook is made of.
    #[test]
    fn foreign_text_stays(text in "[A-Z]{6,12}( [A-Z]{6,12}){1,20}[!?%]") {
        prop_assert_eq!(translate(&text, Language::Ja), text.as_str());
    }

    /// What a runtime says passes unchanged, whatever it is.
    #[test]
    fn what_a_runtime_says_stays_in_its_hole(text in "[A-Z]{3,8}([ ;:.,()]{1,3}[A-Z]{3,8}){0,12}") {
        let whole = format!("web ended with exit code 1 after 3.0 s: {text}; restarted once");
        let japanese = translate(&whole, Language::Ja);
        prop_assert_eq!(japanese, format!("web が 3.0秒の実行後に終了コード 1 で終了：{text}。1 回再起動済み"));
    }
}

#[test]
fn a_long_text_stays_and_hostile_ones_end_soon() {
    let long = format!("web hangs in its removal{}", " ".repeat(TEXT_MAX_BYTES));
    assert_eq!(translate(&long, Language::Ja), long);
    let hostile = [
        "a; ".repeat(1300),
        "a. ".repeat(1300),
        "web ended with exit code 1: ".repeat(140),
        "gap of 1 s: ".repeat(300),
        "a:".repeat(2000),
        "cannot open a: b; ".repeat(200),
        "1 s ".repeat(1000),
        "x (pid 1".repeat(500),
    ];
    let began = std::time::Instant::now();
    for text in &hostile {
        let _any = translate(text, Language::Ja);
    }
    // Seconds even in a debug build would mean that the supply of steps does not bound the time.
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
