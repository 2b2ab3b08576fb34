//! `hinomi up` and `hinomi server`: opens the pipeline, the API in front of it, the collectors behind it; and closes
//! them in the opposite order.
//!
//! # Invariants
//!
//! - Order: pipeline, API, collectors; at the end collectors and API first, the pipeline last, so that what was seen
//!   is stored.
//! - From the first signal to the end less than 5 s; a second signal ends at once.
//! - A part that dies ends the process with code 1: whoever supervises it starts it again.

mod collectors;
mod docker_disk;
mod folder;
mod log;
mod numbers;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use hinomi_agent::rights::{self, Right};
use hinomi_base::budget::{Budget, default_limit_bytes};
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;
use hinomi_base::task::{self, ShutdownTrigger};
use hinomi_pipeline::CollectorStatus;
use hinomi_pipeline::settings::Settings;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::cli::{Global, LogFormat, Run};
use crate::config::{self, Loaded};
use crate::exit::{self, Code};
use crate::render::banner::{self, Banner};
use crate::render::status::{RIGHTS, TLS};
use crate::terminal::{self, Page};

pub(crate) use folder::data_dir;

/// Threads that run tasks: Hinomi waits more than it computes.
const WORKERS: usize = 2;
/// Threads for blocking calls at most, beside those of metrics: what watches and judges finds one whatever the
/// questions. They are made when they are needed.
const BLOCKING_OTHERS: usize = 16;
/// Stack of each, of which it takes what it uses: half of it is enough for the deepest query that there may be.
const STACK_BYTES: usize = hinomi_pipeline::STACK_BYTES;
/// How long the start screen waits for the runtime's first answer.
const FIRST_CONTACT: Duration = Duration::from_millis(800);
/// How long collectors and API may take to end.
const COLLECTORS_END: Duration = Duration::from_millis(1300);
/// How long the pipeline may take to end; its last write is bounded by itself.
const PIPELINE_END: Duration = Duration::from_millis(3400);
/// How long threads in blocking calls may hold up the end.
const THREADS_END: Duration = Duration::from_millis(100);

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Up,
    /// No collectors.
    Server,
}

/// Runs until a signal.
///
/// # Errors
///
/// When the configuration is wrong, or the data folder or the address can't be had.
pub(crate) fn up(global: &Global, run: &Run, role: Role) -> anyhow::Result<Code> {
    let mut loaded = config::load_given(&run.config, &config::given(global, run)?)?;
    let folder = data_dir(&loaded.settings, run.data_dir.as_deref())?;
    folder::make(&folder.path)?;
    loaded.settings.data_dir = folder.path;
    let blocking_max = blocking_max(&loaded.settings);
    let held = log::start(run.log_format)?;
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
    let start =
        Start { loaded, role, folder_note: folder.note, quiet: run.log_format == LogFormat::Json, held };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(blocking_max)
        .thread_stack_size(STACK_BYTES)
        .thread_name("hinomi")
        .enable_all()
        .build()
        .context("start the runtime")?;
    let ended = runtime.block_on(start.run());
    runtime.shutdown_timeout(THREADS_END);
    ended
}

/// Threads for blocking calls: one for each write and each question about metrics that may be at work at once, and some
/// for everything else.
fn blocking_max(settings: &Settings) -> usize {
    hinomi_pipeline::WRITES_AT_ONCE + settings.metrics.query.concurrent + BLOCKING_OTHERS
}

/// Says who else can see what goes over the network.
fn warn_of_listeners(settings: &Settings) {
    if settings.listen.ip().to_canonical().is_loopback() {
        return;
    }
    let listen = settings.listen;
    if settings.access.token.is_none() {
        tracing::warn!(%listen, "there is no token: whoever reaches this address sees everything");
    } else if settings.tls.is_none() {
        tracing::warn!(%listen, "there is no TLS: token and answers can be read on the way; set `tls`, or listen on loopback \
                        behind a proxy that has it");
    }
}

/// Probes the rights of this process.
pub(crate) fn rights(settings: &Settings, data_dir: &std::path::Path) -> Vec<Right> {
    let socket = settings.docker.host.strip_prefix("unix://").unwrap_or(&settings.docker.host);
    rights::explain(&rights::Options {
        docker_socket: socket.into(),
        data_dir: data_dir.to_path_buf(),
        oom: numbers::oom_options(settings),
        metrics: numbers::roots(settings),
    })
}

struct Start {
    loaded: Loaded,
    role: Role,
    folder_note: Option<String>,
    /// No start screen: standard output belongs to programs.
    quiet: bool,
    held: log::Held,
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

impl Start {
    async fn run(self) -> anyhow::Result<Code> {
        let signals = Signals::new().context("listen to signals")?;
        let settings = &self.loaded.settings;
        let (clock, counters) = (Clock::system(), Counters::default());
        let budget = Budget::new(settings.memory_max.map_or_else(default_limit_bytes, |size| size.0));
        let (pipeline, handle, intake) = hinomi_pipeline::open(hinomi_pipeline::Options {
            settings: settings.clone(),
            clock: clock.clone(),
            budget: budget.clone(),
            counters: counters.clone(),
        })?;
        let (set_ready, ready) = hinomi_server::ready();
        let options = hinomi_server::Options::new(settings, handle.clone(), ready);
        let server = hinomi_server::Service::bind(options).await?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let api = format!("{scheme}://{}", server.address());
        warn_of_listeners(settings);

        let (stop_pipeline, pipeline_stops) = task::shutdown();
        let (stop_outside, outside_stops) = task::shutdown();
        let pipeline = task::spawn("pipeline", async move {
            set_ready.send_replace(true);
            pipeline.run(pipeline_stops).await;
            set_ready.send_replace(false);
        });
        let server = tokio::spawn(server.run(outside_stops.clone()));
        let rights = match self.role {
            Role::Up => {
                let (settings, data_dir) = (settings.clone(), settings.data_dir.clone());
                tokio::task::spawn_blocking(move || rights(&settings, &data_dir)).await?
            }
            Role::Server => Vec::new(),
        };
        let mut outside = Vec::new();
        let mut shown = Vec::new();
        if self.role == Role::Up {
            let parts = collectors::Parts {
                settings,
                clock,
                budget,
                counters,
                handle: &handle,
                intake,
                rights: &rights,
            };
            outside = parts.start(&outside_stops);
            handle.give_signs_of_life(outside_stops.clone());
            collectors::first_contact(&handle, FIRST_CONTACT).await;
            let watches = |c: &CollectorStatus| c.name != RIGHTS && c.name != TLS;
            let says = |c: CollectorStatus| watches(&c).then_some((c.name, c.ok, c.detail));
            shown = handle.status().collectors.into_iter().filter_map(says).collect();
        }
        self.greet(&api, &rights, &shown)?;

        Running { pipeline, server, outside, stop_outside, stop_pipeline }.until_the_end(signals).await
    }

    fn greet(
        &self,
        api: &str,
        rights: &[Right],
        collectors: &[(String, bool, String)],
    ) -> anyhow::Result<()> {
        if !self.quiet {
            let file = self.loaded.file.as_ref().map(|file| file.display().to_string());
            let screen = Banner {
                settings: &self.loaded.settings,
                file: file.as_deref(),
                api,
                data_dir_note: self.folder_note.as_deref(),
                collectors,
                rights,
            };
            let text = banner::text(&Page::stdout(), &screen);
            // A closed standard output is no reason not to watch.
            if let Err(error) = terminal::print(&text)
                && std::io::stdout().is_terminal()
            {
                return Err(error).context("write the start screen");
            }
        }
        self.held.release();
        Ok(())
    }
}

/// All parts at work, and what stops them.
struct Running {
    pipeline: JoinHandle<()>,
    server: JoinHandle<Result<(), hinomi_server::Error>>,
    outside: Vec<JoinHandle<()>>,
    /// Stops collectors and API.
    stop_outside: ShutdownTrigger,
    stop_pipeline: ShutdownTrigger,
}

impl Running {
    /// Until a signal, or until a part dies; then everything ends in its order.
    async fn until_the_end(mut self, mut signals: Signals) -> anyhow::Result<Code> {
        let mut died = None;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "ending"),
            _ = &mut self.pipeline => {
                died = Some(anyhow::anyhow!("the pipeline ended by itself; the log says why"));
            }
            ended = &mut self.server => died = Some(match ended {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) => anyhow::anyhow!("the API ended by itself"),
                Err(error) => anyhow::anyhow!("the API died ({error}); this is a bug in Hinomi"),
            }),
        }
        tokio::select! {
            () = self.end() => {}
            name = signals.next() => tracing::warn!(signal = name, "ending at once"),
        }
        died.map_or(Ok(exit::OK), Err)
    }

    async fn end(mut self) {
        self.stop_outside.raise();
        join(self.outside, COLLECTORS_END).await;
        self.stop_pipeline.raise();
        // One that died was awaited already.
        if !self.pipeline.is_finished()
            && tokio::time::timeout(PIPELINE_END, &mut self.pipeline).await.is_err()
        {
            tracing::error!("the pipeline did not end in time; what it had not stored shows as a gap later");
        }
    }
}

async fn join(tasks: Vec<JoinHandle<()>>, limit: Duration) {
    let all = async {
        for task in tasks {
            let _died_and_logged = task.await;
        }
    };
    if tokio::time::timeout(limit, all).await.is_err() {
        tracing::warn!("a collector did not end in time; it is left behind");
    }
}
