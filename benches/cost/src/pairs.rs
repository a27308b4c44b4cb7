//! Measuring things side by side: by turns, in one run.
//!
//! A shared machine is slower in one minute than in the next. What is measured one after the other
//! differs by more than what is looked for here; what is measured by turns does not. The ratio of two
//! is the median of their ratios in each round, with the interval in which it lies with 95 %
//! confidence (by the sign test: no assumption about how times are distributed).
//!
//! Times are those that the processor spent on this thread, in the kernel too. A thread that never
//! waits takes no less by the clock on the wall, and more by whatever else the machine does.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Times that were taken by turns: of the first contender, which is the one to compare with, and of
/// the others.
#[derive(Clone, Debug)]
pub struct Rounds {
    times: Vec<Vec<Duration>>,
}

/// Has each contender do its work once a round, in an order that changes from round to round, for about
/// as long as is said.
pub fn rounds(budget: Duration, contenders: &mut [&mut dyn FnMut()]) -> Rounds {
    let count = contenders.len();
    for contender in contenders.iter_mut() {
        // Warms up: caches, buffers that grow, connections.
        contender();
    }
    let mut times = vec![Vec::new(); count];
    let begun = Instant::now();
    loop {
        // Forwards, then backwards, so that each goes before each other equally often.
        for turn in (0..count).chain((0..count).rev()) {
            let started = processor_time();
            contenders[turn]();
            times[turn].push(processor_time().saturating_sub(started));
        }
        if begun.elapsed() >= budget {
            return Rounds { times };
        }
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Rounds {
    /// The median time of a contender, by its place.
    pub fn median(&self, contender: usize) -> Duration {
        let mut times = self.times[contender].clone();
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// How much longer the contender takes than the first one.
    pub fn time_ratio(&self, contender: usize) -> Ratio {
        let pairs = self.times[contender].iter().zip(&self.times[0]);
        Ratio::of(pairs.map(|(it, first)| it.as_secs_f64() / first.as_secs_f64()))
    }

    /// How much more the contender gets through than the first one.
    pub fn speed_ratio(&self, contender: usize) -> Ratio {
        let pairs = self.times[contender].iter().zip(&self.times[0]);
        Ratio::of(pairs.map(|(it, first)| first.as_secs_f64() / it.as_secs_f64()))
    }
}

/// The median of ratios, and where it lies with 95 % confidence.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Ratio {
    fn of(ratios: impl Iterator<Item = f64>) -> Self {
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let count = ratios.len();
        // How many values may lie outside at either end: binomial, in its normal approximation.
        let outside = (count as f64 - 1.96 * (count as f64).sqrt()) / 2.0;
        let outside = (outside.max(0.0) as usize).min(count / 2);
        Self {
            median: ratios[count / 2],
            low: ratios[outside],
            high: ratios[count - 1 - outside],
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = self;
        write!(f, "{median:.3} ({low:.3} to {high:.3})")
    }
}

/// A table with these columns.
pub fn table<const N: usize>(columns: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(columns);
    table
}
