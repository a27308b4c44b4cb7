//! Moves packets between two TUN devices, as a link says.

use std::io;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;
use tun_rs::AsyncDevice;

use super::link::{End, Link};

/// Longer than any packet: the devices' MTU is 1500.
const PACKET: usize = 2048;

/// How many packets are taken from a device before arrivals are looked at again.
const BURST: usize = 64;

/// The devices of both hosts, and what is between them.
pub struct Forwarder {
    client: AsyncDevice,
    server: AsyncDevice,
    link: Link,
    start: Instant,
    /// By how much the latest packet was late: this process did not get the processor in time.
    late: Duration,
}

impl Forwarder {
    pub fn new(client: AsyncDevice, server: AsyncDevice, link: Link) -> Self {
        Self {
            client,
            server,
            link,
            start: Instant::now(),
            late: Duration::ZERO,
        }
    }

    /// Forwards packets until a device fails. To drop this future is to stop.
    pub async fn run(&mut self) -> io::Result<()> {
        loop {
            let next = self.link.next_arrival().map(|arrival| self.start + arrival);
            tokio::select! {
                () = until(next) => {}
                readable = self.client.readable() => {
                    readable?;
                    self.take_in(End::Client)?;
                }
                readable = self.server.readable() => {
                    readable?;
                    self.take_in(End::Server)?;
                }
            }
            self.deliver()?;
        }
    }

    pub fn late(&self) -> Duration {
        self.late
    }

    fn take_in(&mut self, from: End) -> io::Result<()> {
        let mut buffer = [0; PACKET];
        for _ in 0..BURST {
            let device = self.device(from);
            match device.try_recv(&mut buffer) {
                Ok(length) => {
                    let packet = buffer[..length].to_vec();
                    self.link.send(from, packet, self.start.elapsed());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn deliver(&mut self) -> io::Result<()> {
        let now = self.start.elapsed();
        while let Some((end, packet, arrival)) = self.link.receive(now) {
            self.late = self.late.max(now - arrival);
            match self.device(end).try_send(&packet) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn device(&self, end: End) -> &AsyncDevice {
        match end {
            End::Client => &self.client,
            End::Server => &self.server,
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
