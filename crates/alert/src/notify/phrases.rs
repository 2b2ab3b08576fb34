//! The fixed texts of messages, in every language: a field of [`Phrases`] that a language lacks does not compile.

use std::borrow::Cow;
use std::time::Duration;

use hinomi_model::{HealingState, Level, Outcome, Stage};
use hinomi_words::{Language, translate};

/// What a test message says in place of a cause; the stored form of it, too.
pub(super) const TEST_CAUSE: &str = "this is a test message of Hinomi; nothing is wrong";

/// Fixed texts.
#[derive(Debug)]
pub(super) struct Phrases {
    pub(super) none: &'static str,
    pub(super) notice: &'static str,
    pub(super) alert: &'static str,
    pub(super) resolved: &'static str,
    pub(super) test: &'static str,
    pub(super) test_cause: &'static str,
    /// `{1}` is the host.
    pub(super) on_host: &'static str,
    pub(super) why_this_level: &'static str,
    pub(super) healing: &'static str,
    pub(super) nobody_heals: &'static str,
    pub(super) working: &'static str,
    pub(super) overdue: &'static str,
    pub(super) stopped: &'static str,
    pub(super) healer_down: &'static str,
    pub(super) done: &'static str,
    pub(super) tried_once: &'static str,
    /// `{1}` is a number.
    pub(super) tried: &'static str,
    /// `{1}` is a time.
    pub(super) next_try: &'static str,
    pub(super) since: &'static str,
    pub(super) over_since: &'static str,
    /// `{1}` is a time, `{2}` a duration.
    pub(super) after: &'static str,
    pub(super) how: &'static str,
    pub(super) healed_by: &'static str,
    pub(super) launch: &'static str,
    pub(super) last_log_lines: &'static str,
    pub(super) not_stored: &'static str,
    pub(super) open: &'static str,
    /// `{1}` is the receiver's name.
    pub(super) footer: &'static str,
    pub(super) stages: [&'static str; 6],
    pub(super) between: &'static str,
}

const EN: Phrases = Phrases {
    none: "None",
    notice: "Notice",
    alert: "Alert",
    resolved: "Resolved",
    test: "Test",
    test_cause: TEST_CAUSE,
    on_host: "on {1}",
    why_this_level: "Why this level",
    healing: "Healing",
    nobody_heals: "nobody heals it: a person has to",
    working: "at work",
    overdue: "overdue",
    stopped: "stopped",
    healer_down: "is itself down",
    done: "done",
    tried_once: "tried once",
    tried: "tried {1} times in a row",
    next_try: "next try {1}",
    since: "Since",
    over_since: "Over since",
    after: "{1}, after {2}",
    how: "How it ended",
    healed_by: "Healer",
    launch: "Launch",
    last_log_lines: "Last log lines",
    not_stored: "The disk refuses: this is known from memory only.",
    open: "Open in Hinomi",
    footer: "Hinomi sent this to the receiver {1}.",
    stages: ["Place", "Pull", "Create", "Start", "Health", "Serve"],
    between: ", ",
};

const JA: Phrases = Phrases {
    none: "記録のみ (None)",
    notice: "注意 (Notice)",
    alert: "緊急 (Alert)",
    resolved: "復旧 (Resolved)",
    test: "テスト (Test)",
    test_cause: "これは Hinomi のテスト通知です。問題は起きていません",
    on_host: "({1})",
    why_this_level: "このレベルの理由",
    healing: "自己修復",
    nobody_heals: "自動では修復されません。人の対応が必要です",
    working: "進行中",
    overdue: "遅延",
    stopped: "停止",
    healer_down: "修復役が停止",
    done: "完了",
    tried_once: "1 回試行",
    tried: "連続 {1} 回試行",
    next_try: "次の試行 {1}",
    since: "発生",
    over_since: "復旧",
    after: "{1} (所要 {2})",
    how: "復旧の経緯",
    healed_by: "修復役",
    launch: "起動の段階",
    last_log_lines: "最後のログ",
    not_stored: "ディスクに書き込めません。この内容はメモリ上にのみあります。",
    open: "Hinomi で開く",
    footer: "Hinomi から受信先 {1} への通知です。",
    stages: ["配置", "取得", "作成", "開始", "正常性", "提供"],
    between: "、",
};

impl Phrases {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::Ja => &JA,
        }
    }

    pub(super) fn level(&self, level: Level) -> &'static str {
        match level {
            Level::None => self.none,
            Level::Notice => self.notice,
            Level::Alert => self.alert,
        }
    }

    pub(super) fn state(&self, state: HealingState) -> &'static str {
        match state {
            HealingState::Working => self.working,
            HealingState::Overdue => self.overdue,
            HealingState::Stopped => self.stopped,
            HealingState::HealerDown => self.healer_down,
            HealingState::Done => self.done,
        }
    }

    pub(super) fn stage(&self, stage: Stage) -> &'static str {
        let [place, pull, create, start, health, serve] = self.stages;
        match stage {
            Stage::Place => place,
            Stage::Pull => pull,
            Stage::Create => create,
            Stage::Start => start,
            Stage::Health => health,
            Stage::Serve => serve,
        }
    }
}

/// How a stage went, as a shape: told apart without colour.
pub(super) fn shape(outcome: Outcome) -> char {
    match outcome {
        Outcome::Pending => '·',
        Outcome::Running => '…',
        Outcome::Passed => '✓',
        Outcome::Failed => '✗',
        Outcome::Unknown => '?',
        Outcome::NotApplicable => '–',
    }
}

/// Hinomi's own stored English in the reader's language.
pub(super) fn say(text: &str, language: Language) -> Cow<'_, str> {
    if text == TEST_CAUSE {
        Cow::Borrowed(Phrases::of(language).test_cause)
    } else {
        translate(text, language)
    }
}

/// A duration in words.
pub(super) fn duration(duration: Duration, language: Language) -> String {
    say(&hinomi_timeline::duration_words(duration), language).into_owned()
}

/// `{1}` and `{2}` replaced, in one pass: what is put in is not looked at again.
pub(super) fn filled(phrase: &str, values: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = phrase;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let value = after.split_once('}').and_then(|(number, behind)| {
            let index = number.parse::<usize>().ok()?.checked_sub(1)?;
            Some((*values.get(index)?, behind))
        });
        match value {
            Some((value, behind)) => {
                out.push_str(value);
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        assert_eq!(filled("{1}, after {2}", &["{2}", "b"]), "{2}, after b");
        assert_eq!(filled("{3} {x} {", &["a"]), "{3} {x} {");
    }

    #[test]
    fn every_language_has_the_same_places_to_fill() {
        for (en, ja) in [
            (EN.on_host, JA.on_host),
            (EN.tried, JA.tried),
            (EN.next_try, JA.next_try),
            (EN.after, JA.after),
            (EN.footer, JA.footer),
        ] {
            let places = |text: &str| ["{1}", "{2}"].map(|place| text.contains(place));
            assert_eq!(places(en), places(ja), "{en} / {ja}");
        }
    }
}
