//! Prints the metrics of this host, and of given containers, as a scraper would see them; and on standard error what a
//! round costs.
//!
//! `metrics [--procfs DIR] [--sysfs DIR] [--cgroupfs DIR] [--rootfs DIR] [--container ID:PID:NAME:IMAGE]…
//! [--rounds N] [--every MILLISECONDS] [--openmetrics] [--quiet]`

use std::io::Write as _;
use std::time::{Duration, Instant};

use hinomi_agent::metrics::{ContainerRef, Containers, Families, Host, Options, Roots};
use hinomi_base::clock::Clock;
use hinomi_wire::Format;
use rustix::time::{ClockId, clock_gettime};

#[derive(Default)]
struct Arguments {
    roots: Roots,
    containers: Vec<ContainerRef>,
    rounds: u32,
    every: Duration,
    format: Format,
    quiet: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { rounds: 2, every: Duration::from_millis(100), ..Arguments::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--openmetrics" => parsed.format = Format::OpenMetrics,
            "--quiet" => parsed.quiet = true,
            _ => {
                let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
                set(&mut parsed, &name, value)?;
            }
        }
    }
    Ok(parsed)
}

fn set(parsed: &mut Arguments, name: &str, value: String) -> Result<(), String> {
    let number = |value: &str| value.parse::<u32>().map_err(|error| format!("{name} {value}: {error}"));
    match name {
        "--procfs" => parsed.roots.proc = value.into(),
        "--sysfs" => parsed.roots.sys = value.into(),
        "--cgroupfs" => parsed.roots.cgroup = value.into(),
        "--rootfs" => parsed.roots.root = value.into(),
        "--rounds" => parsed.rounds = number(&value)?,
        "--every" => parsed.every = Duration::from_millis(number(&value)?.into()),
        "--container" => {
            let mut parts = value.splitn(4, ':').map(str::to_owned);
            let mut part = || parts.next().unwrap_or_default();
            let (id, pid, name, image) = (part(), part(), part(), part());
            let pid = number(&pid)?;
            parsed.containers.push(ContainerRef {
                id,
                pid,
                name,
                image,
                own_network: true,
                ..Default::default()
            });
        }
        _ => return Err(format!("unknown option {name}")),
    }
    Ok(())
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn main() -> Result<(), String> {
    let arguments = arguments()?;
    let (clock, options) = (Clock::system(), Options::default());
    let mut host = Host::new(arguments.roots.clone(), options.clone());
    let mut containers = Containers::new(arguments.roots, options);
    let mut families = Families::new();
    let mut report = std::io::stderr().lock();
    for round in 0..arguments.rounds {
        if round > 0 {
            std::thread::sleep(arguments.every);
        }
        families.clear();
        let (began, cpu) = (Instant::now(), cpu_time());
        host.collect(clock.wall() / 1_000_000, &mut families);
        let host_cpu = cpu_time().saturating_sub(cpu);
        containers.collect(&arguments.containers, clock.wall() / 1_000_000, &mut families);
        let all_cpu = cpu_time().saturating_sub(cpu);
        let samples = families.samples();
        let line = format!(
            "round {round}: {samples} samples of {} families, host {host_cpu:?} CPU, containers {:?} CPU, {:?} in all\n",
            families.iter().count(),
            all_cpu.saturating_sub(host_cpu),
            began.elapsed(),
        );
        report.write_all(line.as_bytes()).map_err(|error| error.to_string())?;
    }
    for off in host.off().iter().chain(&containers.off()) {
        let line = format!("off: {}: {}\n", off.feature, off.reason);
        report.write_all(line.as_bytes()).map_err(|error| error.to_string())?;
    }
    let mut text = String::new();
    arguments.format.write(&families, &[], &mut text);
    if arguments.quiet {
        return Ok(());
    }
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| error.to_string())
}
