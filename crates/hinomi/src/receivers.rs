//! `hinomi receivers`: who is told and how that goes; `hinomi receivers test`: whether a message arrives.

use hinomi_model::ErrorKind;
use serde_json::{Value, json};

use crate::cli::{Global, Output, Receivers, ReceiversCommand, ReceiversTest};
use crate::exit::{self, Code, Usage};
use crate::render::status::receiver_lines;
use crate::render::style::{bad, good, labelled};
use crate::terminal::{self, Page};
use crate::view::{Receiver, ReceiverTest};
use crate::{client, config, view};

/// `hinomi receivers …`.
pub(crate) fn receivers(global: &Global, asked: &Receivers) -> anyhow::Result<Code> {
    match &asked.command {
        None => list(global),
        Some(ReceiversCommand::Test(test)) => tests(global, test),
    }
}

fn list(global: &Global) -> anyhow::Result<Code> {
    let mut value = client::get(&config::server(global)?, "receivers", &[])?;
    if global.output == Output::Json {
        terminal::print_json(&value)?;
        return Ok(exit::OK);
    }
    client::make_printable(&mut value);
    terminal::print(&text(&Page::stdout(), &all(value)?))?;
    Ok(exit::OK)
}

fn all(value: Value) -> anyhow::Result<Vec<Receiver>> {
    Ok(understood::<view::Receivers>(value)?.receivers)
}

fn understood<T: serde::de::DeserializeOwned>(value: Value) -> anyhow::Result<T> {
    serde_json::from_value(value).map_err(|error| {
        anyhow::anyhow!("the answer is not understood: {error}; is the server of another version?")
    })
}

fn text(page: &Page, receivers: &[Receiver]) -> String {
    if receivers.is_empty() {
        let none = "none is configured: findings are shown by `hinomi findings` only; add one under `receivers` \
                    in hinomi.yaml";
        return labelled(page, &bad(page), 1, none);
    }
    receiver_lines(page, receivers)
}

fn tests(global: &Global, asked: &ReceiversTest) -> anyhow::Result<Code> {
    let server = config::server(global)?;
    let names: Vec<String> = match &asked.name {
        Some(name) => vec![name.clone()],
        None => all(client::get(&server, "receivers", &[])?)?.into_iter().map(|it| it.name).collect(),
    };
    if names.is_empty() {
        return Err(
            Usage("no receiver is configured; add one under `receivers` in hinomi.yaml".to_owned()).into()
        );
    }
    let mut answers = Vec::new();
    let mut code = exit::OK;
    for name in &names {
        let mut value = test(&server, name)?;
        answers.push(value.clone());
        client::make_printable(&mut value);
        let tested: ReceiverTest = understood(value)?;
        if !tested.accepted {
            code = exit::FINDING;
        }
        if global.output == Output::Text {
            // One by one: each may take a while.
            terminal::print(&tested_line(&Page::stdout(), &tested))?;
        }
    }
    if global.output == Output::Json {
        let one = asked.name.is_some().then(|| answers.first().cloned()).flatten();
        terminal::print_json(&one.unwrap_or_else(|| json!({ "tests": answers })))?;
    }
    Ok(code)
}

fn test(server: &client::Server, name: &str) -> anyhow::Result<Value> {
    client::post(server, &["receivers", name, "test"]).map_err(|error| {
        let kind = error.downcast_ref::<client::Error>().map(client::Error::kind);
        if kind == Some(ErrorKind::NotFound) { Usage(error.to_string()).into() } else { error }
    })
}

fn tested_line(page: &Page, tested: &ReceiverTest) -> String {
    let ReceiverTest { receiver, accepted, took_ms, detail } = tested;
    let (sign, how) = match accepted {
        true => (good(page), format!("accepted in {took_ms} ms: {detail}")),
        false => (bad(page), format!("not accepted ({took_ms} ms): {detail}")),
    };
    labelled(page, &format!("{sign} {receiver}"), receiver.len() + 2, &how)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn page() -> Page {
        let now = "2026-11-24T12:05:00Z".parse().expect("a time");
        Page { width: 90, colour: false, zone: TimeZone::UTC, now }
    }

    #[test]
    fn a_list_of_receivers() {
        let receiver = |name: &str, kind: &str, host: &str, failing: Value| {
            json!({ "name": name, "kind": kind, "url_host": host, "waiting": 2, "queued": 2, "sent": 3, "retried": 1,
                    "gave_up": 0, "last_accepted_at": "2026-11-24T12:00:00.000Z", "failing_since": failing,
                    "last_error": "answered 500 Internal Server Error" })
        };
        let value = json!({ "receivers": [
            receiver("oncall", "email", "mail.example.com:587", Value::Null),
            receiver("chat", "slack", "hooks.example.com", json!("2026-11-24T11:00:00.000Z")),
        ] });
        insta::assert_snapshot!(text(&page(), &all(value).expect("as the API answers")));
        assert!(text(&page(), &[]).contains("none is configured"));
    }

    #[test]
    fn what_a_test_came_to() {
        let tested = |accepted: bool, detail: &str| {
            let value =
                json!({ "receiver": "oncall", "accepted": accepted, "took_ms": 34, "detail": detail });
            tested_line(&page(), &understood(value).expect("as the API answers"))
        };
        let good = tested(true, "answered 250 queued as 4711");
        let bad =
            tested(false, "cannot connect to 127.0.0.1:25: Connection refused; check `smtp`: `host`, `port`");
        insta::assert_snapshot!(format!("{good}{bad}"));
    }
}
