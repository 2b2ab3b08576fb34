//! `hinomi backup` of a running server and `hinomi restore` of that: same answers, nothing left behind, and a way back.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use hinomi_bench::town;
use hinomi_series::Labels;
use hinomi_testkit::hinomi::{Options, Server, binary};
use hinomi_testkit::net::request;
use hinomi_testkit::process::{find_tool, wait_for};
use hinomi_wire::remote_write::{Sample, TimeSeries, pack, write_v1};
use serde_json::Value;

const SERIES: i64 = 40;
const SAMPLES: i64 = 300;
/// Milliseconds between two samples.
const STEP_MS: i64 = 1000;

#[expect(clippy::disallowed_methods, reason = "samples carry this machine's time")]
fn now_ms() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// A Hinomi that watches nothing.
fn server(data_dir: &Path) -> Result<Server> {
    let host = format!("host: {{ name: {} }}", town::HOST);
    Options::new().without_collectors().config(&host).data_dir(data_dir).start()
}

/// Sends samples; they are durable when this returns.
fn write(to: SocketAddr, series: &[(Labels, Vec<Sample>)]) -> Result<()> {
    let all: Vec<_> = series.iter().map(|(labels, samples)| TimeSeries { labels, samples }).collect();
    let body = pack(&write_v1(&all)).context("pack")?;
    let headers = [("Content-Type", "application/x-protobuf"), ("Content-Encoding", "snappy")];
    let answer = request(None, to, "POST", "/api/v1/write", &headers, &body, Duration::from_secs(20))?;
    ensure!(answer.status == 204, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(())
}

/// Some series that no compression makes vanish.
fn series(until_ms: i64) -> Vec<(Labels, Vec<Sample>)> {
    let of = |number: i64| {
        let labels = Labels::from_pairs([
            ("__name__", "shop_orders_total"),
            ("job", if number % 2 == 0 { "even" } else { "odd" }),
            ("shop", &format!("shop-{number}")),
        ]);
        let sample = |step: i64| Sample {
            t_ms: until_ms - (SAMPLES - step) * STEP_MS,
            start_ms: 0,
            value: f64::from(i32::try_from(number * step + step * step % 17).unwrap_or(0)) / 3.0,
        };
        (labels, (1..=SAMPLES).map(sample).collect())
    };
    (0..SERIES).map(of).collect()
}

fn hinomi(args: &[&str]) -> Result<Output> {
    Command::new(binary()?).args(args).output().context("hinomi")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn path(of: &Path) -> Result<&str> {
    of.to_str().context("a path")
}

fn query(hinomi: &Server, text: &str, at_ms: i64) -> Result<Value> {
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = hinomi.get(&format!("/api/v1/query?query={encoded}&time={}", at_ms / 1000))?;
    ensure!(answer["status"] == "success", "{text}: {answer}");
    let mut rows = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    rows.sort_by_key(ToString::to_string);
    Ok(rows.into())
}

fn number(rows: &Value) -> Option<i64> {
    rows[0]["value"][1].as_str()?.parse().ok()
}

const QUERIES: [&str; 4] = [
    "sum by (job) (rate(shop_orders_total[1m]))",
    "count_over_time(shop_orders_total[10m])",
    "shop_orders_total",
    "topk(3, shop_orders_total)",
];

/// What people see: numbers of one moment, what happened until then, what is wrong and was.
fn answers(hinomi: &Server, at_ms: i64, to: &str) -> Result<Vec<Value>> {
    let mut all = QUERIES.iter().map(|text| query(hinomi, text, at_ms)).collect::<Result<Vec<_>>>()?;
    let timeline = hinomi.get(&format!("/api/hinomi/v1/timeline?since=2d&to={to}&limit=5000"))?;
    all.push(timeline["changes"].clone());
    let findings = hinomi.get("/api/hinomi/v1/findings?all=true")?;
    let keep = |finding: &Value| {
        ["id", "level", "cause", "cause_class", "started_at", "resolved_at", "evidence"]
            .map(|key| finding[key].clone())
            .to_vec()
    };
    let findings = findings["findings"].as_array().context("findings")?;
    all.push(findings.iter().map(keep).collect::<Vec<_>>().into());
    all.push(hinomi.get("/api/hinomi/v1/incidents?all=true")?["incidents"].clone());
    Ok(all)
}

fn copies(data_dir: &Path) -> Result<Vec<String>> {
    let names =
        std::fs::read_dir(data_dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<Result<Vec<_>>>()?;
    Ok(names.into_iter().filter(|name| name.starts_with("backup-")).collect())
}

#[test]
fn a_backup_under_load_answers_as_the_original() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("hinomi-backup-").tempdir()?;
    let dir = |name: &str| folder.path().join(name);
    let written = town::write(&dir("data"), town::Size { workloads: 40, broken: 6, changes: 400 })?;
    let original = server(&dir("data"))?;
    let at_ms = now_ms()?;
    write(original.address(), &series(at_ms))?;

    let (acknowledged, stop) = (AtomicI64::new(0), AtomicBool::new(false));
    let archive = dir("hinomi.tar.zst");
    let before = std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<()> {
            for count in 1.. {
                let t_ms = at_ms + i64::from(count);
                let sample = Sample { t_ms, start_ms: 0, value: f64::from(count) };
                let labels = Labels::from_pairs([("__name__", "going_on")]);
                write(original.address(), &[(labels, vec![sample])])?;
                acknowledged.store(i64::from(count), Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
            Ok(())
        });
        let waited = wait_for("writes", Duration::from_secs(20), || {
            (acknowledged.load(Ordering::SeqCst) > 20).then_some(())
        });
        let before = acknowledged.load(Ordering::SeqCst);
        let made = original.cli(&["backup", path(&archive)?, "--output", "json"]);
        stop.store(true, Ordering::SeqCst);
        writer.join().map_err(|_| anyhow::anyhow!("the writer died"))??;
        waited?;
        let made = made?;
        ensure!(made.status.success(), "{}", said(&made));
        let told: Value = serde_json::from_slice(&made.stdout)?;
        ensure!(told["archive_bytes"].as_u64() == Some(archive.metadata()?.len()), "{told}");
        Ok(before)
    })?;
    let after = acknowledged.load(Ordering::SeqCst);
    wait_for("no copy", Duration::from_secs(10), || copies(&dir("data")).ok()?.is_empty().then_some(()))?;

    let again = original.cli(&["backup", path(&archive)?])?;
    ensure!(again.status.code() == Some(2) && said(&again).contains("--force"), "{}", said(&again));
    let piped = original.cli(&["backup", "-"])?;
    ensure!(
        piped.status.success() && piped.stdout.len() > 1000,
        "{}",
        String::from_utf8_lossy(&piped.stderr)
    );
    std::fs::write(dir("piped.tar.zst"), &piped.stdout)?;

    let restored = hinomi(&["restore", path(&archive)?, "--data-dir", path(&dir("copy"))?])?;
    ensure!(restored.status.success(), "{}", said(&restored));
    let copy = server(&dir("copy"))?;
    let to = "2100-01-01T00:00:00Z";
    let (want, got) = (answers(&original, at_ms, to)?, answers(&copy, at_ms, to)?);
    let names = QUERIES.into_iter().chain(["timeline", "findings", "incidents"]);
    for ((name, want), got) in names.zip(&want).zip(&got) {
        ensure!(want == got, "{name}: {got} instead of {want}");
        ensure!(want.as_array().is_some_and(|rows| !rows.is_empty()), "{name} compares nothing");
    }
    let changes = want.get(QUERIES.len()).and_then(|rows| Some(rows.as_array()?.len()));
    ensure!(changes.is_some_and(|count| count * 2 > written), "{changes:?} of {written} changes");
    // Everything acknowledged before, and of what came meanwhile a beginning.
    let now = now_ms()? + 1000;
    let count = number(&query(&copy, "count_over_time(going_on[10m])", now)?).context("a count")?;
    let newest = number(&query(&copy, "max_over_time(going_on[10m])", now)?);
    ensure!(
        (before..=after).contains(&count) && newest == Some(count),
        "{before} {count} {newest:?} {after}"
    );
    drop(copy);

    undo(folder.path(), at_ms, &want)?;
    foreign_tools(&archive)
}

/// `--force` keeps what is there, and that can be put back.
fn undo(folder: &Path, at_ms: i64, want: &[Value]) -> Result<()> {
    let dir = |name: &str| folder.join(name);
    let archive = dir("piped.tar.zst");
    let refused = hinomi(&["restore", path(&archive)?, "--data-dir", path(&dir("copy"))?])?;
    ensure!(refused.status.code() == Some(2) && said(&refused).contains("--force"), "{}", said(&refused));
    let used = hinomi(&["restore", path(&archive)?, "--data-dir", path(&dir("data"))?, "--force"])?;
    ensure!(used.status.code() == Some(1) && said(&used).contains("is in use by process"), "{}", said(&used));
    // A changed byte, and a cut, change nothing.
    let good = std::fs::read(&archive)?;
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    *bad.get_mut(middle).context("a byte")? ^= 4;
    std::fs::write(dir("copy/mine"), "mine")?;
    for (bytes, want) in [(&bad[..], "damaged"), (good.get(..middle).unwrap_or_default(), "cut off")] {
        std::fs::write(dir("bad.tar.zst"), bytes)?;
        let failed =
            hinomi(&["restore", path(&dir("bad.tar.zst"))?, "--data-dir", path(&dir("copy"))?, "--force"])?;
        let text = said(&failed);
        ensure!(failed.status.code() == Some(1) && text.contains(want) && text.contains("at byte"), "{text}");
        ensure!(dir("copy/mine").exists());
    }
    let copy = dir("copy");
    let args = ["restore", path(&archive)?, "--data-dir", path(&copy)?, "--force", "--output", "json"];
    let forced = hinomi(&args)?;
    ensure!(forced.status.success(), "{}", said(&forced));
    let told: Value = serde_json::from_slice(&forced.stdout)?;
    let kept = told["kept"].as_str().context("kept")?;
    ensure!(Path::new(kept).join("mine").exists() && !dir("copy/mine").exists(), "{told}");
    ensure!(answers(&server(&dir("copy"))?, at_ms, "2100-01-01T00:00:00Z")? == want, "after --force");
    std::fs::rename(dir("copy"), dir("second"))?;
    std::fs::rename(kept, dir("copy"))?;
    ensure!(answers(&server(&dir("copy"))?, at_ms, "2100-01-01T00:00:00Z")? == want, "after the way back");
    Ok(())
}

/// It is what it says: a tar in zstd.
fn foreign_tools(archive: &Path) -> Result<()> {
    let (Some(zstd), Some(tar)) = (find_tool("zstd"), find_tool("tar")) else { return Ok(()) };
    let plain = Command::new(zstd).arg("-dc").arg(archive).output()?;
    ensure!(plain.status.success(), "{}", said(&plain));
    let file = archive.with_extension("plain");
    std::fs::write(&file, plain.stdout)?;
    let listed = Command::new(tar).arg("tf").arg(&file).output()?;
    let names = said(&listed);
    ensure!(listed.status.success() && names.starts_with("hinomi-backup.json\n"), "{names}");
    ensure!(names.ends_with("hinomi-backup-manifest.json\n") && names.contains("\nmetrics/"), "{names}");
    Ok(())
}

#[test]
fn a_kill_in_the_middle_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("hinomi-backup-").tempdir()?;
    let data = folder.path().join("data");
    let mut hinomi = server(&data)?;
    let at_ms = now_ms()?;
    write(hinomi.address(), &series(at_ms))?;
    // So much that it waits for its reader.
    let noise = data.join("metrics/wal/ffffffffffffff00.log");
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::fs::write(&noise, (0..32 << 20).map(next).collect::<Vec<u8>>())?;
    let mut reader = TcpStream::connect(hinomi.address())?;
    reader.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(reader, "POST /api/hinomi/v1/backup HTTP/1.1\r\nHost: {}\r\n\r\n", hinomi.address())?;
    reader.read_exact(&mut [0; 1000])?;
    ensure!(copies(&data)?.len() == 1);
    let second = hinomi.cli(&["backup", path(&folder.path().join("second"))?])?;
    ensure!(second.status.code() == Some(1), "{}", said(&second));
    ensure!(said(&second).contains("is being made already") && !folder.path().join("second").exists());
    hinomi.kill9()?;
    ensure!(copies(&data)?.len() == 1, "it lies there until the next start");
    std::fs::remove_file(&noise)?;
    hinomi.start_again()?;
    ensure!(copies(&data)?.is_empty());
    ensure!(number(&query(&hinomi, "count(shop_orders_total)", at_ms)?) == Some(SERIES));
    let made = hinomi.cli(&["backup", path(&folder.path().join("third"))?])?;
    ensure!(made.status.success(), "{}", said(&made));
    Ok(())
}
