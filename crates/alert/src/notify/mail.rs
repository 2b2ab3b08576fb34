//! A message as mail: subject, plain text, HTML, and the headers that make an incident one thread. Pure.

use std::time::{Duration, SystemTime};

use hinomi_model::{Message, Nanos};
use hinomi_words::Language;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};

use super::page::{Page, clip};
use crate::inspection::digest;
use crate::settings::Email;

const SUBJECT_MAX_CHARS: usize = 180;

/// RFC 3834: programs must not answer it, out-of-office notes neither.
#[derive(Clone, Debug)]
struct AutoSubmitted(String);

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// The whole mail, ready for the wire.
///
/// # Errors
///
/// When an address can't be written into a header.
pub(super) fn mail(email: &Email, message: &Message, language: Language) -> Result<Vec<u8>, String> {
    let page = Page::of(message, language);
    let domain = email.from.email.domain();
    let thread = format!("<{}@{domain}>", word(&message.incident));
    // Receivers count an incident's messages together but get different mails: an id is never that of another mail.
    let receiver = digest(&[&message.receiver]);
    let own = format!("<{}.{}.{receiver}@{domain}>", word(&message.incident), message.sequence);
    let mut builder = lettre::Message::builder()
        .from(email.from.clone())
        .subject(subject(&page))
        .date(at(message.queued_at))
        .message_id(Some(own.clone()))
        // Nothing was ever sent under the thread's own id: whichever message a receiver gets first, all hang together.
        .in_reply_to(thread.clone())
        .references(thread)
        .header(AutoSubmitted("auto-generated".to_owned()));
    for to in &email.to {
        builder = builder.to(to.clone());
    }
    let part = |kind: ContentType, text: String| SinglePart::builder().header(kind).body(text);
    // The same bytes at every try.
    let body = MultiPart::alternative()
        .boundary(format!("hinomi-{}", digest(&[&own])))
        .singlepart(part(ContentType::TEXT_PLAIN, text(&page)))
        .singlepart(part(ContentType::TEXT_HTML, html(&page, language)));
    let built = builder.multipart(body).map_err(|error| format!("cannot write the mail: {error}"))?;
    Ok(built.formatted())
}

fn subject(page: &Page) -> String {
    clip(&format!("{}: {}", page.head, page.headline), SUBJECT_MAX_CHARS)
}

fn at(nanos: Nanos) -> SystemTime {
    SystemTime::UNIX_EPOCH + nanos.since(Nanos(0)).max(Duration::from_secs(1))
}

/// As a part of a message id: letters, digits, `-`; at most 60 of them.
fn word(key: &str) -> String {
    key.chars().take(60).map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn text(page: &Page) -> String {
    let mut out = format!("{}\n{}\n", page.head, page.headline);
    out.push_str(&format!("{}\n", page.place));
    if page.not_stored {
        out.push_str(&format!("{}\n", page.phrases.not_stored));
    }
    out.push('\n');
    for (label, value) in page.rows.iter().chain(&page.facts) {
        out.push_str(&format!("{label}: {value}\n"));
    }
    if let Some((strip, causes)) = page.launch.split_first() {
        out.push_str(&format!("{}: {strip}\n", page.phrases.launch));
        for cause in causes {
            out.push_str(&format!("  {cause}\n"));
        }
    }
    if !page.log.is_empty() {
        out.push_str(&format!("\n{}:\n", page.phrases.last_log_lines));
        for line in &page.log {
            out.push_str(&format!("  {line}\n"));
        }
    }
    if let Some(url) = &page.url {
        out.push_str(&format!("\n{}:\n{url}\n", page.phrases.open));
    }
    // The separator that mail programs know: what follows is no content.
    out.push_str(&format!("\n-- \n{}\n", page.footer));
    out
}

/// Styles stand at the elements: many mail programs drop everything else. Nothing is fetched from anywhere.
fn html(page: &Page, language: Language) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<body style=\"margin:0;padding:16px;font-family:sans-serif;\
         font-size:15px;line-height:1.5;color:#1b1f23;background:#ffffff\">\n\
         <div style=\"border-left:6px solid {};padding-left:12px\">\n\
         <div style=\"font-weight:bold\">{}</div>\n<div style=\"font-size:18px\">{}</div>\n\
         <div style=\"color:#57606a\">{}</div>\n</div>\n",
        language.code(),
        page.colour,
        escaped(&page.head),
        escaped(&page.headline),
        escaped(&page.place),
    );
    if page.not_stored {
        out.push_str(&format!("<p>{}</p>\n", escaped(page.phrases.not_stored)));
    }
    out.push_str("<table style=\"border-collapse:collapse;margin:12px 0\">\n");
    let mut row = |label: &str, value: &str| {
        out.push_str(&format!(
            "<tr><th style=\"text-align:left;vertical-align:top;padding:2px 16px 2px 0;font-weight:normal;\
             color:#57606a\">{}</th><td style=\"padding:2px 0\">{value}</td></tr>\n",
            escaped(label)
        ));
    };
    for (label, value) in page.rows.iter().chain(&page.facts) {
        row(label, &escaped(value));
    }
    if !page.launch.is_empty() {
        let lines: Vec<String> = page.launch.iter().map(|line| escaped(line)).collect();
        row(page.phrases.launch, &lines.join("<br>\n"));
    }
    out.push_str("</table>\n");
    if !page.log.is_empty() {
        let lines: Vec<String> = page.log.iter().map(|line| escaped(line)).collect();
        out.push_str(&format!(
            "<div style=\"color:#57606a\">{}</div>\n<pre style=\"margin:4px 0 12px;padding:8px;background:#f6f8fa;\
             font-size:13px;white-space:pre-wrap\">{}</pre>\n",
            escaped(page.phrases.last_log_lines),
            lines.join("\n")
        ));
    }
    if let Some(url) = &page.url {
        let open = escaped(page.phrases.open);
        out.push_str(&format!("<p><a href=\"{}\" style=\"color:#0b57d0\">{open}</a></p>\n", escaped(url)));
    }
    let footer = escaped(&page.footer);
    out.push_str(&format!("<p style=\"color:#57606a;font-size:13px\">{footer}</p>\n</body>\n</html>\n"));
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
