//! The functions of PromQL: their names, what they take and what they yield. What they do is the evaluator's.

use crate::ast::ValueType;

/// How often the last argument may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Exactly once.
    Once,
    /// At most this often more than the others need; once and not at all included.
    AtMost(usize),
    /// Any number of times, and not at all.
    Any,
}

/// A function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What its arguments are; the last stands for all that follow, see `repeat`.
    pub args: &'static [ValueType],
    /// Whether the last argument may be left out or repeated.
    pub repeat: Repeat,
    /// What it yields.
    pub result: ValueType,
    /// Whether it has to be switched on.
    pub experimental: bool,
}

impl Function {
    /// Fewest arguments.
    #[must_use]
    pub const fn args_min(&self) -> usize {
        match self.repeat {
            Repeat::Once => self.args.len(),
            Repeat::AtMost(_) | Repeat::Any => self.args.len().saturating_sub(1),
        }
    }

    /// Most arguments; `None`: any number.
    #[must_use]
    pub const fn args_max(&self) -> Option<usize> {
        match self.repeat {
            Repeat::Once => Some(self.args.len()),
            Repeat::AtMost(more) => Some(self.args.len().saturating_sub(1) + more),
            Repeat::Any => None,
        }
    }

    /// What the argument at a place has to be.
    #[must_use]
    pub fn arg(&self, at: usize) -> Option<ValueType> {
        self.args.get(at).or(self.args.last()).copied()
    }
}

/// The function of a name.
#[must_use]
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by_key(&name, |known| known.name).ok().and_then(|at| FUNCTIONS.get(at))
}

const S: ValueType = ValueType::Scalar;
const T: ValueType = ValueType::String;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;

/// A function that everybody may call.
const fn stable(
    name: &'static str,
    args: &'static [ValueType],
    repeat: Repeat,
    result: ValueType,
) -> Function {
    Function { name, args, repeat, result, experimental: false }
}

/// A function that has to be switched on.
const fn experimental(
    name: &'static str,
    args: &'static [ValueType],
    repeat: Repeat,
    result: ValueType,
) -> Function {
    Function { name, args, repeat, result, experimental: true }
}

/// All of them, sorted by name.
pub static FUNCTIONS: [Function; 90] = [
    stable("abs", &[V], Repeat::Once, V),
    stable("absent", &[V], Repeat::Once, V),
    stable("absent_over_time", &[M], Repeat::Once, V),
    stable("acos", &[V], Repeat::Once, V),
    stable("acosh", &[V], Repeat::Once, V),
    stable("asin", &[V], Repeat::Once, V),
    stable("asinh", &[V], Repeat::Once, V),
    stable("atan", &[V], Repeat::Once, V),
    stable("atanh", &[V], Repeat::Once, V),
    stable("avg_over_time", &[M], Repeat::Once, V),
    stable("ceil", &[V], Repeat::Once, V),
    stable("changes", &[M], Repeat::Once, V),
    stable("clamp", &[V, S, S], Repeat::Once, V),
    stable("clamp_max", &[V, S], Repeat::Once, V),
    stable("clamp_min", &[V, S], Repeat::Once, V),
    stable("cos", &[V], Repeat::Once, V),
    stable("cosh", &[V], Repeat::Once, V),
    stable("count_over_time", &[M], Repeat::Once, V),
    stable("day_of_month", &[V], Repeat::AtMost(1), V),
    stable("day_of_week", &[V], Repeat::AtMost(1), V),
    stable("day_of_year", &[V], Repeat::AtMost(1), V),
    stable("days_in_month", &[V], Repeat::AtMost(1), V),
    stable("deg", &[V], Repeat::Once, V),
    stable("delta", &[M], Repeat::Once, V),
    stable("deriv", &[M], Repeat::Once, V),
    experimental("double_exponential_smoothing", &[M, S, S], Repeat::Once, V),
    experimental("end", &[], Repeat::Once, S),
    stable("exp", &[V], Repeat::Once, V),
    stable("first_over_time", &[M], Repeat::Once, V),
    stable("floor", &[V], Repeat::Once, V),
    stable("histogram_avg", &[V], Repeat::Once, V),
    stable("histogram_count", &[V], Repeat::Once, V),
    stable("histogram_fraction", &[S, S, V], Repeat::Once, V),
    stable("histogram_quantile", &[S, V], Repeat::Once, V),
    experimental("histogram_quantiles", &[V, T, S, S], Repeat::AtMost(9), V),
    stable("histogram_stddev", &[V], Repeat::Once, V),
    stable("histogram_stdvar", &[V], Repeat::Once, V),
    stable("histogram_sum", &[V], Repeat::Once, V),
    stable("hour", &[V], Repeat::AtMost(1), V),
    stable("idelta", &[M], Repeat::Once, V),
    stable("increase", &[M], Repeat::Once, V),
    experimental("info", &[V, V], Repeat::AtMost(1), V),
    stable("irate", &[M], Repeat::Once, V),
    stable("label_join", &[V, T, T, T], Repeat::Any, V),
    stable("label_replace", &[V, T, T, T, T], Repeat::Once, V),
    stable("last_over_time", &[M], Repeat::Once, V),
    stable("ln", &[V], Repeat::Once, V),
    stable("log10", &[V], Repeat::Once, V),
    stable("log2", &[V], Repeat::Once, V),
    experimental("mad_over_time", &[M], Repeat::Once, V),
    experimental("max_of", &[S, S], Repeat::Once, S),
    stable("max_over_time", &[M], Repeat::Once, V),
    experimental("min_of", &[S, S], Repeat::Once, S),
    stable("min_over_time", &[M], Repeat::Once, V),
    stable("minute", &[V], Repeat::AtMost(1), V),
    stable("month", &[V], Repeat::AtMost(1), V),
    stable("pi", &[], Repeat::Once, S),
    stable("predict_linear", &[M, S], Repeat::Once, V),
    stable("present_over_time", &[M], Repeat::Once, V),
    stable("quantile_over_time", &[S, M], Repeat::Once, V),
    stable("rad", &[V], Repeat::Once, V),
    experimental("range", &[], Repeat::Once, S),
    stable("rate", &[M], Repeat::Once, V),
    stable("resets", &[M], Repeat::Once, V),
    stable("round", &[V, S], Repeat::AtMost(1), V),
    stable("scalar", &[V], Repeat::Once, S),
    stable("sgn", &[V], Repeat::Once, V),
    stable("sin", &[V], Repeat::Once, V),
    stable("sinh", &[V], Repeat::Once, V),
    stable("sort", &[V], Repeat::Once, V),
    experimental("sort_by_label", &[V, T], Repeat::Any, V),
    experimental("sort_by_label_desc", &[V, T], Repeat::Any, V),
    stable("sort_desc", &[V], Repeat::Once, V),
    stable("sqrt", &[V], Repeat::Once, V),
    experimental("start", &[], Repeat::Once, S),
    experimental("start_timestamp", &[V], Repeat::Once, V),
    stable("stddev_over_time", &[M], Repeat::Once, V),
    stable("stdvar_over_time", &[M], Repeat::Once, V),
    experimental("step", &[], Repeat::Once, S),
    stable("sum_over_time", &[M], Repeat::Once, V),
    stable("tan", &[V], Repeat::Once, V),
    stable("tanh", &[V], Repeat::Once, V),
    stable("time", &[], Repeat::Once, S),
    stable("timestamp", &[V], Repeat::Once, V),
    experimental("ts_of_first_over_time", &[M], Repeat::Once, V),
    experimental("ts_of_last_over_time", &[M], Repeat::Once, V),
    experimental("ts_of_max_over_time", &[M], Repeat::Once, V),
    experimental("ts_of_min_over_time", &[M], Repeat::Once, V),
    stable("vector", &[S], Repeat::Once, V),
    stable("year", &[V], Repeat::AtMost(1), V),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_their_names() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for known in &FUNCTIONS {
            assert_eq!(function(known.name).map(|found| found.name), Some(known.name));
        }
        assert_eq!(function("holt_winters"), None);
    }

    #[test]
    fn arguments_are_counted() {
        let table = [
            ("time", 0, Some(0)),
            ("rate", 1, Some(1)),
            ("round", 1, Some(2)),
            ("hour", 0, Some(1)),
            ("label_join", 3, None),
            ("histogram_quantiles", 3, Some(12)),
        ];
        for (name, least, most) in table {
            let found = function(name).unwrap();
            assert_eq!((found.args_min(), found.args_max()), (least, most), "{name}");
        }
        assert_eq!(function("label_join").unwrap().arg(9), Some(ValueType::String));
    }
}
