//! The samples: an hour of made-up metrics of every kind, the same for every run but for when they end.

use crate::wire::Message;

/// Milliseconds between two samples of a series, about.
const STEP_MS: i64 = 15_000;
/// Samples of a series that lives all the time.
const STEPS: i64 = 240;
/// The staleness marker.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);
/// Steps that one write holds.
const STEPS_PER_WRITE: usize = 40;

/// Numbers that look random.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next one.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below a bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        of[at]
    }

    fn whole(&mut self, bound: u32) -> f64 {
        f64::from(u32::try_from(self.below(u64::from(bound))).unwrap_or(0))
    }
}

/// Makes labels of a metric's name and further labels.
type Naming<'n> = dyn Fn(&str, &[(&'static str, &str)]) -> Labels + 'n;

/// Labels of a series, sorted.
type Labels = Vec<(&'static str, String)>;

#[derive(Clone, Debug)]
enum Sample {
    Float(f64),
    /// Counts of buckets 1, 2, 3 of schema 0, ascending counters; count of zeros; sum.
    Histogram([u64; 3], u64, f64),
}

#[derive(Clone, Debug)]
struct Series {
    labels: Labels,
    samples: Vec<(i64, Sample)>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Data {
    series: Vec<Series>,
    /// Time of the last samples, about.
    pub(crate) end_ms: i64,
}

impl Data {
    /// Data that ends at a time, milliseconds since the epoch.
    pub(crate) fn until(end_ms: i64) -> Self {
        let mut random = Random(42);
        let mut data = Self { series: Vec::new(), end_ms };
        for job in ["api", "db", "web"] {
            for instance in 0..3_i64 {
                data.target(job, instance, &mut random);
            }
        }
        data
    }

    fn target(&mut self, job: &'static str, instance: i64, random: &mut Random) {
        let begin = self.end_ms - STEPS * STEP_MS;
        let phase = i64::try_from(random.below(15_000)).unwrap_or(0);
        // One target came late, one left early and says so, one has a gap.
        let lived = match (job, instance) {
            ("web", 2) => 150..STEPS,
            ("db", 2) => 0..120,
            _ => 0..STEPS,
        };
        let gap = if (job, instance) == ("api", 1) { 100..125 } else { 0..0 };
        let ends = lived.end < STEPS;
        let times: Vec<i64> = lived
            .filter(|step| !gap.contains(step))
            .map(|step| begin + step * STEP_MS + phase + i64::try_from(random.below(9)).unwrap_or(0))
            .collect();
        let labels = |name: &str, more: &[(&'static str, &str)]| {
            let mut labels = vec![("__name__", name.to_owned()), ("job", job.to_owned())];
            labels.push(("instance", format!("{job}-{instance}:9100")));
            labels.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
            labels.sort();
            labels
        };
        let mut add = |labels: Vec<(&'static str, String)>, next: &mut dyn FnMut() -> Sample| {
            let mut samples: Vec<(i64, Sample)> = times.iter().map(|time| (*time, next())).collect();
            if ends && let Some((time, _)) = samples.last() {
                samples.push((*time + STEP_MS, Sample::Float(STALE)));
            }
            self.series.push(Series { labels, samples });
        };
        add(labels("up", &[]), &mut || Sample::Float(f64::from(u8::from(random.below(20) > 0))));
        for (code, rate) in [("200", 90), ("404", 7), ("500", 2)] {
            let mut count = random.whole(1_000);
            add(labels("requests_total", &[("code", code)]), &mut || {
                count = if random.below(70) == 0 { 0.0 } else { count + random.whole(rate) };
                Sample::Float(count)
            });
        }
        let mut level = random.whole(1_000_000);
        add(labels("memory_bytes", &[]), &mut || {
            level = (level + random.whole(20_001) - 10_000.0).max(0.0);
            Sample::Float(level)
        });
        let mut degrees = 0.0;
        add(
            labels("temperature_celsius", &[("zone", if instance == 0 { "north" } else { "south" })]),
            &mut || {
                degrees += (random.whole(201) - 100.0) / 100.0;
                match random.below(60) {
                    0 => Sample::Float(f64::NAN),
                    1 => Sample::Float(f64::INFINITY),
                    _ => Sample::Float(degrees),
                }
            },
        );
        add(labels("build_info", &[("version", if instance == 1 { "1.1" } else { "1.0" })]), &mut || {
            Sample::Float(1.0)
        });
        self.histograms(&times, &labels, random);
    }

    fn histograms(&mut self, times: &[i64], labels: &Naming<'_>, random: &mut Random) {
        let bounds = ["0.05", "0.1", "0.5", "1", "+Inf"];
        let mut buckets = vec![Vec::new(); bounds.len()];
        let (mut counts, mut sums) = ([0.0; 5], Vec::new());
        let mut sum = 0.0;
        for _ in times {
            let mut more = 0.0;
            for (count, bucket) in counts.iter_mut().zip(&mut buckets) {
                more += random.whole(8);
                *count += more;
                bucket.push(*count);
            }
            sum += more * 0.125;
            sums.push(sum);
        }
        let floats = |values: &[f64]| {
            times.iter().copied().zip(values.iter().map(|value| Sample::Float(*value))).collect()
        };
        for (bound, values) in bounds.iter().zip(&buckets) {
            let labels = labels("latency_seconds_bucket", &[("le", bound)]);
            self.series.push(Series { labels, samples: floats(values) });
        }
        let count = buckets.last().cloned().unwrap_or_default();
        for (name, values) in [("latency_seconds_count", count), ("latency_seconds_sum", sums)] {
            self.series.push(Series { labels: labels(name, &[]), samples: floats(&values) });
        }
        let (mut native, mut zeros, mut sum) = ([0_u64; 3], 0_u64, 0.0);
        let samples = times.iter().map(|time| {
            for count in &mut native {
                *count += random.below(6);
            }
            zeros += random.below(2);
            sum += random.whole(40) / 4.0;
            (*time, Sample::Histogram(native, zeros, sum))
        });
        let samples = samples.collect();
        self.series.push(Series { labels: labels("size_bytes", &[]), samples });
    }

    /// Bodies of remote writes, in order of time; native histograms only where wanted.
    pub(crate) fn writes(&self, natives: bool) -> Vec<Vec<u8>> {
        let longest = self.series.iter().map(|series| series.samples.len()).max().unwrap_or(0);
        let begin = self.end_ms - STEPS * STEP_MS;
        let span = STEP_MS * i64::try_from(STEPS_PER_WRITE).unwrap_or(1);
        let writes = longest.div_ceil(STEPS_PER_WRITE) + 1;
        let mut bodies = Vec::new();
        for number in 0..i64::try_from(writes).unwrap_or(0) {
            let within = begin + number * span..begin + (number + 1) * span;
            let mut message = Message::default();
            for series in &self.series {
                let samples: Vec<_> =
                    series.samples.iter().filter(|(time, _)| within.contains(time)).collect();
                let native = samples.iter().any(|(_, sample)| matches!(sample, Sample::Histogram(..)));
                if !samples.is_empty() && (natives || !native) {
                    message.message(1, |message| put(message, series, &samples));
                }
            }
            bodies.push(message.snappy());
        }
        bodies
    }
}

fn put(message: &mut Message, series: &Series, samples: &[&(i64, Sample)]) {
    for (name, value) in &series.labels {
        message.message(1, |label| {
            label.bytes(1, name.as_bytes());
            label.bytes(2, value.as_bytes());
        });
    }
    for (time, sample) in samples {
        match sample {
            Sample::Float(value) => message.message(2, |sample| {
                sample.double(1, *value);
                sample.time(2, *time);
            }),
            Sample::Histogram(counts, zeros, sum) => message.message(4, |histogram| {
                let [a, b, c] = *counts;
                histogram.unsigned(1, a + b + c + zeros);
                histogram.double(3, *sum);
                histogram.signed(4, 0);
                histogram.double(5, 0.001);
                histogram.unsigned(6, *zeros);
                histogram.message(11, |span| {
                    span.signed(1, 1);
                    span.unsigned(2, 3);
                });
                let signed = |number: u64| i64::try_from(number).unwrap_or(0);
                histogram.packed_signed(12, &[signed(a), signed(b) - signed(a), signed(c) - signed(b)]);
                histogram.time(15, *time);
            }),
        }
    }
}
