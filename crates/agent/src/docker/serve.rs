//! Whether a published port is served, seen passively in the container's own socket table.
//!
//! # Invariants
//!
//! - Nothing connects to a container unless its socket table cannot be read.
//! - A probe ends by itself: served, failed, or the process is gone.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use hinomi_model::{Outcome, Stage, StageMark};
use tokio::time::Instant;

/// Most bytes of a socket table that are read.
const TABLE_BYTES: u64 = 4 << 20;
/// Time after which a port that only loopback reaches counts as failed.
const LOOPBACK_GRACE: Duration = Duration::from_secs(30);

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Listen {
    Nobody,
    LoopbackOnly,
    Reachable,
}

/// What to watch.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `/proc/<pid>`; `None`: not visible from here.
    pub(crate) process: Option<PathBuf>,
    /// Container's tcp ports.
    pub(crate) ports: Vec<u16>,
    /// Published addresses, for the way without a socket table.
    pub(crate) published: Vec<(String, u16)>,
    /// How long to wait.
    pub(crate) grace: Duration,
}

/// Watches until a port is served or the time is over. `None`: the process is gone, its end says more.
pub(crate) async fn probe(target: Target) -> Option<StageMark> {
    let began = Instant::now();
    let mut delays = [100, 200, 500, 1000].into_iter();
    loop {
        let listen = match &target.process {
            Some(process) if !process.exists() => return None,
            Some(process) => match table(process.clone(), target.ports.clone()).await {
                Some(listen) => listen,
                None => connect(&target.published).await,
            },
            None => connect(&target.published).await,
        };
        let elapsed = began.elapsed();
        let took_ms = u64::try_from(elapsed.as_millis()).ok();
        let ports = words(&target.ports);
        let failed = |cause: String| {
            Some(StageMark { stage: Stage::Serve, outcome: Outcome::Failed, cause: Some(cause), took_ms })
        };
        match listen {
            Listen::Reachable => {
                return Some(StageMark {
                    stage: Stage::Serve,
                    outcome: Outcome::Passed,
                    cause: None,
                    took_ms,
                });
            }
            Listen::LoopbackOnly if elapsed >= LOOPBACK_GRACE.min(target.grace) => {
                return failed(format!(
                    "{ports} listens on 127.0.0.1 only, inside of the container: nobody outside reaches it; \
                     make it listen on 0.0.0.0"
                ));
            }
            Listen::Nobody if elapsed >= target.grace => {
                return failed(format!("nothing listens on {ports}"));
            }
            _ => {}
        }
        let later = if elapsed < Duration::from_secs(30) { 2000 } else { 5000 };
        let delay = Duration::from_millis(delays.next().unwrap_or(later));
        tokio::time::sleep(delay.min(target.grace.saturating_sub(elapsed).max(Duration::from_millis(50))))
            .await;
    }
}

fn words(ports: &[u16]) -> String {
    let list: Vec<_> = ports.iter().map(u16::to_string).collect();
    format!("port {}", list.join(", "))
}

async fn table(process: PathBuf, ports: Vec<u16>) -> Option<Listen> {
    let read = move || {
        let mut best = None;
        for name in ["net/tcp", "net/tcp6"] {
            let mut text = String::new();
            let Ok(file) = std::fs::File::open(process.join(name)) else { continue };
            if file.take(TABLE_BYTES).read_to_string(&mut text).is_ok() {
                best = best.max(Some(listening(&text, &ports)));
            }
        }
        best
    };
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

async fn connect(published: &[(String, u16)]) -> Listen {
    for (host, port) in published {
        let call = tokio::net::TcpStream::connect((host.as_str(), *port));
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(500), call).await {
            return Listen::Reachable;
        }
    }
    Listen::Nobody
}

/// Reads a table as `/proc/net/tcp` or `tcp6`: state `0A` is LISTEN.
pub(crate) fn listening(table: &str, ports: &[u16]) -> Listen {
    let mut best = Listen::Nobody;
    for line in table.lines().skip(1) {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some("0A")) = (columns.next(), columns.nth(1)) else { continue };
        let Some((address, port)) = local.split_once(':') else { continue };
        if !u16::from_str_radix(port, 16).is_ok_and(|port| ports.contains(&port)) {
            continue;
        }
        best = best.max(if is_loopback(address) { Listen::LoopbackOnly } else { Listen::Reachable });
    }
    best
}

/// The kernel prints each 32-bit word in the machine's own byte order.
fn is_loopback(address: &str) -> bool {
    let words: Option<Vec<u32>> = (0..address.len() / 8)
        .map(|i| u32::from_str_radix(address.get(i * 8..i * 8 + 8)?, 16).ok())
        .map(|word| word.map(|word| if cfg!(target_endian = "little") { word.swap_bytes() } else { word }))
        .collect();
    match words.as_deref() {
        Some([v4] | [0, 0, 0xffff, v4]) => v4 >> 24 == 127,
        Some([0, 0, 0, 1]) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn tables() {
        let line =
            |local: &str, state: &str| format!("{HEAD}   0: {local} 00000000:0000 {state} 00000000:0 0\n");
        let table = [
            (line("00000000:1F90", "0A"), Listen::Reachable),
            (line("0100007F:1F90", "0A"), Listen::LoopbackOnly),
            (line("0A00007F:1F90", "0A"), Listen::LoopbackOnly),
            (line("020011AC:1F90", "0A"), Listen::Reachable),
            (line("00000000:1F90", "01"), Listen::Nobody),
            (line("00000000:0050", "0A"), Listen::Nobody),
            (line("00000000000000000000000000000000:1F90", "0A"), Listen::Reachable),
            (line("00000000000000000000000001000000:1F90", "0A"), Listen::LoopbackOnly),
            (line("0000000000000000FFFF00000100007F:1F90", "0A"), Listen::LoopbackOnly),
            (format!("{HEAD}garbage\n\n: : :\n"), Listen::Nobody),
            (String::new(), Listen::Nobody),
        ];
        for (text, want) in table {
            assert_eq!(listening(&text, &[8080]), want, "{text}");
        }
        let both = format!("{}{}", line("0100007F:1F90", "0A"), "   1: 00000000:1F91 00000000:0000 0A x\n");
        assert_eq!(listening(&both, &[8080, 8081]), Listen::Reachable);
    }

    #[tokio::test]
    async fn sees_a_listener_of_this_very_process_and_one_on_loopback_only() {
        let any = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a free port");
        let loopback = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = |listener: &tokio::net::TcpListener| listener.local_addr().expect("bound").port();
        let target = |port, grace_ms| Target {
            process: Some(PathBuf::from("/proc/self")),
            ports: vec![port],
            published: Vec::new(),
            grace: Duration::from_millis(grace_ms),
        };
        let mark = probe(target(port(&any), 5000)).await.expect("this process lives");
        assert_eq!(mark.outcome, Outcome::Passed);
        let mark = probe(target(port(&loopback), 120)).await.expect("this process lives");
        assert_eq!(mark.outcome, Outcome::Failed);
        assert!(mark.cause.is_some_and(|cause| cause.contains("127.0.0.1 only")));
        let gone = Target { process: Some(PathBuf::from("/proc/4294967295")), ..target(1, 1000) };
        assert_eq!(probe(gone).await, None);
    }
}
