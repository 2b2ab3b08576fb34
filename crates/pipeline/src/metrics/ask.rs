//! Questions: a place in the queue, limits, a deadline, and an end when nobody wants the answer any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hinomi_base::budget::Meter;
use hinomi_model::metrics::{ReadError, ReadLimit, Select, SeriesSource};
use hinomi_model::{ErrorKind, Tenant};
use hinomi_query::ast::Expr;
use hinomi_query::eval::{self, Answer, QueryError, QueryErrorKind};
use hinomi_query::{ParseErrors, parse};
use hinomi_series::{Labels, Matcher};

use super::Metrics;

/// Of the memory budget, the share that questions leave to everything else: one in so many. What is written leaves less.
const BUDGET_LEFT: u64 = 4;

/// Who asks, and what he sets himself.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Whose data.
    pub tenant: Tenant,
    /// How long it may take, waiting included; at most what `metrics.query.timeout` says, which is the default.
    pub timeout: Option<Duration>,
    /// How long a sample counts for the steps behind it; `metrics.query.lookback` by default.
    pub lookback: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// The query is wrong, over a limit, late, or its samples cannot be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// As many questions as may run did so, until its time was up.
    #[error("query timed out in query queue")]
    Queue,
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] hinomi_tsdb::Error),
    /// The system refused; says what.
    #[error("{0}")]
    Refused(String),
    /// Whoever worked on it died.
    #[error("the answer could not be made: {0}; this is a bug in Hinomi, and its log says more")]
    Died(String),
}

impl From<ReadError> for Unanswered {
    fn from(error: ReadError) -> Self {
        Self::Query(error.into())
    }
}

impl Unanswered {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Query(error) => match error.kind() {
                QueryErrorKind::BadData => ErrorKind::Invalid,
                QueryErrorKind::Execution => ErrorKind::Limited,
                QueryErrorKind::Timeout | QueryErrorKind::Canceled => ErrorKind::Unavailable,
                QueryErrorKind::Internal => ErrorKind::Internal,
            },
            Self::Queue | Self::Refused(_) => ErrorKind::Unavailable,
            Self::Engine(error) => error.kind(),
            Self::Died(_) => ErrorKind::Internal,
        }
    }
}

/// A question that has its place: asks the engine within its limits. Blocks.
#[derive(Clone, Debug)]
pub struct Question {
    metrics: Metrics,
    tenant: Tenant,
    limit: ReadLimit,
    options: eval::Options,
    queued: Duration,
}

/// Ends a question when it is dropped.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One that waits, until it is dropped.
struct Waiting<'a>(&'a Metrics);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Parses a query, with what `metrics.promql_experimental` allows.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(&self, text: &str) -> Result<Expr, ParseErrors> {
        parse(text, hinomi_query::Options { experimental: self.0.settings.promql_experimental })
    }

    /// Does `work` where blocking is allowed, when there is a place for it. It ends at its deadline, and soon after
    /// the future is dropped.
    ///
    /// # Errors
    ///
    /// What `work` says; [`Unanswered::Queue`] and [`Unanswered::Died`].
    pub async fn ask<T, E>(
        &self,
        asked: &Asked,
        work: impl FnOnce(&Question) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        E: Into<Unanswered> + Send + 'static,
    {
        let mut question = self.question(asked);
        let _ending = Ending(Arc::clone(&question.limit.cancelled));
        let began = Instant::now();
        let place = self.place(question.limit.deadline).await?;
        question.queued = began.elapsed();
        let done = tokio::task::spawn_blocking(move || {
            // Nothing ends a thread: even if nobody waits for it any more, it is one of those at work.
            let _held = place;
            work(&question)
        });
        match done.await {
            Ok(answer) => answer.map_err(Into::into),
            Err(error) => Err(Unanswered::Died(error.to_string())),
        }
    }

    async fn place(
        &self,
        deadline: Option<Instant>,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, Unanswered> {
        let places = Arc::clone(&self.0.places);
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(self);
        let place = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), places.acquire_owned())
                .await
                .map_err(|_| Unanswered::Queue)?,
            None => places.acquire_owned().await,
        };
        place.map_err(|error| Unanswered::Died(error.to_string()))
    }

    /// A question of somebody who waits for no place: for what this process asks itself, a few at a time.
    #[must_use]
    pub fn question(&self, asked: &Asked) -> Question {
        let query = &self.0.settings.query;
        let timeout = asked.timeout.map_or(query.timeout, |timeout| timeout.min(query.timeout));
        let leave = self.0.budget.limit_bytes() / BUDGET_LEFT;
        let lookback = asked.lookback.unwrap_or(query.lookback);
        let experimental = self.0.settings.promql_experimental;
        Question {
            metrics: self.clone(),
            tenant: asked.tenant.clone(),
            limit: ReadLimit {
                samples_max: query.samples_max,
                series_max: query.series_max,
                deadline: Instant::now().checked_add(timeout),
                memory: Some(Meter::leaving(&self.0.budget, leave)),
                ..ReadLimit::unlimited()
            },
            options: eval::Options {
                lookback_ms: i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX),
                samples_max: query.samples_max,
                delayed_name_removal: experimental,
                start_timestamps: experimental,
                ..eval::Options::default()
            },
            queued: Duration::ZERO,
        }
    }
}

impl Question {
    /// The same, whose cost is counted more closely.
    #[must_use]
    pub fn counting(&self, counting: eval::Counting) -> Self {
        Self { options: eval::Options { counting, ..self.options }, ..self.clone() }
    }

    /// Evaluates a query at a time, milliseconds since the epoch. `expr` is what `text` was parsed to.
    ///
    /// # Errors
    ///
    /// As [`eval::instant`].
    pub fn instant(&self, text: &str, expr: &Expr, time_ms: i64) -> Result<Answer, QueryError> {
        eval::instant(self.source(), &self.query(text, expr), &self.options, time_ms)
    }

    /// Evaluates a query at every step of a range, milliseconds since the epoch. `expr` is what `text` was parsed to.
    ///
    /// # Errors
    ///
    /// As [`eval::range`].
    pub fn range(
        &self,
        text: &str,
        expr: &Expr,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
    ) -> Result<Answer, QueryError> {
        let query = self.query(text, expr);
        eval::range(self.source(), &query, &self.options, start_ms, end_ms, step_ms)
    }

    fn query<'a>(&self, text: &'a str, expr: &'a Expr) -> eval::Query<'a> {
        eval::Query { text, expr, tenant: self.tenant.clone(), limit: self.limit.clone() }
    }

    /// Series that any of the sets of matchers chooses, sorted, none twice.
    ///
    /// # Errors
    ///
    /// A limit, or the index cannot be read.
    pub fn series(&self, sets: &[Vec<Matcher>], range_ms: (i64, i64)) -> Result<Vec<Labels>, ReadError> {
        self.union(sets, range_ms, |what| self.source().series(what, &self.limit))
    }

    /// Names of labels of the series that any of the sets of matchers chooses (of all without a set), sorted.
    ///
    /// # Errors
    ///
    /// As [`Self::series`].
    pub fn label_names(&self, sets: &[Vec<Matcher>], range_ms: (i64, i64)) -> Result<Vec<String>, ReadError> {
        self.union(sets, range_ms, |what| self.source().label_names(what, &self.limit))
    }

    /// Values of a label in the series that any of the sets of matchers chooses (in all without a set), sorted.
    ///
    /// # Errors
    ///
    /// As [`Self::series`].
    pub fn label_values(
        &self,
        name: &str,
        sets: &[Vec<Matcher>],
        range_ms: (i64, i64),
    ) -> Result<Vec<String>, ReadError> {
        self.union(sets, range_ms, |what| self.source().label_values(name, what, &self.limit))
    }

    fn union<T: Ord>(
        &self,
        sets: &[Vec<Matcher>],
        (from_ms, to_ms): (i64, i64),
        ask: impl Fn(&Select) -> Result<Vec<T>, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let select =
            |matchers: Vec<Matcher>| Select { tenant: self.tenant.clone(), matchers, from_ms, to_ms };
        if sets.is_empty() {
            return ask(&select(Vec::new()));
        }
        let mut all = Vec::new();
        for matchers in sets {
            all.extend(ask(&select(matchers.clone()))?);
        }
        if sets.len() > 1 {
            all.sort_unstable();
            all.dedup();
        }
        Ok(all)
    }

    /// Whose data is asked of.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The metrics that are asked.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What it may take.
    #[must_use]
    pub fn limit(&self) -> &ReadLimit {
        &self.limit
    }

    /// How long it waited for its place.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.queued
    }

    fn source(&self) -> &dyn SeriesSource {
        self.metrics.db()
    }
}
