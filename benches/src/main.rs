//! `hinomi-bench [NAME…] [--short]`: measures, prints, keeps the results and renders the document.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use hinomi_bench::{ALL, Bench, Form, record, rig};

const USAGE: &str = "usage: hinomi-bench [NAME...] [--short] [--render]
  NAME      only these measurements; else all
  --short   the short forms
  --render  measure nothing, make docs/benchmarks.md from benches/results.json
HINOMI_BIN names the binary, HINOMI_BENCH_LOG a file for its log.";

struct Asked {
    benches: Vec<Bench>,
    form: Form,
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

fn run(args: Vec<String>) -> Result<bool> {
    let asked = ask(args)?;
    if let Some(reason) = hinomi_testkit::docker::unavailable() {
        bail!("cannot measure here: {reason}");
    }
    let mut all_hold = true;
    for bench in &asked.benches {
        say(&format!("measuring {} ({} form), load {:.2}", bench.name, asked.form.word(), rig::load()));
        all_hold &= measure(bench, asked.form);
    }
    render()?;
    Ok(all_hold)
}

fn render() -> Result<()> {
    let text = record::document(&record::read(&record::results_file())?);
    Ok(std::fs::write(record::document_file(), text)?)
}

/// Measures, prints and keeps; returns whether every line holds. One that cannot be measured does not keep the others
/// from it.
fn measure(bench: &Bench, form: Form) -> bool {
    let (load, began) = (rig::load(), Instant::now());
    let kept = (bench.run)(form).and_then(|lines| {
        for line in &lines {
            say(&line.to_string());
        }
        let result = record::result(form, &lines, load, began.elapsed().as_secs_f64());
        record::keep(&record::results_file(), bench.name, form, result)?;
        Ok(lines.iter().all(hinomi_bench::Line::holds))
    });
    kept.unwrap_or_else(|error| {
        say(&format!("bench {}: could not be measured: {error:#} FAIL", bench.name));
        false
    })
}

fn ask(args: Vec<String>) -> Result<Asked> {
    let mut asked = Asked { benches: Vec::new(), form: Form::Full };
    let mut render_only = false;
    for arg in args {
        match arg.as_str() {
            "--short" => asked.form = Form::Short,
            "--render" => render_only = true,
            name => match ALL.iter().find(|bench| bench.name == name) {
                Some(bench) => asked.benches.push(*bench),
                None => bail!("no measurement {name}; there are {}\n{USAGE}", names()),
            },
        }
    }
    if render_only {
        render()?;
        asked.benches.clear();
    } else if asked.benches.is_empty() {
        asked.benches = ALL.to_vec();
    }
    Ok(asked)
}

fn names() -> String {
    ALL.map(|bench| bench.name).join(", ")
}
