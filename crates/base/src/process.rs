//! What the kernel says about this process.

use rustix::process::Resource;

/// Figures of this process, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Time on processors, user and system.
    pub cpu_seconds: f64,
    /// Memory in RAM.
    pub resident_bytes: u64,
    /// Address space.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Most of them; `None`: no limit.
    pub max_fds: Option<u64>,
    /// When it started, seconds since the epoch.
    pub start_seconds: f64,
}

/// The unit of times in `/proc/self/stat`, fixed on every architecture that containers run on (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads them; what cannot be read is 0.
#[must_use]
pub fn figures() -> Figures {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let boot = read("/proc/stat");
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
    let mut figures = parse(&read("/proc/self/stat"), page_bytes, boot.unwrap_or(0.0));
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    // The folder itself was open while it was read.
    figures.open_fds = u64::try_from(open.saturating_sub(1)).unwrap_or(0);
    figures.max_fds = rustix::process::getrlimit(Resource::Nofile).current;
    figures
}

/// `/proc/self/stat`: the fields behind the name, which may hold anything but ends with the last `)`.
fn parse(stat: &str, page_bytes: u64, boot_seconds: f64) -> Figures {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first of these is field 3 of the manual page.
    let of = |number: usize| fields.get(number.saturating_sub(3)).copied().unwrap_or_default();
    let ticks = |number| of(number).parse::<f64>().unwrap_or(0.0) / TICKS_PER_SECOND;
    let count = |number| of(number).parse::<u64>().unwrap_or(0);
    Figures {
        cpu_seconds: ticks(14) + ticks(15),
        threads: count(20),
        start_seconds: boot_seconds + ticks(22),
        virtual_bytes: count(23),
        resident_bytes: count(24).saturating_mul(page_bytes),
        ..Figures::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel() {
        let line = "77 (a (b) c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 1500 8192 3 18446744073709551615";
        let expected = Figures {
            cpu_seconds: 2.0,
            resident_bytes: 3 * 4096,
            virtual_bytes: 8192,
            threads: 9,
            start_seconds: 1015.0,
            ..Figures::default()
        };
        assert_eq!(parse(line, 4096, 1000.0), expected);
        assert_eq!(parse("", 4096, 0.0), Figures::default());
    }

    #[test]
    fn this_process() {
        let figures = figures();
        assert!(figures.resident_bytes > 1 << 20 && figures.virtual_bytes > figures.resident_bytes);
        assert!(figures.threads >= 1 && figures.open_fds >= 3 && figures.cpu_seconds >= 0.0);
        assert!(figures.start_seconds > 1.6e9, "{figures:?}");
    }
}
