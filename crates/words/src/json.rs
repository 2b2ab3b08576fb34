//! The texts for people in an answer of the API, found by the names of their fields.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{Language, translate, translate_label};

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It names a value: a word may mean something else there.
    Label,
    /// Anywhere else.
    Text,
}

/// Fields whose text is for people.
const TEXTS: [&str; 20] = [
    "action",
    "cause",
    "detail",
    "error",
    "finds",
    "healer",
    "health",
    "last_error",
    "level_reason",
    "message",
    "note",
    "paragraph",
    "reason",
    "resolved_because",
    "result",
    "words",
    "healed_before",
    "lost",
    "damages",
    "hint",
];
/// Fields in which nothing is for people: names, stored values, what containers said.
const FOREIGN: [&str; 8] = ["resource", "value", "old", "lines", "command", "image", "counters", "told"];
/// Facts whose value is somebody else's, by their label.
const FOREIGN_FACTS: [&str; 5] = ["image", "command", "version", "host", "runtime"];
/// The healer that is none.
const NOBODY: &str = "nobody";
/// The inspection whose facts are labelled with names of containers.
const LABELLED_BY_NAMES: &str = "not_back";

/// Translates the texts for people in an answer of the API, in place; names, ids, enums and log lines stay.
pub fn translate_json(value: &mut Value, language: Language) {
    if language == Language::En {
        return;
    }
    visit_json(value, &mut |text, place| {
        let translated = match place {
            Place::Label => translate_label(text, language),
            Place::Text => translate(text, language),
        };
        if let Cow::Owned(translated) = translated {
            *text = translated;
        }
    });
}

/// Calls `visit` with every text for people in an answer of the API.
pub fn visit_json(value: &mut Value, visit: &mut impl FnMut(&mut String, Place)) {
    match value {
        Value::Object(fields) => object(fields, visit),
        Value::Array(items) => items.iter_mut().for_each(|item| visit_json(item, visit)),
        _ => {}
    }
}

fn object(fields: &mut Map<String, Value>, visit: &mut impl FnMut(&mut String, Place)) {
    let named = fields.get("inspection").is_some_and(|inspection| inspection == LABELLED_BY_NAMES);
    let right = fields.contains_key("feature");
    for (name, value) in fields.iter_mut().filter(|(name, _)| !FOREIGN.contains(&name.as_str())) {
        match (name.as_str(), value) {
            ("facts", Value::Array(facts)) => facts.iter_mut().for_each(|one| fact(one, named, visit)),
            ("evidence", Value::Object(evidence)) if named => {
                if let Some(Value::Array(facts)) = evidence.get_mut("facts") {
                    facts.iter_mut().for_each(|one| fact(one, true, visit));
                }
            }
            ("changes", Value::Array(changes)) => changes.iter_mut().for_each(|one| change(one, visit)),
            ("feature" | "right", Value::String(text)) if right => visit(text, Place::Text),
            // Readers compare with this word of the contract.
            ("healer", Value::String(healer)) if healer == NOBODY => {}
            (name, value) if TEXTS.contains(&name) => texts(value, visit),
            (_, value) => visit_json(value, visit),
        }
    }
}

/// A text or several.
fn texts(value: &mut Value, visit: &mut impl FnMut(&mut String, Place)) {
    match value {
        Value::String(text) => visit(text, Place::Text),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, visit)),
        other => visit_json(other, visit),
    }
}

/// A label and its value.
fn fact(pair: &mut Value, named: bool, visit: &mut impl FnMut(&mut String, Place)) {
    let Some([Value::String(label), Value::String(value)]) = pair.as_array_mut().map(Vec::as_mut_slice)
    else {
        return visit_json(pair, visit);
    };
    if named || !FOREIGN_FACTS.contains(&label.as_str()) {
        visit(value, Place::Text);
    }
    if !named {
        visit(label, Place::Label);
    }
}

/// A time and words, or an object.
fn change(change: &mut Value, visit: &mut impl FnMut(&mut String, Place)) {
    match change.as_array_mut().map(Vec::as_mut_slice) {
        Some([_, Value::String(words)]) => visit(words, Place::Text),
        _ => visit_json(change, visit),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_translated_and_names_stay() {
        let mut answer = json!({
            "findings": [{
                "inspection": "abnormal_exit", "level": "none", "cause_class": "exit_code",
                "cause": "running ended with exit code 1 after 5 min 3 s; restarted once",
                "level_reason": "healing working, serving full",
                "resource": { "name": "running", "kind": "container" },
                "healing": { "healer": "nobody", "action": "restart", "state": "working" },
                "evidence": {
                    "facts": [["serving", "serving full (1 instance)"], ["none", "none"], ["command", "restart"], ["image", "running"]],
                    "changes": [["2026-11-24T08:00:00.000Z", "running"]],
                    "log": { "lines": [{ "text": "running", "stderr": true }], "note": "could not be read: x" },
                },
            }, {
                "inspection": "not_back", "cause": "own words of somebody",
                "evidence": { "facts": [["image", "exited, restart policy no, healing stopped, serving full"]], "changes": [] },
            }],
            "changes": [{ "words": "running", "value": { "state": "running" }, "image": "running" }],
            "gaps": [{ "reason": "not_running", "lost": ["when web started", "other"] }],
            "error": { "kind": "invalid", "message": "since: no duration; write it like 30m or 2h" },
        });
        translate_json(&mut answer, Language::Ja);
        assert_eq!(
            answer,
            json!({
                "findings": [{
                    "inspection": "abnormal_exit", "level": "none", "cause_class": "exit_code",
                    "cause": "running が 5分3秒の実行後に終了コード 1 で終了。1 回再起動済み",
                    "level_reason": "自己修復は進行中、全インスタンスが稼働中",
                    "resource": { "name": "running", "kind": "container" },
                    "healing": { "healer": "nobody", "action": "再起動", "state": "working" },
                    "evidence": {
                        "facts": [
                            ["提供状態", "全インスタンスが稼働中（1 インスタンス）"], ["記録のみ", "なし"], ["コマンド", "restart"],
                            ["イメージ", "running"]
                        ],
                        "changes": [["2026-11-24T08:00:00.000Z", "実行中"]],
                        "log": { "lines": [{ "text": "running", "stderr": true }], "note": "読み取り不可：x" },
                    },
                }, {
                    "inspection": "not_back", "cause": "own words of somebody",
                    "evidence": { "facts": [[
                        "image", "終了済み、再起動ポリシー no、自己修復は停止、全インスタンスが稼働中"
                    ]], "changes": [] },
                }],
                "changes": [{ "words": "実行中", "value": { "state": "running" }, "image": "running" }],
                "gaps": [{ "reason": "not_running", "lost": ["web の開始時刻", "other"] }],
                "error": { "kind": "invalid", "message": "since：期間ではない。30m や 2h のように書くこと" },
            })
        );
    }

    #[test]
    fn english_is_not_touched() {
        let before = json!({ "cause": "web hangs in its removal" });
        let mut after = before.clone();
        translate_json(&mut after, Language::En);
        assert_eq!(after, before);
    }
}
