//! Requests per second of two things, by turns.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// What pairs of turns gave.
#[derive(Debug)]
pub struct Ratios {
    /// Median rate of the first.
    pub bare: f64,
    /// Rates of the second over rates of the first, sorted.
    pub ratios: Vec<f64>,
}

impl Ratios {
    /// The cells of a table: rate of the first, median ratio, worst, best.
    pub fn cells(&self) -> [String; 4] {
        let Self { bare, ratios } = self;
        [
            format!("{bare:.0}"),
            format!("{:.3}", ratios[ratios.len() / 2]),
            format!("{:.3}", ratios[0]),
            format!("{:.3}", ratios[ratios.len() - 1]),
        ]
    }
}

/// The columns of a table that [`Ratios::cells`] are a part of.
pub const COLUMNS: [&str; 4] = ["bare, per second", "median ratio", "worst", "best"];

/// Compares by this many pairs of turns of a tenth of a second. Each makes a worker that repeats an exchange.
pub async fn compare<A, B, WorkerA, WorkerB>(
    pairs: usize,
    tasks: usize,
    bare: impl Fn() -> WorkerA,
    other: impl Fn() -> WorkerB,
) -> Ratios
where
    WorkerA: FnMut() -> A + Send + 'static,
    WorkerB: FnMut() -> B + Send + 'static,
    A: Future<Output = ()> + Send,
    B: Future<Output = ()> + Send,
{
    // Opens the connections.
    rate(tasks, &bare).await;
    rate(tasks, &other).await;
    let mut rates = Vec::new();
    let mut ratios = Vec::new();
    for pair in 0..pairs {
        let (of_bare, of_other) = if pair % 2 == 0 {
            let of_bare = rate(tasks, &bare).await;
            (of_bare, rate(tasks, &other).await)
        } else {
            let of_other = rate(tasks, &other).await;
            (rate(tasks, &bare).await, of_other)
        };
        rates.push(of_bare);
        ratios.push(of_other / of_bare);
    }
    rates.sort_unstable_by(f64::total_cmp);
    ratios.sort_unstable_by(f64::total_cmp);
    Ratios {
        bare: rates[pairs / 2],
        ratios,
    }
}

/// Exchanges per second of this many tasks, in one turn.
async fn rate<F, Worker>(tasks: usize, worker: impl Fn() -> Worker) -> f64
where
    Worker: FnMut() -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let is_over = Arc::<AtomicBool>::default();
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        let (mut exchange, is_over) = (worker(), Arc::clone(&is_over));
        running.spawn(async move {
            let mut made = 0;
            while !is_over.load(Ordering::Relaxed) {
                exchange().await;
                made += 1;
            }
            made
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    is_over.store(true, Ordering::Relaxed);
    let made: u32 = running.join_all().await.into_iter().sum();
    f64::from(made) / started.elapsed().as_secs_f64()
}
