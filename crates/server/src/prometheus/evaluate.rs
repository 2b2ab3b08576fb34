//! `query` and `query_range`.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::IntoResponse as _;
use hinomi_model::metrics::ReadError;
use hinomi_pipeline::{Asked, Question};
use hinomi_query::ast::Expr;
use hinomi_query::eval::{self, Answered, Counting, NodeCounts};

use super::answer::{Answer, TRUNCATED, Written, success};
use super::failure::Failure;
use super::json::Json;
use super::params::Params;
use crate::routes::Context;

/// Most steps of a range.
const STEPS_MAX: i64 = 11_000;
/// What a point of an answer takes, as a value and as text, bytes.
const POINT_BYTES: u64 = 64;
/// What a series of an answer takes beside its points.
const SERIES_BYTES: u64 = 512;

/// When a query is evaluated.
#[derive(Clone, Copy, Debug)]
enum When {
    At(i64),
    Range((i64, i64, i64)),
}

/// `GET|POST /api/v1/query`.
pub(crate) async fn instant(State(context): State<Context>, params: Params) -> Answer {
    let now = context.handle.now();
    let limit = params.limit()?;
    let at = params.time_or("time", now.0.div_euclid(1_000_000))?;
    run(params, When::At(at), limit).await
}

/// `GET|POST /api/v1/query_range`.
pub(crate) async fn range(params: Params) -> Answer {
    let limit = params.limit()?;
    let (start, end) = (params.time("start")?, params.time("end")?);
    if end < start {
        return Err(Failure::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params.duration("step")?;
    if step <= 0 {
        let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(Failure::parameter("step", why));
    }
    if end.saturating_sub(start) / step > STEPS_MAX {
        return Err(Failure::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    run(params, When::Range((start, end, step)), limit).await
}

async fn run(params: Params, when: When, limit: usize) -> Answer {
    let asked = params.asked()?;
    answered(params, &asked, move |params, question| {
        let began = Instant::now();
        let expr = parsed(params)?;
        if let When::Range(_) = when
            && !is_ranged(&expr)
        {
            let kind = expr.value_type().documented();
            let why = format!(
                "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
            );
            return Err(Failure::parameter("query", why));
        }
        let (text, prepared) = (params.get("query"), began.elapsed());
        Ok(evaluate(question, &Asking { params, text, expr: &expr, when, limit, prepared })?)
    })
    .await
}

/// What `work` answers, where blocking is allowed and stacks are deep enough for queries: also parsing has its place
/// there.
async fn answered(
    params: Params,
    asked: &Asked,
    work: impl FnOnce(&Params, &Question) -> Result<Written, Failure> + Send + 'static,
) -> Answer {
    let metrics = params.metrics.clone();
    let work = move |question: &Question| {
        let written = work(&params, question);
        Ok::<_, ReadError>(written.and_then(|written| Ok(written.drawn(question)?)))
    };
    Ok(metrics.ask(asked, work).await??.into_response())
}

fn parsed(params: &Params) -> Result<Expr, Failure> {
    params.metrics.parse(params.get("query")).map_err(|errors| Failure::parameter("query", errors))
}

fn is_ranged(expr: &Expr) -> bool {
    use hinomi_query::ast::ValueType;
    matches!(expr.value_type(), ValueType::Scalar | ValueType::Vector)
}

/// What is asked.
struct Asking<'a> {
    params: &'a Params,
    text: &'a str,
    expr: &'a Expr,
    when: When,
    limit: usize,
    prepared: Duration,
}

fn evaluate(question: &Question, asking: &Asking<'_>) -> Result<Written, eval::QueryError> {
    let began = Instant::now();
    let asked = asking.params.get("stats");
    let question = &question.counting(match asked {
        "all" => Counting::Steps,
        "explain" => Counting::Nodes,
        _ => Counting::Totals,
    });
    let answer = match asking.when {
        When::At(time) => question.instant(asking.text, asking.expr, time)?,
        When::Range(range) => question.range(asking.text, asking.expr, range)?,
    };
    let took = began.elapsed();
    let bytes = weigh(&answer.value);
    let memory = question.limit().memory.as_ref();
    if let Some(memory) = memory.filter(|memory| !memory.reach(bytes)) {
        let limit = memory.budget().limit_bytes();
        let why = format!(
            "its answer takes about {bytes} bytes, and the budget of {limit} bytes has no room for it"
        );
        return Err(ReadError::Memory(why).into());
    }
    question.limit().check(None)?;
    let mut warnings = answer.warnings.clone();
    let over = match &answer.value {
        Answered::Vector(samples) => samples.len() > asking.limit,
        Answered::Matrix(streams) => streams.len() > asking.limit,
        Answered::Scalar(..) | Answered::String(..) => false,
    };
    if over {
        warnings.push(TRUNCATED.to_owned());
    }
    let data = |json: &mut Json| {
        json.raw("{");
        json.answered(&answer.value, asking.limit);
        if !asked.is_empty() {
            stats(json, &answer, asking.prepared, question.queued(), took);
        }
        json.raw("}");
    };
    let capacity = usize::try_from(bytes / 2).unwrap_or_default();
    Ok(success(asking.params, capacity, data, &[("warnings", &warnings), ("infos", &answer.infos)]))
}

/// Bytes that an answer takes, about.
fn weigh(answered: &Answered) -> u64 {
    let (series, points) = match answered {
        Answered::Scalar(..) | Answered::String(..) => (0, 1),
        Answered::Vector(samples) => (samples.len(), samples.len()),
        Answered::Matrix(streams) => (streams.len(), streams.iter().map(|stream| stream.points.len()).sum()),
    };
    (series as u64).saturating_mul(SERIES_BYTES).saturating_add((points as u64).saturating_mul(POINT_BYTES))
}

fn stats(json: &mut Json, answer: &eval::Answer, prepared: Duration, queued: Duration, took: Duration) {
    json.raw(",\"stats\":{\"timings\":{");
    let timings = [
        ("evalTotalTime", prepared + took),
        // Results are sorted while they are evaluated.
        ("resultSortTime", Duration::ZERO),
        ("queryPreparationTime", prepared),
        ("innerEvalTime", took),
        ("execQueueTime", queued),
        ("execTotalTime", prepared + queued + took),
    ];
    for (at, (name, time)) in timings.iter().enumerate() {
        if at > 0 {
            json.raw(",");
        }
        json.key(name);
        json.raw(&format!("{:.9}", time.as_secs_f64()));
    }
    json.raw("},\"samples\":{");
    if let Some(counted) = &answer.counted {
        json.raw("\"totalQueryableSamplesPerStep\":");
        json.list(counted.steps.iter(), |json, (time, samples)| {
            json.raw("[");
            json.seconds(*time);
            json.raw(",");
            json.whole(*samples);
            json.raw("]");
        });
        json.raw(",");
    }
    json.raw("\"totalQueryableSamples\":");
    json.whole(answer.stats.samples);
    json.raw(",\"peakSamples\":");
    json.whole(answer.stats.samples_peak);
    json.raw("}");
    let nodes = answer.counted.iter().flat_map(|counted| &counted.nodes);
    if nodes.clone().next().is_some() {
        json.raw(",\"explain\":");
        json.list(nodes, explained);
    }
    json.raw("}");
}

/// A node of the query's tree: Hinomi's own addition, for `hinomi query --explain`.
fn explained(json: &mut Json, node: &NodeCounts) {
    json.raw("{\"depth\":");
    json.whole(node.depth as u64);
    json.raw(",\"expr\":");
    json.text(&node.expr);
    json.raw(",\"type\":");
    json.text(node.kind);
    if let Some(cost) = &node.cost {
        json.raw(",\"cost\":{");
        let counts = [
            ("series", cost.series),
            ("seriesRead", cost.series_read),
            ("samplesRead", cost.samples_read),
            ("samples", cost.samples),
        ];
        for (name, count) in counts {
            json.key(name);
            json.whole(count);
            json.raw(",");
        }
        json.raw(&format!("\"seconds\":{:.9}}}", cost.time.as_secs_f64()));
    }
    json.raw("}");
}

/// `GET|POST /api/v1/format_query`.
pub(crate) async fn format_query(params: Params) -> Answer {
    let asked = params.asked()?;
    answered(params, &asked, |params, _question| {
        let expr = parsed(params)?;
        Ok(success(params, 0, |json| json.text(&hinomi_query::print::pretty(&expr)), &[]))
    })
    .await
}

/// `GET|POST /api/v1/parse_query`.
pub(crate) async fn parse_query(params: Params) -> Answer {
    let asked = params.asked()?;
    answered(params, &asked, |params, _question| {
        let tree = hinomi_query::json::tree(&parsed(params)?);
        Ok(success(params, 0, |json| json.raw(&tree.to_string()), &[]))
    })
    .await
}

/// `GET|POST /api/v1/query_exemplars`.
pub(crate) async fn exemplars(params: Params) -> Answer {
    let (start, end) = params.range()?;
    if end < start {
        return Err(Failure::parameter("end", "end timestamp must not be before start timestamp"));
    }
    let asked = params.asked()?;
    answered(params, &asked, move |params, question| {
        let mut sets = Vec::new();
        parsed(params)?.for_each_selector(&mut |selector| sets.push(selector.matchers.clone()));
        let db = question.metrics().db();
        let found = db.exemplars(question.tenant(), &sets, start, end, question.limit())?;
        let data = |json: &mut Json| {
            json.list(found.iter(), |json, series| {
                json.raw("{\"seriesLabels\":");
                json.labels(&series.series);
                json.raw(",\"exemplars\":");
                json.list(series.exemplars.iter(), |json, exemplar| {
                    json.raw("{\"labels\":");
                    json.labels(&exemplar.labels);
                    json.raw(",\"value\":");
                    json.number(exemplar.value);
                    json.raw(",\"timestamp\":");
                    json.time(exemplar.t_ms);
                    json.raw("}");
                });
                json.raw("}");
            });
        };
        Ok(success(params, 0, data, &[]))
    })
    .await
}
