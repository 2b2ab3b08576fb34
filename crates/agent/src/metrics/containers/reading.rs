//! What is read of one container in one round, whichever version of cgroups says it.

/// A number, where the kernel gives it.
pub(super) type Number = Option<f64>;

/// Everything; times in seconds, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) cpu: Cpu,
    pub(super) memory: Memory,
    pub(super) pressure: Pressure,
    pub(super) processes: Number,
    pub(super) threads: Number,
    /// 0 where there is no limit.
    pub(super) threads_max: Number,
    pub(super) io: Vec<Io>,
}

impl Reading {
    /// Forgets all, but keeps what it allocated.
    pub(super) fn clear(&mut self) {
        let mut io = std::mem::take(&mut self.io);
        io.clear();
        *self = Self { io, ..Self::default() };
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) usage: Number,
    pub(super) user: Number,
    pub(super) system: Number,
    pub(super) periods: Number,
    pub(super) throttled_periods: Number,
    pub(super) throttled: Number,
    pub(super) burst_periods: Number,
    pub(super) burst: Number,
    /// Microseconds, as cAdvisor has it.
    pub(super) period_us: Number,
    /// Microseconds a period; `None` without a limit.
    pub(super) quota_us: Number,
    pub(super) shares: Number,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    pub(super) usage: Number,
    pub(super) peak: Number,
    pub(super) rss: Number,
    pub(super) cache: Number,
    pub(super) swap: Number,
    pub(super) mapped: Number,
    pub(super) kernel: Number,
    pub(super) active_file: Number,
    pub(super) inactive_file: Number,
    /// Of its own cgroup, and of those below too.
    pub(super) faults: [Number; 2],
    pub(super) major_faults: [Number; 2],
    pub(super) hits: Number,
    pub(super) kills: Number,
    /// Limits are 0 where there is none.
    pub(super) limit: Number,
    pub(super) reservation: Number,
    pub(super) swap_limit: Number,
}

impl Memory {
    /// What cannot be reclaimed at once: use without the file cache that nobody used lately. As cAdvisor and the
    /// kubelet's eviction compute it.
    pub(super) fn working_set(&self) -> Number {
        Some((self.usage? - self.inactive_file?).max(0.0))
    }
}

/// Seconds in which some task, or all of them, waited.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pressure {
    pub(super) cpu: [Number; 2],
    pub(super) memory: [Number; 2],
    pub(super) io: [Number; 2],
}

/// What was read from and written to a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Io {
    pub(super) device: (u32, u32),
    pub(super) read_bytes: f64,
    pub(super) written_bytes: f64,
    pub(super) discarded_bytes: f64,
    pub(super) reads: f64,
    pub(super) writes: f64,
}

/// Most devices of a container.
const DEVICES_MAX: usize = 512;

/// The entry of a device, made where there is none.
pub(super) fn of_device(io: &mut Vec<Io>, device: (u32, u32)) -> Option<&mut Io> {
    match io.iter().position(|one| one.device == device) {
        Some(at) => io.get_mut(at),
        None if io.len() < DEVICES_MAX => {
            io.push(Io { device, ..Io::default() });
            io.last_mut()
        }
        None => None,
    }
}

/// `major:minor`.
pub(super) fn device(word: &str) -> Option<(u32, u32)> {
    let (major, minor) = word.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
