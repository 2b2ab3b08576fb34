//! `/proc/stat`: CPU time, interrupts, context switches, forks.

use std::collections::BTreeMap;

use hinomi_wire::Head;

use super::Round;
use crate::metrics::files::number;

/// `/proc/stat` counts in hundredths of a second on every architecture that containers run on (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
/// Idle time that falls by more than this belongs to a CPU that was taken out and put in again.
const RESET_SECONDS: f64 = 3.0;
/// Most CPUs; as the kernel's own limit on x86.
const CPUS_MAX: usize = 8192;
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const IDLE: usize = 3;

const SECONDS: Head<'_> = Head::counter("node_cpu_seconds_total", "Time that each CPU spent in each mode.");
const GUEST: Head<'_> =
    Head::counter("node_cpu_guest_seconds_total", "Time that each CPU spent for virtual machines, by mode.");

/// Single numbers: their key in `/proc/stat`, and what they become.
const NUMBERS: [(&str, Head<'_>); 6] = [
    ("intr", Head::counter("node_intr_total", "Interrupts that were served.")),
    ("ctxt", Head::counter("node_context_switches_total", "Switches from one task to another.")),
    ("processes", Head::counter("node_forks_total", "Processes and threads that were made.")),
    ("btime", Head::gauge("node_boot_time_seconds", "When the system started, in seconds since 1970.")),
    ("procs_running", Head::gauge("node_procs_running", "Tasks that run or could run.")),
    ("procs_blocked", Head::gauge("node_procs_blocked", "Tasks that wait for a disk.")),
];

/// Times of a CPU in seconds: [`MODES`], then guest and guest at low priority.
type Times = [f64; 10];

/// Highest times seen, for the kernel lets `idle` and `iowait` fall now and then.
#[derive(Debug, Default)]
pub(super) struct Cpus {
    seen: BTreeMap<u32, (String, Times)>,
}

impl Cpus {
    pub(super) fn collect(&mut self, round: &mut Round<'_>) {
        let Some(text) = round.files.text("stat", &round.roots.proc, "stat") else { return };
        let mut present = Vec::new();
        for (cpu, times) in cpus(&text).take(CPUS_MAX) {
            let (_, seen) = self.seen.entry(cpu).or_insert_with(|| (cpu.to_string(), times));
            *seen = never_back(seen, &times);
            present.push(cpu);
        }
        self.seen.retain(|cpu, _| present.contains(cpu));
        for (name, times) in self.seen.values() {
            for (mode, seconds) in MODES.iter().zip(times) {
                round.out.put(&SECONDS, &[("cpu", name), ("mode", mode)], *seconds);
            }
            let [.., user, nice] = times;
            round.out.put(&GUEST, &[("cpu", name), ("mode", "user")], *user);
            round.out.put(&GUEST, &[("cpu", name), ("mode", "nice")], *nice);
        }
        for line in text.lines() {
            let Some((key, rest)) = line.split_once(' ') else { continue };
            let Some((_, head)) = NUMBERS.iter().find(|(name, _)| *name == key) else { continue };
            let first = rest.split(' ').find(|word| !word.is_empty());
            round.out.put_some(head, &[], first.and_then(number));
        }
    }
}

fn never_back(seen: &Times, new: &Times) -> Times {
    let idle = |times: &Times| times.get(IDLE).copied().unwrap_or_default();
    if idle(new) + RESET_SECONDS < idle(seen) {
        return *new;
    }
    let mut times = *new;
    for (time, seen) in times.iter_mut().zip(seen) {
        *time = time.max(*seen);
    }
    times
}

/// Each CPU and its times; columns that an old kernel does not have are 0.
fn cpus(text: &str) -> impl Iterator<Item = (u32, Times)> {
    text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("cpu")?.split(' ');
        let cpu = words.next()?.parse().ok()?;
        let mut times = Times::default();
        for (time, word) in times.iter_mut().zip(words) {
            *time = number(word)? / TICKS_PER_SECOND;
        }
        Some((cpu, times))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel() {
        // 6.18; 2.6.18, which knew no steal and no guests; nonsense.
        let text = "cpu  855636 106070 348308 1689813 11287 0 7932 370 0 0\n\
                    cpu0 426103 52550 168906 857119 4252 0 1107 175 7 8\n\
                    cpu11 1 2 3 4 5 6 7\n\
                    cpu12 1 x\ncpu\ncpux 1\nintr 5 0 1\n";
        let found: Vec<_> = cpus(text).collect();
        let expected: [(u32, Times); 2] = [
            (0, [4261.03, 525.5, 1689.06, 8571.19, 42.52, 0.0, 11.07, 1.75, 0.07, 0.08]),
            (11, [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.0, 0.0, 0.0]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn times_do_not_fall_but_for_a_cpu_that_was_away() {
        let at = |idle: f64, iowait: f64| [5.0, 0.0, 0.0, idle, iowait, 0.0, 0.0, 0.0, 0.0, 0.0];
        let seen = at(100.0, 7.0);
        let cases = [((99.0, 6.0), (100.0, 7.0)), ((101.0, 6.0), (101.0, 7.0)), ((2.0, 1.0), (2.0, 1.0))];
        for ((idle, iowait), (kept_idle, kept_iowait)) in cases {
            assert_eq!(Some(never_back(&seen, &at(idle, iowait))), Some(at(kept_idle, kept_iowait)));
        }
    }
}
