//! cgroup version 2: one folder. Source: the kernel's `Documentation/admin-guide/cgroup-v2.rst`.

use std::path::Path;

use super::reading::{Cpu, Io, Memory, Number, Pressure, device, of_device};
use crate::metrics::files::{Files, number, pairs, value_of};
use crate::metrics::host_pressure;

const MICROS_PER_SECOND: f64 = 1e6;

pub(super) fn cpu(files: &mut Files, folder: &Path, cpu: &mut Cpu) {
    if let Some(text) = files.text("container: cpu", folder, "cpu.stat") {
        stat(&text, cpu);
    }
    if let Some(text) = files.optional(folder, "cpu.max") {
        (cpu.quota_us, cpu.period_us) = bandwidth(&text);
    }
    cpu.shares = files.number(folder, "cpu.weight").map(shares);
}

fn stat(text: &str, cpu: &mut Cpu) {
    for (key, value) in pairs(text) {
        let seconds = value / MICROS_PER_SECOND;
        match key {
            "usage_usec" => cpu.usage = Some(seconds),
            "user_usec" => cpu.user = Some(seconds),
            "system_usec" => cpu.system = Some(seconds),
            "nr_periods" => cpu.periods = Some(value),
            "nr_throttled" => cpu.throttled_periods = Some(value),
            "throttled_usec" => cpu.throttled = Some(seconds),
            "nr_bursts" => cpu.burst_periods = Some(value),
            "burst_usec" => cpu.burst = Some(seconds),
            _ => {}
        }
    }
}

/// `20000 100000` or `max 100000`: quota and period.
fn bandwidth(text: &str) -> (Number, Number) {
    let mut words = text.split_whitespace().map(number);
    (words.next().flatten(), words.next().flatten())
}

/// A weight of 1 to 10000 as shares of 2 to 262144: the inverse of what runtimes do, as cAdvisor has it.
fn shares(weight: f64) -> f64 {
    (2.0 + (weight - 1.0) * 262_142.0 / 9999.0).floor()
}

pub(super) fn memory(files: &mut Files, folder: &Path, memory: &mut Memory) {
    if let Some(text) = files.text("container: memory", folder, "memory.stat") {
        memory_stat(&text, memory);
    }
    memory.usage = files.number(folder, "memory.current");
    memory.peak = files.number(folder, "memory.peak");
    memory.swap = files.number(folder, "memory.swap.current");
    memory.limit = limit(files, folder, "memory.max");
    memory.reservation = limit(files, folder, "memory.low");
    memory.swap_limit = limit(files, folder, "memory.swap.max");
    if let Some(text) = files.optional(folder, "memory.events") {
        memory.hits = value_of(&text, "max");
        memory.kills = value_of(&text, "oom_kill");
    }
}

/// 0 where the file says `max`.
fn limit(files: &mut Files, folder: &Path, file: &str) -> Number {
    let text = files.optional(folder, file)?;
    if text.trim() == "max" { Some(0.0) } else { number(&text) }
}

/// Everything here includes the cgroups below.
fn memory_stat(text: &str, memory: &mut Memory) {
    for (key, value) in pairs(text) {
        match key {
            "anon" => memory.rss = Some(value),
            "file" => memory.cache = Some(value),
            "file_mapped" => memory.mapped = Some(value),
            "kernel" => memory.kernel = Some(value),
            "active_file" => memory.active_file = Some(value),
            "inactive_file" => memory.inactive_file = Some(value),
            "pgfault" => memory.faults = [Some(value); 2],
            "pgmajfault" => memory.major_faults = [Some(value); 2],
            _ => {}
        }
    }
}

pub(super) fn io(files: &mut Files, folder: &Path, io: &mut Vec<Io>) {
    if let Some(text) = files.optional(folder, "io.stat") {
        io_stat(&text, io);
    }
}

/// Lines `254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
fn io_stat(text: &str, io: &mut Vec<Io>) {
    for line in text.lines() {
        let mut words = line.split(' ');
        let Some(one) = words.next().and_then(device).and_then(|device| of_device(io, device)) else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let Some(value) = number(value) else { continue };
            match key {
                "rbytes" => one.read_bytes = value,
                "wbytes" => one.written_bytes = value,
                "dbytes" => one.discarded_bytes = value,
                "rios" => one.reads = value,
                "wios" => one.writes = value,
                _ => {}
            }
        }
    }
}

/// Also where version 1 has the controllers: the kernel keeps pressure in this hierarchy only.
pub(super) fn pressure(files: &mut Files, folder: &Path, pressure: &mut Pressure) {
    let mut read = |file| {
        let text = files.optional(folder, file).unwrap_or_default();
        [host_pressure(&text, "some"), host_pressure(&text, "full")]
    };
    pressure.cpu = read("cpu.pressure");
    pressure.memory = read("memory.pressure");
    pressure.io = read("io.pressure");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_stat() {
        // 6.1 with a limit; 5.4 has no bursts; without a limit older kernels leave the last three out.
        let cases = [
            (
                "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\ncore_sched.force_idle_usec 0\n\
                 nr_periods 50\nnr_throttled 40\nthrottled_usec 3000000\nnr_bursts 1\nburst_usec 1000\n",
                Cpu {
                    usage: Some(2.5),
                    user: Some(2.0),
                    system: Some(0.5),
                    periods: Some(50.0),
                    throttled_periods: Some(40.0),
                    throttled: Some(3.0),
                    burst_periods: Some(1.0),
                    burst: Some(0.001),
                    ..Cpu::default()
                },
            ),
            (
                "usage_usec 10\nuser_usec 5\nsystem_usec 5\n",
                Cpu { usage: Some(1e-5), user: Some(5e-6), system: Some(5e-6), ..Cpu::default() },
            ),
            ("usage_usec x\n", Cpu::default()),
        ];
        for (text, expected) in cases {
            let mut cpu = Cpu::default();
            stat(text, &mut cpu);
            assert_eq!(cpu, expected, "{text}");
        }
    }

    #[test]
    fn bandwidths() {
        assert_eq!(bandwidth("20000 100000\n"), (Some(20_000.0), Some(100_000.0)));
        assert_eq!(bandwidth("max 100000\n"), (None, Some(100_000.0)));
        assert_eq!(bandwidth(""), (None, None));
    }

    #[test]
    fn weights_are_shares() {
        for (weight, expected) in [(1.0, 2.0), (10_000.0, 262_144.0), (39.0, 998.0)] {
            assert_eq!(Some(shares(weight)), Some(expected), "{weight}");
        }
    }

    #[test]
    fn memory_statistics() {
        let text = "anon 100\nfile 200\nkernel 50\nkernel_stack 1\nshmem 0\nfile_mapped 20\ninactive_file 150\n\
                    active_file 30\npgfault 7\npgmajfault 1\n";
        let mut memory = Memory { usage: Some(350.0), ..Memory::default() };
        memory_stat(text, &mut memory);
        assert_eq!((memory.rss, memory.cache, memory.kernel), (Some(100.0), Some(200.0), Some(50.0)));
        assert_eq!((memory.mapped, memory.faults), (Some(20.0), [Some(7.0); 2]));
        assert_eq!(memory.working_set(), Some(200.0));
    }

    #[test]
    fn io_of_devices() {
        let text =
            "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=3 dios=4\n8:0 \n7:0 rbytes=x wios=5\nbad\n";
        let mut io = Vec::new();
        io_stat(text, &mut io);
        let expected = [
            Io {
                device: (254, 0),
                read_bytes: 4096.0,
                written_bytes: 8192.0,
                discarded_bytes: 3.0,
                reads: 1.0,
                writes: 2.0,
            },
            Io { device: (8, 0), ..Io::default() },
            Io { device: (7, 0), writes: 5.0, ..Io::default() },
        ];
        assert_eq!(io, expected);
    }
}
