//! What a message for people says, before anything is known about how it is shown. Pure.
//!
//! It rests on the webhook's body and nothing else: that is what the queue holds, so a message that waited through a
//! restart is shown as any other.

use std::time::Duration;

use hinomi_model::{HealingState, IncidentStatus, Level, Message, Nanos, Outcome, Stage, WorkloadRef};
use hinomi_words::Language;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::phrases::{Phrases, duration, filled, say, shape};

/// Log lines shown at most; the newest.
const LOG_LINES: usize = 10;
/// Longest log line shown, characters.
const LOG_LINE_MAX_CHARS: usize = 200;
/// Longest one-line text shown, characters.
const LINE_MAX_CHARS: usize = 600;
/// Longest name shown, characters.
const NAME_MAX_CHARS: usize = 120;
const FACTS_MAX: usize = 12;

/// A message for people.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) colour: &'static str,
    /// Like `[Alert] shop/web`.
    pub(super) head: String,
    /// What happened, without the name where the head has it.
    pub(super) headline: String,
    /// Like `shop-web-1 on web-1`.
    pub(super) place: String,
    /// Label and text.
    pub(super) rows: Vec<(String, String)>,
    /// What else is known, as label and text.
    pub(super) facts: Vec<(String, String)>,
    /// The launch in one line, and under it why a stage failed.
    pub(super) launch: Vec<String>,
    pub(super) log: Vec<String>,
    /// Where to look.
    pub(super) url: Option<String>,
    pub(super) not_stored: bool,
    pub(super) phrases: &'static Phrases,
    pub(super) footer: String,
}

/// The webhook's body, as far as people are shown it. Everything may be missing: another version wrote it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    #[serde(deserialize_with = "if_known")]
    status: Option<IncidentStatus>,
    #[serde(deserialize_with = "if_known")]
    level: Level,
    level_reason: String,
    cause: String,
    #[serde(deserialize_with = "if_known")]
    resource: Resource,
    #[serde(deserialize_with = "if_known")]
    stages: Vec<StageTold>,
    #[serde(deserialize_with = "if_known")]
    healer: Healer,
    started: String,
    resolved: Option<String>,
    resolved_because: Option<String>,
    stored: Option<bool>,
    #[serde(deserialize_with = "if_known")]
    evidence: Evidence,
    url: Option<String>,
    test: bool,
}

/// What another version wrote and this one does not understand is as good as missing: all else is shown.
fn if_known<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + DeserializeOwned,
    D: Deserializer<'de>,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resource {
    cluster: String,
    name: String,
    workload: Option<WorkloadRef>,
}

#[derive(Debug, Deserialize)]
struct StageTold {
    stage: Stage,
    outcome: Outcome,
    took_ms: Option<u64>,
    cause: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Healer {
    name: String,
    action: String,
    state: HealingState,
    tries: u32,
    next_try: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Evidence {
    facts: Vec<Labelled>,
    log: Option<Log>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Labelled {
    label: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Log {
    lines: Vec<Line>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    text: String,
}

impl Page {
    pub(super) fn of(message: &Message, language: Language) -> Self {
        let told = Told::deserialize(&message.body).unwrap_or_else(|_| {
            // Less is known of it, and it goes out all the same.
            let text =
                |key: &str| message.body.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            Told { cause: text("cause"), started: text("started"), ..Told::default() }
        });
        let phrases = Phrases::of(language);
        let over = told.status == Some(IncidentStatus::Resolved);
        let (subject, name) = (told.subject(), &told.resource.name);
        let kind = match (told.test, over) {
            (true, _) => phrases.test,
            (false, true) => phrases.resolved,
            (false, false) => phrases.level(told.level),
        };
        Self {
            colour: colour(&told, over),
            head: format!("[{kind}] {}", clip(&subject, NAME_MAX_CHARS)),
            headline: headline(&told, language),
            place: format!(
                "{} {}",
                clip(name, NAME_MAX_CHARS),
                filled(phrases.on_host, &[&clip(&told.resource.cluster, NAME_MAX_CHARS)])
            ),
            rows: if over { told.rows_of_end(language) } else { told.rows(language) },
            facts: told.facts(language),
            launch: if over { Vec::new() } else { told.launch(language) },
            log: if over { Vec::new() } else { told.log() },
            url: told.url.clone(),
            not_stored: told.stored == Some(false),
            phrases,
            footer: filled(phrases.footer, &[&message.receiver]),
        }
    }
}

impl Told {
    fn subject(&self) -> String {
        self.resource.workload.as_ref().map_or_else(|| self.resource.name.clone(), ToString::to_string)
    }

    fn rows(&self, language: Language) -> Vec<(String, String)> {
        let phrases = Phrases::of(language);
        let mut rows = Vec::new();
        let mut row = |label: &str, text: String| {
            if !text.is_empty() {
                rows.push((label.to_owned(), clip(&text, LINE_MAX_CHARS)));
            }
        };
        if !self.test {
            let level = phrases.level(self.level);
            row(phrases.why_this_level, format!("{level}: {}", say(&self.level_reason, language)));
            row(phrases.healing, self.healing(language));
        }
        row(phrases.since, stamp(&self.started));
        rows
    }

    fn rows_of_end(&self, language: Language) -> Vec<(String, String)> {
        let phrases = Phrases::of(language);
        let at = self.resolved.as_deref().unwrap_or_default();
        let mut rows = vec![(phrases.since.to_owned(), stamp(&self.started))];
        let took = Nanos::parse_rfc3339(at).zip(Nanos::parse_rfc3339(&self.started));
        let over = match took.map(|(to, from)| to.since(from)) {
            Some(took) => filled(phrases.after, &[&stamp(at), &duration(took, language)]),
            None => stamp(at),
        };
        rows.push((phrases.over_since.to_owned(), over));
        if let Some(because) = &self.resolved_because {
            rows.push((phrases.how.to_owned(), clip(&say(because, language), LINE_MAX_CHARS)));
        }
        let healer = self.healer.name.as_str();
        let said = healer.is_empty()
            || self.resolved_because.as_ref().is_some_and(|because| because.contains(healer));
        if !said && healer != "nobody" {
            rows.push((phrases.healed_by.to_owned(), clip(&say(healer, language), LINE_MAX_CHARS)));
        }
        rows
    }

    /// Who heals, how it goes, when it tries again.
    fn healing(&self, language: Language) -> String {
        let (it, phrases) = (&self.healer, Phrases::of(language));
        if it.name.is_empty() || it.name == "nobody" {
            return phrases.nobody_heals.to_owned();
        }
        let mut words = say(&it.name, language).into_owned();
        if !it.action.is_empty() {
            words.push_str(&format!(": {}", say(&it.action, language)));
        }
        let tries = match it.tries {
            0 => String::new(),
            1 => phrases.tried_once.to_owned(),
            tries => filled(phrases.tried, &[&tries.to_string()]),
        };
        let next =
            it.next_try.as_deref().map_or_else(String::new, |at| filled(phrases.next_try, &[&stamp(at)]));
        for part in [phrases.state(it.state), &tries, &next] {
            if !part.is_empty() {
                words.push_str(phrases.between);
                words.push_str(part);
            }
        }
        words
    }

    fn facts(&self, language: Language) -> Vec<(String, String)> {
        let facts = self.evidence.facts.iter().take(FACTS_MAX);
        facts
            .map(|fact| {
                let label = clip(&say(&fact.label, language), LINE_MAX_CHARS);
                (label, clip(&say(&fact.value, language), LINE_MAX_CHARS))
            })
            .collect()
    }

    fn launch(&self, language: Language) -> Vec<String> {
        let phrases = Phrases::of(language);
        if self.stages.is_empty() {
            return Vec::new();
        }
        let strip = self.stages.iter().take(Stage::ALL.len()).map(|it| {
            let took = it.took_ms.filter(|_| it.outcome == Outcome::Passed);
            let took = took.map(|ms| format!(" {}", duration(Duration::from_millis(ms), language)));
            format!("{} {}{}", shape(it.outcome), phrases.stage(it.stage), took.unwrap_or_default())
        });
        let mut lines = vec![strip.collect::<Vec<_>>().join("  ")];
        for it in &self.stages {
            if let Some(cause) = &it.cause {
                let cause = format!("{}: {}", phrases.stage(it.stage), say(cause, language));
                lines.push(clip(&cause, LINE_MAX_CHARS));
            }
        }
        lines
    }

    fn log(&self) -> Vec<String> {
        let lines = self.evidence.log.as_ref().map(|log| log.lines.as_slice()).unwrap_or_default();
        let skipped = lines.len().saturating_sub(LOG_LINES);
        lines.iter().skip(skipped).map(|line| clip(&line.text, LOG_LINE_MAX_CHARS)).collect()
    }
}

/// The cause; without the name that it begins with, for the head says of what.
fn headline(told: &Told, language: Language) -> String {
    let cause = say(&told.cause, language);
    let name = &told.resource.name;
    let own = cause.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(' '));
    let known = !name.is_empty() && language == Language::En;
    clip(own.filter(|_| known).unwrap_or(&cause), LINE_MAX_CHARS)
}

/// Colours for people who tell them apart by brightness, too; the head says the level in words.
fn colour(told: &Told, over: bool) -> &'static str {
    match (told.test, over, told.level) {
        (true, _, _) => "#5b6770",
        (false, true, _) => "#2e7d32",
        (false, false, Level::Alert) => "#c62828",
        (false, false, Level::Notice) => "#e0a100",
        (false, false, Level::None) => "#5b6770",
    }
}

/// `2026-11-24 03:00:00 UTC`; a text that is no time as it is.
pub(super) fn stamp(rfc3339: &str) -> String {
    match rfc3339.parse::<jiff::Timestamp>() {
        Ok(at) => format!("{} UTC", at.strftime("%Y-%m-%d %H:%M:%S")),
        Err(_) => clip(rfc3339, LINE_MAX_CHARS),
    }
}

/// One line, without control characters, of so many characters at most.
pub(super) fn clip(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut clipped: String = text.chars().take(most).map(plain).collect();
    if text.chars().nth(most).is_some() {
        clipped.push('…');
    }
    clipped
}
