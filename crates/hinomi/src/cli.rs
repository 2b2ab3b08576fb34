//! What can be typed: commands, options, examples.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const ABOUT: &str = "Watches the healing of your containers, and tells you what can't heal by itself";

const AFTER: &str = "\
Examples:
  hinomi up                    watch the Docker Engine of this machine
  hinomi findings              what is wrong now
  hinomi why shop/web          why a container or workload is as it is
  hinomi timeline --since 2h   what happened
  hinomi query up              numbers, in PromQL
  hinomi receivers test --all  whether messages arrive

Exit codes:
  0  all is well
  1  a finding is open (findings, why), or the command failed
  2  wrong usage or configuration

Environment:
  HINOMI_SERVER    address that commands ask, as --server
  HINOMI_TOKEN     token, as the one in the file of --token-file
  HINOMI_CONFIG    configuration file, as --config
  HINOMI_DATA_DIR  data folder, as --data-dir
  HINOMI_LOG       log filter, like info or hinomi_agent=debug (RUST_LOG works too)
  NO_COLOR         no colours";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "hinomi", version, about = ABOUT, after_help = AFTER, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Hinomi to ask [default: `listen` of the configuration, else http://127.0.0.1:8119]
    #[arg(
        long,
        global = true,
        display_order = 100,
        value_name = "URL",
        env = "HINOMI_SERVER",
        hide_env = true
    )]
    pub(crate) server: Option<String>,
    /// File with the token that `up` and `server` ask for, and that commands send
    #[arg(long, global = true, display_order = 102, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Root certificates to trust instead of the system's, PEM, for https:// servers
    #[arg(long, global = true, display_order = 103, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// How to print answers: text or json; of query also csv
    #[arg(
        long,
        global = true,
        display_order = 101,
        value_enum,
        value_name = "FORMAT",
        default_value = "text"
    )]
    #[arg(hide_possible_values = true)]
    pub(crate) output: Output,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: as the API answers.
    Json,
    /// For programs: rows, of `query` only.
    Csv,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch this machine: collectors, pipeline and API in one process
    #[command(after_help = "\
Examples:
  hinomi up
  hinomi up --config ./hinomi.yaml --data-dir ./data
  hinomi up --listen 127.0.0.1:9000 --log-format json
  hinomi up --listen 0.0.0.0:8119 --token-file ./token --tls-cert ./cert.pem --tls-key ./key.pem

Without --config, /etc/hinomi/hinomi.yaml is read if it exists.
Without the right to write the default data folder, $XDG_STATE_HOME/hinomi (or
~/.local/state/hinomi) is used.

Exit code 0: ended by SIGTERM or SIGINT; 1: it failed; 2: wrong usage or configuration.")]
    Up(Run),
    /// Pipeline and API without collectors: look at what is stored
    #[command(after_help = "\
Examples:
  hinomi server --data-dir ./copy-of-data
  hinomi server --config ./hinomi.yaml")]
    Server(Run),
    /// Why a container or workload is as it is
    #[command(after_help = "\
Examples:
  hinomi why web               a container or a Compose service, by name
  hinomi why shop/web          a Compose service, by project and name
  hinomi why 3f4e0a9b1c2d      a container, by the beginning of its id
  hinomi why web -v            all log lines
  hinomi why web --output json

Exit code 0: nothing is wrong with it; 1: something is (or it is not known); 2: wrong usage.")]
    Why(Why),
    /// What is wrong now
    #[command(after_help = "\
Examples:
  hinomi findings              open ones of level notice and alert
  hinomi findings --all        also level none, and those that are over
  hinomi findings --output json | jq '.findings[].cause'

Exit code 0: none is open at level notice or alert; 1: at least one is; 2: wrong usage.")]
    Findings(Findings),
    /// What happened: every state change, oldest first
    #[command(after_help = "\
Examples:
  hinomi timeline              the last hour
  hinomi timeline --since 2d shop/web
  hinomi timeline --from 2026-11-24T03:00:00Z --to 2026-11-24T03:10:00Z")]
    Timeline(Timeline),
    /// How Hinomi itself is: collectors, rights, receivers, disk, memory, gaps
    #[command(after_help = "\
Examples:
  hinomi status
  hinomi status -v             all counters
  hinomi status --output json")]
    Status(Status),
    /// Numbers, in PromQL: a table of one moment, a chart of a range
    #[command(after_help = "\
Examples:
  hinomi query up
  hinomi query 'sum by (container) (rate(container_cpu_usage_seconds_total[5m]))'
  hinomi query 'hinomi_memory_used_bytes' --since 1h --step 30s
  hinomi query up --time 2026-11-24T03:00:00Z --output json
  hinomi query up --from now-2d --to now-1d --output csv > up.csv
  hinomi query 'rate(node_cpu_seconds_total[5m])' --since 6h --explain

Times are RFC 3339, seconds since the epoch, now or like now-90m. Without a terminal a range
is a table too; NO_COLOR draws its lines by their letters.

Exit code 0: answered, even if no series match; 1: it failed; 2: the query or its times are
wrong, or wrong usage.")]
    Query(Query),
    /// Who is told, and how that goes
    #[command(disable_help_subcommand = true)]
    #[command(after_help = "\
Examples:
  hinomi receivers                  all receivers: last accepted, failing since, waiting
  hinomi receivers test oncall      send a test message now
  hinomi receivers test --all
  hinomi receivers --output json")]
    Receivers(Receivers),
    /// Break demo containers on a Docker host, one by one, and see what is said
    #[command(after_help = "\
Only containers that the drill makes itself are touched, and all are removed at the end. Receivers get real messages.

Examples:
  hinomi drill --list               what would be broken, and what has to be said
  hinomi drill                      asks for the host's name, then begins
  hinomi drill --host web-1 --only out-of-memory --only unhealthy
  hinomi drill --host web-1 --image registry.example.com/tools/busybox --output json")]
    Drill(Drill),
    /// Everything that a running Hinomi stores, as one file
    #[command(after_help = "\
Examples:
  hinomi backup hinomi.tar.zst
  hinomi backup /mnt/$(date +%F).tar.zst --server https://hinomi.example
  hinomi backup - | ssh elsewhere 'cat > hinomi.tar.zst'
  hinomi backup hinomi.tar.zst --output json

State changes, incidents and metrics, all that was acknowledged before the call; Hinomi goes on
meanwhile. Not in it: the configuration, its token and secrets, and logins of browsers. FILE
appears when it is whole. `hinomi restore` reads it; so does `zstd -d < FILE | tar t`.

Exit code 0: FILE is whole; 1: it failed, and there is no FILE; 2: FILE is there already, or wrong
usage.")]
    Backup(Backup),
    /// A backup into a data folder; no Hinomi may run in it
    #[command(after_help = "\
Examples:
  hinomi restore hinomi.tar.zst --data-dir ./look && hinomi server --data-dir ./look
  hinomi restore hinomi.tar.zst --data-dir /var/lib/hinomi --force
  ssh elsewhere 'cat hinomi.tar.zst' | hinomi restore - --data-dir ./data

Every byte is checked before DIR is touched. With --force what is in DIR is kept beside it as
DIR.before-restore-TIME (in it, where DIR is a mount): to undo, stop Hinomi and rename it back.

Exit code 0: restored; 1: it failed, and DIR is as it was; 2: DIR is not empty, or wrong usage.")]
    Restore(Restore),
    /// The configuration
    #[command(subcommand, disable_help_subcommand = true)]
    Config(Config),
    /// What runs beside containers
    #[command(subcommand, disable_help_subcommand = true)]
    Agent(Agent),
    /// The version
    #[command(after_help = "Example:\n  hinomi version --output json")]
    Version,
}

/// Options of `up` and `server`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Where to store everything (instead of `data_dir`)
    #[arg(long, value_name = "DIR", env = "HINOMI_DATA_DIR", hide_env = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where page and API answer (instead of `listen`); beyond loopback only with a token
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Beyond loopback without a token: whoever reaches the port sees everything
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Certificate and those between it and a root, PEM (instead of `tls`); read anew when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How long samples of metrics are kept, like 15d or 100y (instead of `retention.metrics`)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) metrics_retention: Option<Duration>,
    /// How far behind the newest a sample may be, 0 to 100y (instead of `metrics.out_of_order_window`)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) out_of_order_window: Option<Duration>,
    /// Let queries use what Prometheus calls experimental
    #[arg(long)]
    pub(crate) promql_experimental: bool,
    /// Let callers delete series and write snapshots
    #[arg(long)]
    pub(crate) enable_admin_api: bool,
    /// Where the host's procfs is mounted [default: /proc]
    #[arg(long, value_name = "DIR")]
    pub(crate) procfs: Option<PathBuf>,
    /// Where the host's sysfs is mounted [default: /sys]
    #[arg(long, value_name = "DIR")]
    pub(crate) sysfs: Option<PathBuf>,
    /// Where the host's cgroups are mounted [default: /sys/fs/cgroup]
    #[arg(long, value_name = "DIR")]
    pub(crate) cgroupfs: Option<PathBuf>,
    /// How the log is written to standard error: text or json
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub(crate) log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line each, for people.
    Text,
    /// One JSON object each.
    Json,
}

/// Which configuration.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigFile {
    /// Configuration file [default: /etc/hinomi/hinomi.yaml if it exists]
    #[arg(long, value_name = "FILE", env = "HINOMI_CONFIG", hide_env = true)]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Container or workload: name, project/service, or the beginning of an id
    #[arg(value_name = "CONTAINER|WORKLOAD")]
    pub(crate) name: String,
    /// All log lines and all containers in full
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Options of `findings`.
#[derive(Debug, Args)]
pub(crate) struct Findings {
    /// Also those of level none and those that are over
    #[arg(long)]
    pub(crate) all: bool,
}

/// Options of `timeline`.
#[derive(Debug, Args)]
pub(crate) struct Timeline {
    /// Only of this container, workload or host
    pub(crate) resource: Option<String>,
    /// How far back, like 30m or 2d [default: 1h]
    #[arg(long, value_name = "DURATION", conflicts_with = "from")]
    pub(crate) since: Option<String>,
    /// Begin, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// End, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Changes at most; the newest are kept
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) limit: u32,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// All counters
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Options of `query`.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// What to ask, in PromQL
    pub(crate) expr: String,
    /// At which moment [default: now]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "from", "to", "step"])]
    pub(crate) time: Option<String>,
    /// Over a range that begins so long before its end, like 30m or 2d
    #[arg(long, value_name = "DURATION", conflicts_with = "from", group = "span")]
    pub(crate) since: Option<String>,
    /// Begin of the range
    #[arg(long, value_name = "TIME", group = "span")]
    pub(crate) from: Option<String>,
    /// End of the range [default: now]
    #[arg(long, value_name = "TIME", requires = "span")]
    pub(crate) to: Option<String>,
    /// From point to point of the range [default: two points in each column]
    #[arg(long, value_name = "DURATION", requires = "span")]
    pub(crate) step: Option<String>,
    /// What each part of the query costs: series, samples, time
    #[arg(long)]
    pub(crate) explain: bool,
}

/// `receivers`, and what to do with them.
#[derive(Debug, Args)]
pub(crate) struct Receivers {
    #[command(subcommand)]
    pub(crate) command: Option<ReceiversCommand>,
}

/// What to do with receivers.
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiversCommand {
    /// Send a message that says it is a test: once, through the code that sends all others
    #[command(after_help = "\
Examples:
  hinomi receivers test oncall
  hinomi receivers test --all
  hinomi receivers test oncall --output json

Exit code 0: accepted; 1: not accepted, with the reason; 2: there is no such receiver, or wrong usage.")]
    Test(ReceiversTest),
}

/// Options of `receivers test`.
#[derive(Debug, Args)]
pub(crate) struct ReceiversTest {
    /// Receiver, as the configuration names it
    #[arg(required_unless_present = "all")]
    pub(crate) name: Option<String>,
    /// All receivers, one after the other
    #[arg(long, conflicts_with = "name")]
    pub(crate) all: bool,
}

/// Options of `drill`.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// Name of the Docker host that may be disturbed, as `docker info` says it; without it the terminal is asked
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// Only this drill; may be given several times
    #[arg(long, value_name = "DRILL")]
    pub(crate) only: Vec<String>,
    /// Image with a shell; pulled if it is not there
    #[arg(long, value_name = "IMAGE", default_value = "busybox:stable")]
    pub(crate) image: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) list: bool,
}

/// Options of `backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// File to write, or - for standard output
    pub(crate) file: PathBuf,
    /// Replace FILE if it is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Archive that `hinomi backup` wrote, or - for standard input
    pub(crate) file: PathBuf,
    /// Data folder: not there, or empty
    #[arg(long, value_name = "DIR", env = "HINOMI_DATA_DIR", hide_env = true)]
    pub(crate) data_dir: PathBuf,
    /// Also if it is not empty; what is there is kept beside it
    #[arg(long)]
    pub(crate) force: bool,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check a configuration file: all problems at once, with line, column and remedy
    #[command(after_help = "\
Examples:
  hinomi config check
  hinomi config check --config ./hinomi.yaml

Exit code 0: it is right; 2: it has problems.")]
    Check(ConfigFile),
    /// Print every key with the value in force, as YAML; secrets are hidden
    #[command(after_help = "Example:\n  hinomi config show --config ./hinomi.yaml")]
    Show(ConfigFile),
}

/// What to do with the agent.
#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Which feature needs which right, why, and whether this process has it
    #[command(after_help = "\
Examples:
  hinomi agent explain-privileges
  sudo hinomi agent explain-privileges --output json")]
    ExplainPrivileges(ConfigFile),
}

/// A duration as in the configuration, or 0.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it with a unit, like 10s, 1h30m, 15d or 100y; at most 100y".to_owned();
    let ms = hinomi_series::duration::parse_ms(text).map_err(|_| wrong())?;
    let found = u64::try_from(ms).map(Duration::from_millis).map_err(|_| wrong())?;
    if found > Duration::from_secs(36_500 * 86_400) { Err(wrong()) } else { Ok(found) }
}

/// As the key `listen`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = local.as_deref().unwrap_or(text).parse();
    address.map_err(|_| "write it like 127.0.0.1:8119 or [::1]:8119".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Help of a command and all below it.
    fn helps(command: &clap::Command, out: &mut String) {
        let mut one = command.clone().term_width(100);
        out.push_str(&format!(
            "=== {}\n{}\n",
            command.get_display_name().unwrap_or("hinomi"),
            one.render_long_help()
        ));
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            helps(sub, out);
        }
    }

    #[test]
    fn help_of_every_command() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        let mut out = String::new();
        helps(&command, &mut out);
        insta::assert_snapshot!(out);
    }

    #[test]
    fn addresses_to_listen_on() {
        let table = [
            ("127.0.0.1:9", Some("127.0.0.1:9")),
            ("localhost:9", Some("127.0.0.1:9")),
            ("[::1]:9", Some("[::1]:9")),
            ("0.0.0.0:9", Some("0.0.0.0:9")),
            ("web-1:9", None),
            ("9", None),
        ];
        for (text, want) in table {
            assert_eq!(address(text).ok().map(|address| address.to_string()).as_deref(), want, "{text}");
        }
    }
}
