//! `series`, `labels`, `label/{name}/values` and `metadata`: what there is.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::IntoResponse as _;
use hinomi_model::metrics::Metadata;
use hinomi_pipeline::Question;
use hinomi_series::quote;

use super::answer::{Answer, TRUNCATED, success, texts};
use super::failure::Failure;
use super::json::Json;
use super::params::{Params, shown};

/// Names that begin so are UTF-8, escaped.
const ESCAPED: &str = "U__";
/// Most families of metadata in one answer.
const FAMILIES_MAX: usize = 100_000;

/// `GET|POST /api/v1/series`.
pub(crate) async fn series(params: Params) -> Answer {
    let limit = params.limit()?;
    let sets = params.matchers()?;
    if sets.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided"));
    }
    let (range, asked, metrics) = (params.range()?, params.asked()?, params.metrics.clone());
    let work = move |question: &Question| {
        let found = question.series(&sets, range)?;
        let cut = [TRUNCATED.to_owned()];
        let warnings: &[String] = if found.len() > limit { &cut } else { &[] };
        let data = |json: &mut Json| json.list(found.iter().take(limit), Json::labels);
        success(&params, 0, data, &[("warnings", warnings)]).drawn(question)
    };
    Ok(metrics.ask(&asked, work).await?.into_response())
}

/// `GET|POST /api/v1/labels`.
pub(crate) async fn labels(params: Params) -> Answer {
    let limit = params.limit()?;
    let (sets, range) = (params.matchers()?, params.range()?);
    let (asked, metrics) = (params.asked()?, params.metrics.clone());
    let work = move |question: &Question| {
        let found = question.label_names(&sets, range)?;
        texts(&params, limit, &found).drawn(question)
    };
    Ok(metrics.ask(&asked, work).await?.into_response())
}

/// `GET /api/v1/label/{name}/values`.
pub(crate) async fn values(name: Result<Path<String>, PathRejection>, params: Params) -> Answer {
    let Path(name) = name.map_err(|error| Failure::bad_data(error.body_text()))?;
    let name = unescaped(&name);
    if name.is_empty() {
        return Err(Failure::bad_data(format!("invalid label name: {}", quote(&shown(&name)))));
    }
    let limit = params.limit()?;
    let (sets, range) = (params.matchers()?, params.range()?);
    let (asked, metrics) = (params.asked()?, params.metrics.clone());
    let work = move |question: &Question| {
        let found = question.label_values(&name, &sets, range)?;
        texts(&params, limit, &found).drawn(question)
    };
    Ok(metrics.ask(&asked, work).await?.into_response())
}

/// A name that was written in letters, digits and `_` only: `U__`, then `__` for `_` and `_hex_` for anything else.
/// What is not written so stands for itself.
fn unescaped(name: &str) -> String {
    name.strip_prefix(ESCAPED).and_then(decoded).unwrap_or_else(|| name.to_owned())
}

fn decoded(escaped: &str) -> Option<String> {
    let mut name = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, behind)) = rest.split_once('_') {
        name.push_str(plain);
        rest = match behind.strip_prefix('_') {
            Some(behind) => {
                name.push('_');
                behind
            }
            None => {
                let (code, behind) = behind.split_once('_')?;
                let digits =
                    (1..=6).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_hexdigit());
                name.push(u32::from_str_radix(code, 16).ok().filter(|_| digits).and_then(char::from_u32)?);
                behind
            }
        };
    }
    name.push_str(rest);
    Some(name)
}

/// `GET /api/v1/metadata`.
pub(crate) async fn metadata(params: Params) -> Answer {
    let count = |name: &str| match params.get(name) {
        "" => Ok::<Option<usize>, Failure>(None),
        text => {
            let number =
                text.parse::<i64>().map_err(|_| Failure::bad_data(format!("{name} must be a number")))?;
            Ok(usize::try_from(number).ok())
        }
    };
    let (limit, per_metric) = (count("limit")?, count("limit_per_metric")?);
    let family = Some(params.get("metric")).filter(|name| !name.is_empty()).map(str::to_owned);
    let (asked, metrics) = (params.asked()?, params.metrics.clone());
    let work = move |question: &Question| {
        let limit = limit.unwrap_or(FAMILIES_MAX).min(FAMILIES_MAX);
        let db = question.metrics().db();
        let found: BTreeMap<String, Metadata> =
            db.metadata(question.tenant(), family.as_deref(), limit).into_iter().collect();
        let data = |json: &mut Json| {
            json.raw("{");
            for (at, (name, said)) in found.iter().enumerate() {
                if at > 0 {
                    json.raw(",");
                }
                json.key(name);
                // One of each is kept, so that a limit of one or more changes nothing.
                json.list((per_metric != Some(0)).then_some(said), entry);
            }
            json.raw("}");
        };
        success(&params, 0, data, &[]).drawn(question)
    };
    Ok(metrics.ask(&asked, work).await?.into_response())
}

fn entry(json: &mut Json, said: &Metadata) {
    json.raw("{\"type\":");
    json.text(said.kind.as_str());
    json.raw(",\"help\":");
    json.text(&said.help);
    json.raw(",\"unit\":");
    json.text(&said.unit);
    json.raw("}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        let table = [
            ("job", "job"),
            ("U__a_2e_b", "a.b"),
            ("U__a__b", "a_b"),
            ("U___e4_", "\u{e4}"),
            ("U__x_1F600_", "x\u{1f600}"),
            ("U__a_", "U__a_"),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_d800_", "U__a_d800_"),
            ("U__a_1234567_", "U__a_1234567_"),
            ("U__", ""),
        ];
        for (escaped, name) in table {
            assert_eq!(unescaped(escaped), name, "{escaped}");
        }
    }
}
