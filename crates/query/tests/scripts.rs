//! Runs scripts in the language of Prometheus' own tests: ours below `tests/scripts/promql`, and those of the
//! conformance kit.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test")]
#![allow(clippy::cast_possible_truncation, clippy::string_slice, clippy::float_cmp, reason = "a test")]
#![allow(clippy::cast_possible_wrap, reason = "a test")]

#[path = "promql/judge.rs"]
mod judge;
#[path = "promql/script.rs"]
mod script;
#[path = "promql/source.rs"]
mod source;
#[path = "promql/values.rs"]
mod values;

use std::path::{Path, PathBuf};

use hinomi_model::Tenant;
use hinomi_model::metrics::ReadLimit;
use hinomi_query::eval::{self, Answer, Query, QueryError};
use script::{Command, Eval};
use source::Memory;

/// Evals of the kit that fail, and why.
const KNOWN: [(&str, usize, &str); 0] = [];

/// What came of an eval.
struct Verdict {
    file: String,
    line: usize,
    expr: String,
    result: Result<(), String>,
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "test")).collect();
    files.sort();
    files
}

fn run(folder: &Path) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for path in files(folder) {
        let file = path.file_name().unwrap().to_string_lossy().to_string();
        for block in script::parse(&std::fs::read_to_string(&path).unwrap()) {
            let mut memory = Memory::default();
            for command in &block {
                match command {
                    Command::Load(load) => script::load(load, &mut memory),
                    Command::Eval(eval) => verdicts.push(Verdict {
                        file: file.clone(),
                        line: eval.line,
                        expr: eval.expr.clone(),
                        // Files whose names say so are asked as everybody asks who switched nothing on.
                        result: judge::judge(eval, &ask(&memory, eval, file.starts_with("plain_"))),
                    }),
                }
            }
        }
    }
    verdicts
}

fn ask(memory: &Memory, eval: &Eval, plain: bool) -> Result<Answer, QueryError> {
    let syntax = hinomi_query::Options { experimental: true };
    let expr = hinomi_query::parse(&eval.expr, syntax)?;
    let options =
        eval::Options { delayed_name_removal: !plain, start_timestamps: !plain, ..eval::Options::default() };
    let (tenant, limit) = (Tenant::default(), ReadLimit::unlimited());
    let query = Query { text: &eval.expr, expr: &expr, tenant, limit };
    let (start, end, step) = eval.times;
    if eval.is_range {
        eval::range(memory, &query, &options, start, end, step)
    } else {
        eval::instant(memory, &query, &options, start)
    }
}

fn failures(verdicts: &[Verdict]) -> Vec<&Verdict> {
    verdicts.iter().filter(|verdict| verdict.result.is_err()).collect()
}

fn told(failures: &[&Verdict]) -> String {
    let line = |verdict: &&Verdict| {
        let why = verdict.result.as_ref().unwrap_err();
        format!("{}:{} {}\n    {why}\n", verdict.file, verdict.line, verdict.expr)
    };
    failures.iter().map(line).collect()
}

#[test]
fn our_scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scripts/promql");
    let verdicts = run(&folder);
    let failures = failures(&verdicts);
    assert!(failures.is_empty(), "\n{}", told(&failures));
    assert!(verdicts.len() >= 40, "only {} evals", verdicts.len());
}

#[test]
fn conformance() {
    let Some(folder) = hinomi_testkit::cases("promql") else { return };
    let verdicts = run(&folder.join("conformance/promql/cases"));
    let failures = failures(&verdicts);
    let unexpected: Vec<&Verdict> = failures
        .iter()
        .copied()
        .filter(|verdict| !KNOWN.iter().any(|known| known.0 == verdict.file && known.1 == verdict.line))
        .collect();
    let passed = verdicts.len() - failures.len();
    assert!(unexpected.is_empty(), "{passed} of {} pass\n{}", verdicts.len(), told(&unexpected));
    let failed = |known: &(&str, usize, &str)| {
        failures.iter().any(|verdict| known.0 == verdict.file && known.1 == verdict.line)
    };
    let mended: Vec<_> = KNOWN.iter().filter(|known| !failed(known)).collect();
    assert!(mended.is_empty(), "these pass now, take them out of the list: {mended:?}");
    assert!(passed >= 1_322, "only {passed} of {} pass", verdicts.len());
}
