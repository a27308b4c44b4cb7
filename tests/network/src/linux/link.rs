//! A link between two hosts: which packets arrive at its other end, and when.
//!
//! It reads no clock. A moment is the time since the link was made.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::middlebox::{Middlebox, Verdict};

/// What a link does to packets, in each direction alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quality {
    /// The mean of the time that a packet takes.
    pub delay: Duration,
    /// How much longer or shorter than `delay` a packet may take. Packets stay in order.
    pub jitter: Duration,
    /// The share of packets that are lost.
    pub loss: f64,
    /// Without a rate, any number of packets leaves at once.
    pub rate: Option<Rate>,
}

/// One queue for the packets of all connections.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub bytes_per_second: u64,
    /// How many bytes wait at most. A packet that finds no room is dropped.
    pub queue: u64,
}

impl Rate {
    /// How long it takes until so many bytes have left.
    fn time(self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)
    }
}

/// Where a packet enters or leaves the link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Client,
    Server,
}

/// A link, with the packets that are on their way.
#[derive(Debug)]
pub struct Link {
    to_client: Direction,
    to_server: Direction,
    middlebox: Option<Middlebox>,
}

impl Link {
    /// The same seed loses the same packets, by their number in each direction.
    pub fn new(quality: Quality, middlebox: Option<Middlebox>, seed: u64) -> Self {
        Self {
            to_client: Direction::new(quality, seed),
            to_server: Direction::new(quality, !seed),
            middlebox,
        }
    }

    /// Takes a packet in. The middlebox is at the end of the link at which the packet enters.
    pub fn send(&mut self, from: End, packet: Vec<u8>, now: Duration) {
        let (forth, back) = match from {
            End::Client => (&mut self.to_server, &mut self.to_client),
            End::Server => (&mut self.to_client, &mut self.to_server),
        };
        let middlebox = self.middlebox.as_mut();
        match middlebox.map_or(Verdict::Pass, |middlebox| middlebox.judge(&packet, now)) {
            Verdict::Pass => forth.enqueue(packet, now),
            Verdict::Drop => {}
            Verdict::Answer(reset) => back.enqueue(reset, now),
        }
    }

    /// When the next packet arrives at either end.
    pub fn next_arrival(&self) -> Option<Duration> {
        let (to_client, to_server) = (self.to_client.next(), self.to_server.next());
        to_client.into_iter().chain(to_server).min()
    }

    /// A packet that has arrived, at which end, and since when it could have been taken out.
    pub fn receive(&mut self, now: Duration) -> Option<(End, Vec<u8>, Duration)> {
        let (end, direction) = if self.to_client.next().is_some_and(|arrival| arrival <= now) {
            (End::Client, &mut self.to_client)
        } else {
            (End::Server, &mut self.to_server)
        };
        if direction.next()? > now {
            return None;
        }
        let (arrival, packet) = direction.on_their_way.pop_front()?;
        Some((end, packet, arrival))
    }
}

#[derive(Debug)]
struct Direction {
    quality: Quality,
    random: StdRng,
    /// When the last packet of the queue has left it.
    is_idle_from: Duration,
    last_arrival: Duration,
    /// With the moment of arrival, in order.
    on_their_way: VecDeque<(Duration, Vec<u8>)>,
}

impl Direction {
    fn new(quality: Quality, seed: u64) -> Self {
        Self {
            quality,
            random: StdRng::seed_from_u64(seed),
            is_idle_from: Duration::ZERO,
            last_arrival: Duration::ZERO,
            on_their_way: VecDeque::new(),
        }
    }

    fn enqueue(&mut self, packet: Vec<u8>, now: Duration) {
        // Both are drawn for each packet, so that what is lost does not depend on the queue.
        let is_lost = self.random.random::<f64>() < self.quality.loss;
        let jitter = self
            .quality
            .jitter
            .mul_f64(2.0 * self.random.random::<f64>());
        let mut leaves = now;
        if let Some(rate) = self.quality.rate {
            let start = self.is_idle_from.max(now);
            leaves = start + rate.time(packet.len() as u64);
            if leaves - now > rate.time(rate.queue) {
                return;
            }
            self.is_idle_from = leaves;
        }
        if is_lost {
            return;
        }
        let arrival = (leaves + self.quality.delay + jitter).saturating_sub(self.quality.jitter);
        self.last_arrival = self.last_arrival.max(arrival);
        self.on_their_way.push_back((self.last_arrival, packet));
    }

    fn next(&self) -> Option<Duration> {
        self.on_their_way.front().map(|(arrival, _)| *arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn link(quality: Quality) -> Link {
        Link::new(quality, None, 1)
    }

    /// When each packet arrives at the server, of so many that are sent at once.
    fn arrivals(quality: Quality, packets: usize, length: usize) -> Vec<Duration> {
        let mut link = link(quality);
        for _ in 0..packets {
            link.send(End::Client, vec![0; length], Duration::ZERO);
        }
        std::iter::from_fn(|| link.receive(Duration::MAX))
            .map(|(_, _, arrival)| arrival)
            .collect()
    }

    #[test]
    fn a_packet_arrives_at_the_other_end_after_the_delay() {
        let delay = 50 * MILLISECOND;
        let mut link = link(Quality {
            delay,
            ..Quality::default()
        });
        link.send(End::Client, vec![1], MILLISECOND);
        link.send(End::Server, vec![2], 2 * MILLISECOND);

        assert_eq!(link.next_arrival(), Some(51 * MILLISECOND));
        assert_eq!(link.receive(50 * MILLISECOND), None);
        let first = link.receive(51 * MILLISECOND);
        assert_eq!(first, Some((End::Server, vec![1], 51 * MILLISECOND)));
        let second = link.receive(60 * MILLISECOND);
        assert_eq!(second, Some((End::Client, vec![2], 52 * MILLISECOND)));
        assert_eq!(link.next_arrival(), None);
    }

    #[test]
    fn jitter_spreads_arrivals_around_the_delay_and_keeps_their_order() {
        let quality = Quality {
            delay: 50 * MILLISECOND,
            jitter: 20 * MILLISECOND,
            ..Quality::default()
        };
        let mut link = link(quality);
        for number in 0..1000_u64 {
            link.send(
                End::Client,
                number.to_be_bytes().to_vec(),
                MILLISECOND * number as u32 * 100,
            );
        }

        let mut extremes = (Duration::MAX, Duration::ZERO);
        for number in 0..1000_u64 {
            let (_, packet, arrival) = link.receive(Duration::MAX).unwrap();
            assert_eq!(packet, number.to_be_bytes());
            let took = arrival - MILLISECOND * number as u32 * 100;
            extremes = (extremes.0.min(took), extremes.1.max(took));
        }
        assert!(
            extremes.0 >= 30 * MILLISECOND && extremes.0 < 31 * MILLISECOND,
            "{extremes:?}"
        );
        assert!(
            extremes.1 <= 70 * MILLISECOND && extremes.1 > 69 * MILLISECOND,
            "{extremes:?}"
        );
    }

    #[test]
    fn the_share_of_packets_that_are_lost_is_as_set() {
        let quality = Quality {
            loss: 0.02,
            ..Quality::default()
        };
        let lost = 10_000 - arrivals(quality, 10_000, 1).len();
        assert!((150..250).contains(&lost), "{lost}");
    }

    #[test]
    fn packets_leave_at_the_rate_and_those_that_find_no_room_are_dropped() {
        let rate = Rate {
            bytes_per_second: 1_000_000,
            queue: 10_000,
        };
        let quality = Quality {
            delay: 5 * MILLISECOND,
            rate: Some(rate),
            ..Quality::default()
        };
        let arrivals = arrivals(quality, 30, 1000);

        let expected: Vec<_> = (1..=10).map(|number| (5 + number) * MILLISECOND).collect();
        assert_eq!(arrivals, expected);
    }
}
