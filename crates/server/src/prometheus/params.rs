//! What a request asks: parameters of the address and of a form, the tenant, and how Prometheus reads each.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, header};
use hinomi_model::Tenant;
use hinomi_pipeline::{Asked, Metrics};
use hinomi_query::parse_selector;
use hinomi_series::{Matcher, duration, quote};
use url::form_urlencoded;

use super::failure::Failure;
use super::time;
use crate::guard::FORM_MAX_BYTES;
use crate::routes::Context;

/// Names the tenant.
const TENANT: &str = "x-scope-orgid";
/// Longest name of one, bytes.
const TENANT_MAX_BYTES: usize = 150;

/// A request that was read.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    /// Parameters of the form first, as they go before those of the address.
    pairs: Vec<(String, String)>,
    pub(crate) tenant: Tenant,
    /// Whether the answer may be packed.
    pub(crate) gzip: bool,
    pub(crate) metrics: Metrics,
}

impl FromRequest<Context> for Params {
    type Rejection = Failure;

    async fn from_request(request: Request, context: &Context) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let mut pairs = Vec::new();
        if parts.method != Method::GET && parts.method != Method::HEAD {
            pairs.extend(form(body).await?);
        }
        pairs.extend(decoded(parts.uri.query().unwrap_or_default().as_bytes()));
        Ok(Self {
            pairs,
            tenant: tenant(&parts.headers).map_err(Failure::bad_data)?,
            gzip: takes_gzip(&parts.headers),
            metrics: context.handle.metrics().clone(),
        })
    }
}

/// The guard has bounded its size and its time.
async fn form(body: Body) -> Result<Vec<(String, String)>, Failure> {
    let bytes = axum::body::to_bytes(body, FORM_MAX_BYTES).await;
    let bytes = bytes.map_err(|error| Failure::bad_data(format!("error parsing form values: {error}")))?;
    Ok(decoded(&bytes).collect())
}

fn decoded(bytes: &[u8]) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(bytes).into_owned()
}

/// The tenant that a request names, or the default one; an error says what is wrong.
pub(crate) fn tenant(headers: &HeaderMap) -> Result<Tenant, String> {
    let mut values = headers.get_all(TENANT).iter();
    let Some(value) = values.next() else { return Ok(Tenant::default()) };
    let name = value.to_str().ok().filter(|_| values.next().is_none());
    let fits = |name: &&str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
        (1..=TENANT_MAX_BYTES).contains(&name.len())
            && name.bytes().all(known)
            && !matches!(*name, "." | "..")
    };
    let name = name.filter(fits).ok_or_else(|| {
        format!(
            "X-Scope-OrgID: not the name of a tenant; send one, of 1 to {TENANT_MAX_BYTES} letters, digits and !-_.*'()"
        )
    })?;
    Ok(Tenant(name.to_owned()))
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused =
            weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        matches!(name.trim(), "gzip" | "*") && !refused
    })
}

impl Params {
    /// The first of that name, the empty text if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|pair| pair.0 == name).map_or("", |pair| pair.1.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// A time that has to be there, milliseconds.
    pub(crate) fn time(&self, name: &str) -> Result<i64, Failure> {
        time::parse(self.get(name)).map_err(|why| Failure::parameter(name, why))
    }

    /// A time, milliseconds.
    pub(crate) fn time_or(&self, name: &str, default: i64) -> Result<i64, Failure> {
        if self.get(name).is_empty() { Ok(default) } else { self.time(name) }
    }

    /// From when to when, milliseconds; always where it is not said.
    pub(crate) fn range(&self) -> Result<(i64, i64), Failure> {
        Ok((self.time_or("start", i64::MIN)?, self.time_or("end", i64::MAX)?))
    }

    /// A duration that has to be there, milliseconds.
    pub(crate) fn duration(&self, name: &str) -> Result<i64, Failure> {
        duration_ms(self.get(name)).map_err(|why| Failure::parameter(name, why))
    }

    fn duration_if(&self, name: &str) -> Result<Option<Duration>, Failure> {
        if self.get(name).is_empty() {
            return Ok(None);
        }
        let ms = self.duration(name)?;
        Ok(Some(Duration::from_millis(u64::try_from(ms).unwrap_or_default())))
    }

    /// Most entries of the answer; `usize::MAX` where it is not said.
    pub(crate) fn limit(&self) -> Result<usize, Failure> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(usize::MAX);
        }
        let limit = text.parse::<i64>().map_err(|_| {
            Failure::parameter(
                "limit",
                format!("strconv.Atoi: parsing {}: invalid syntax", quote(&shown(text))),
            )
        })?;
        match usize::try_from(limit) {
            Ok(0) => Ok(usize::MAX),
            Ok(limit) => Ok(limit),
            Err(_) => Err(Failure::parameter("limit", "limit must be non-negative")),
        }
    }

    /// The sets of `match[]`.
    pub(crate) fn matchers(&self) -> Result<Vec<Vec<Matcher>>, Failure> {
        let wrong = |why: &dyn std::fmt::Display| Failure::parameter("match[]", why);
        self.all("match[]")
            .map(|text| {
                let set = parse_selector(text).map_err(|error| wrong(&error))?;
                match set.iter().all(Matcher::matches_empty) {
                    true => Err(wrong(&"match[] must contain at least one non-empty matcher")),
                    false => Ok(set),
                }
            })
            .collect()
    }

    /// Who asks, and what he sets himself.
    pub(crate) fn asked(&self) -> Result<Asked, Failure> {
        Ok(Asked {
            tenant: self.tenant.clone(),
            timeout: self.duration_if("timeout")?,
            lookback: self.duration_if("lookback_delta")?.filter(|lookback| !lookback.is_zero()),
        })
    }
}

/// Seconds, or a duration as queries have it; in milliseconds.
fn duration_ms(text: &str) -> Result<i64, String> {
    if let Some(seconds) = time::number(text) {
        let ms = seconds * 1000.0;
        if seconds.is_nan() || (seconds * 1e9).abs() > 9.223_372_036_854_775e18 {
            return Err(format!(
                "cannot parse {} to a valid duration. It overflows int64",
                quote(&shown(text))
            ));
        }
        return Ok(time::whole(ms));
    }
    duration::parse_ms(text).map_err(|_| format!("cannot parse {} to a valid duration", quote(&shown(text))))
}

/// Of what somebody sent, as much as an error repeats.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_units() {
        let table = [
            ("15", Ok(15_000)),
            ("0.5", Ok(500)),
            ("1m30s", Ok(90_000)),
            ("-1", Ok(-1_000)),
            ("1e3", Ok(1_000_000)),
        ];
        for (text, ms) in table {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
        assert_eq!(duration_ms("soon"), Err("cannot parse \"soon\" to a valid duration".to_owned()));
        for text in ["1e300", "NaN", "-1e300", "Inf"] {
            assert!(duration_ms(text).is_err_and(|why| why.ends_with("It overflows int64")), "{text}");
        }
    }

    #[test]
    fn tenants_have_plain_names() {
        let of = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(TENANT, name.parse().expect("a header"));
            tenant(&headers).map(|tenant| tenant.0).ok()
        };
        let long = "a".repeat(150);
        for name in ["default", "a", "Team-1_(x)!*'.", &long] {
            assert_eq!(of(name).as_deref(), Some(name));
        }
        for name in ["", ".", "..", "a/b", "a b", "a|b", "\u{e4}", &"a".repeat(151)] {
            assert_eq!(of(name), None, "{name}");
        }
        let mut two = HeaderMap::new();
        two.append(TENANT, "a".parse().expect("a header"));
        two.append(TENANT, "b".parse().expect("a header"));
        assert!(tenant(&two).is_err());
        assert_eq!(tenant(&HeaderMap::new()).ok(), Some(Tenant::default()));
    }

    #[test]
    fn who_takes_gzip() {
        for (accept, takes) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
            ("*", true),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accept.parse().expect("a header"));
            assert_eq!(takes_gzip(&headers), takes, "{accept}");
        }
    }
}
