//! What lies between the clients and a server, and what that server does.

use std::fmt;
use std::iter;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use http::Response;
use http_body_util::BodyExt;

use crate::args::name;
use crate::support::link::{Link, SEGMENT};
use crate::support::server::{Server, full};

/// How many TCP segments arrive at once where bandwidth is limited, as network cards gather them. One
/// by one, this process would be busy with them.
const SEGMENTS: usize = 4;

/// The links there are to choose from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LinkName {
    /// No latency
    Fast,
    /// Latency
    Far,
    /// Latency, and large responses over little bandwidth
    Slow,
    /// Latency, and a bandwidth that all users of a client share
    Shared,
    /// Latency, and a server whose timeout nobody is told
    Silent,
    /// The same, and in the middle of the run the timeout becomes half as long
    Changing,
}

/// A server, and the way to it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub link: LinkName,
    /// In each direction.
    pub latency: Duration,
    /// Bytes per second from the server to the client; `None` is without limit.
    pub bandwidth: Option<u64>,
    /// Whether the responses of all connections wait in one queue, and not each in its own.
    pub is_shared: bool,
    /// The length of a response's body.
    pub body: usize,
    /// How long the server lets a connection idle.
    pub idle_timeout: Duration,
    /// Whether it says so.
    pub is_hinting: bool,
    /// Whether clients that can be told are told.
    pub is_told: bool,
    /// Whether it becomes another; nobody says so.
    pub change: Option<Change>,
}

/// Another timeout, for connections from then on.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// How long after the run's start.
    pub after: Duration,
    pub idle_timeout: Duration,
}

impl Scenario {
    pub fn round_trip(&self) -> Duration {
        2 * self.latency
    }

    /// How long a response takes to get through, beside the latency. The server has written it at
    /// once: the network holds it.
    pub fn drain(&self) -> Duration {
        let Some(bandwidth) = self.bandwidth else {
            return Duration::ZERO;
        };
        Duration::from_secs_f64(self.body as f64 / bandwidth as f64)
    }

    /// When a user arrives, after the run's start. They come one by one and, as they think for as
    /// long, end so: no moment is busier than others.
    pub fn arrival(&self, user: usize, users: usize) -> Duration {
        self.idle_timeout * user as u32 / users as u32
    }

    /// The server's timeouts, in the order in which they hold.
    pub fn idle_timeouts(&self) -> impl Iterator<Item = Duration> {
        let changed = self.change.map(|change| change.idle_timeout);
        iter::once(self.idle_timeout).chain(changed)
    }

    /// That of a connection that was accepted so long after the run's start.
    pub fn idle_timeout_of(&self, accepted: Duration) -> Duration {
        match self.change {
            Some(change) if change.after <= accepted => change.idle_timeout,
            _ => self.idle_timeout,
        }
    }

    /// The gaps, from the end of a response to the next request, that lose a request on the same
    /// connection, where the server has that timeout: the request is sent before the server's FIN is
    /// here, and arrives after the server closed.
    pub fn losing(&self, idle_timeout: Duration) -> Range<Duration> {
        let end = idle_timeout.saturating_sub(self.drain());
        end.saturating_sub(self.round_trip())..end
    }

    pub fn link(&self) -> Link {
        let link = Link::new()
            .latency(self.latency)
            .segment(SEGMENTS * SEGMENT)
            .buffer((4 << 20).max(2 * self.body));
        match self.bandwidth {
            None => link,
            Some(bandwidth) => link.bandwidth(bandwidth),
        }
    }

    pub fn server(&self, idle_timeout: Duration) -> Server {
        let body = Bytes::from(vec![b'x'; self.body]);
        let server = Server::builder()
            .idle_timeout(idle_timeout)
            .record(false)
            .handler(move |request| {
                let body = body.clone();
                async move {
                    // A request that ends early is none to answer; hyper then closes.
                    drop(request.into_body().collect().await);
                    Response::new(full(body))
                }
            });
        if self.is_hinting {
            let hint = format!("timeout={}", idle_timeout.as_secs());
            server.hint(hint).build()
        } else {
            server.build()
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", name(&self.link))?;
        if self.latency.is_zero() {
            f.write_str("no latency")?;
        } else {
            write!(f, "{} ms each way", self.latency.as_millis())?;
        }
        if let Some(bandwidth) = self.bandwidth {
            let kilobytes = |bytes| bytes as f64 / 1_000.0;
            let (body, bandwidth) = (kilobytes(self.body as u64), kilobytes(bandwidth));
            write!(f, ", responses of {body} KB at {bandwidth} KB/s")?;
        }
        if self.is_shared {
            f.write_str(" for all users together")?;
        }
        write!(
            f,
            "; the server closes after {} s",
            self.idle_timeout.as_secs_f64()
        )?;
        if let Some(change) = self.change {
            write!(
                f,
                ", and connections from {} s on after {} s",
                change.after.as_secs(),
                change.idle_timeout.as_secs_f64()
            )?;
        }
        if !self.is_told {
            f.write_str("; nobody is told")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_lost_in_the_round_trip_before_the_timeout_and_sooner_by_the_drain() {
        let millis = Duration::from_millis;
        let far = Scenario {
            link: LinkName::Far,
            latency: millis(50),
            bandwidth: None,
            is_shared: false,
            body: 2,
            idle_timeout: millis(8_000),
            is_hinting: true,
            is_told: true,
            change: None,
        };
        assert_eq!(far.losing(far.idle_timeout), millis(7_900)..millis(8_000));

        let slow = Scenario {
            link: LinkName::Slow,
            bandwidth: Some(200_000),
            body: 400_000,
            ..far
        };
        assert_eq!(slow.losing(slow.idle_timeout), millis(5_900)..millis(6_000));
    }
}
