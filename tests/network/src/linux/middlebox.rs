//! What is between client and server and forgets idle TCP connections, as address translators,
//! firewalls and load balancers do.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use etherparse::{IpNumber, Ipv4Slice, PacketBuilder, TcpSlice};

/// The connections that are known, and when a packet of each was last seen.
#[derive(Debug)]
pub struct Middlebox {
    forgets_after: Duration,
    response: Response,
    connections: HashMap<Connection, Duration>,
}

/// What happens to a packet of a connection that was forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Response {
    /// It is dropped without a word.
    None,
    /// Its sender gets an RST.
    Reset,
}

/// What happens to a packet.
#[derive(Debug, Eq, PartialEq)]
pub enum Verdict {
    Pass,
    Drop,
    /// The packet is dropped, and this one goes back to its sender.
    Answer(Vec<u8>),
}

/// Both ends of a connection, the smaller one first, so that both directions are the same.
type Connection = [(Ipv4Addr, u16); 2];

impl Middlebox {
    pub fn new(forgets_after: Duration, response: Response) -> Self {
        Self {
            forgets_after,
            response,
            connections: HashMap::new(),
        }
    }

    pub fn judge(&mut self, packet: &[u8], now: Duration) -> Verdict {
        let Some((ip, tcp)) = parse(packet) else {
            return Verdict::Pass;
        };
        let connection = connection(&ip, &tcp);
        let is_first = tcp.syn() && !tcp.ack();
        let last = self.connections.get(&connection);
        let is_known = last.is_some_and(|&last| now.saturating_sub(last) <= self.forgets_after);
        if is_first || is_known {
            self.connections.insert(connection, now);
            return Verdict::Pass;
        }
        self.connections.remove(&connection);
        // An RST is never answered.
        if self.response == Response::Reset && !tcp.rst() {
            reset(&ip, &tcp).map_or(Verdict::Drop, Verdict::Answer)
        } else {
            Verdict::Drop
        }
    }
}

fn parse(packet: &[u8]) -> Option<(Ipv4Slice<'_>, TcpSlice<'_>)> {
    let ip = Ipv4Slice::from_slice(packet).ok()?;
    if ip.header().protocol() != IpNumber::TCP {
        return None;
    }
    let tcp = TcpSlice::from_slice(ip.payload().payload).ok()?;
    Some((ip, tcp))
}

fn connection(ip: &Ipv4Slice<'_>, tcp: &TcpSlice<'_>) -> Connection {
    let header = ip.header();
    let mut ends = [
        (header.source_addr(), tcp.source_port()),
        (header.destination_addr(), tcp.destination_port()),
    ];
    ends.sort_unstable();
    ends
}

/// The RST that the other end would send (RFC 9293, section 3.10.7.1): the sender of the packet accepts
/// it, since its sequence number is the one that the sender expects next.
fn reset(ip: &Ipv4Slice<'_>, tcp: &TcpSlice<'_>) -> Option<Vec<u8>> {
    let header = ip.header();
    let builder = PacketBuilder::ipv4(header.destination(), header.source(), 64)
        .tcp(
            tcp.destination_port(),
            tcp.source_port(),
            tcp.acknowledgment_number(),
            0,
        )
        .rst();
    let mut packet = Vec::with_capacity(builder.size(0));
    builder.write(&mut packet, &[]).ok()?;
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40_000);
    const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);
    const FORGETS_AFTER: Duration = Duration::from_secs(2);

    fn packet(from: ([u8; 4], u16), to: ([u8; 4], u16), is_first: bool) -> Vec<u8> {
        let builder = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1000, 1000);
        let builder = if is_first {
            builder.syn()
        } else {
            builder.ack(2000)
        };
        let mut packet = Vec::new();
        builder.write(&mut packet, b"data").unwrap();
        packet
    }

    /// A middlebox that knows one connection, last seen after a second, in a packet of the server's.
    fn middlebox(response: Response) -> Middlebox {
        let mut middlebox = Middlebox::new(FORGETS_AFTER, response);
        let start = Duration::ZERO;
        let first = middlebox.judge(&packet(CLIENT, SERVER, true), start);
        assert_eq!(first, Verdict::Pass);
        let second = middlebox.judge(&packet(SERVER, CLIENT, false), Duration::from_secs(1));
        assert_eq!(second, Verdict::Pass);
        middlebox
    }

    #[test]
    fn a_connection_is_known_until_it_was_idle_for_too_long() {
        let request = packet(CLIENT, SERVER, false);
        let last = Duration::from_secs(1) + FORGETS_AFTER;
        let late = last + Duration::from_millis(1);

        assert_eq!(
            middlebox(Response::None).judge(&request, last),
            Verdict::Pass
        );
        let mut forgetful = middlebox(Response::None);
        assert_eq!(forgetful.judge(&request, late), Verdict::Drop);
        // That packet does not bring it back, a new connection does.
        assert_eq!(forgetful.judge(&request, late), Verdict::Drop);
        let again = packet(CLIENT, SERVER, true);
        assert_eq!(forgetful.judge(&again, late), Verdict::Pass);
        assert_eq!(forgetful.judge(&request, late), Verdict::Pass);
    }

    #[test]
    fn the_sender_of_a_late_packet_gets_the_reset_that_it_accepts() {
        let request = packet(CLIENT, SERVER, false);
        let verdict = middlebox(Response::Reset).judge(&request, Duration::from_secs(9));

        let Verdict::Answer(answer) = verdict else {
            panic!("{verdict:?}");
        };
        let (ip, tcp) = parse(&answer).unwrap();
        assert_eq!(ip.header().source(), SERVER.0);
        assert_eq!(ip.header().destination(), CLIENT.0);
        assert_eq!(
            (tcp.source_port(), tcp.destination_port()),
            (SERVER.1, CLIENT.1)
        );
        assert!(tcp.rst() && !tcp.ack());
        assert_eq!(tcp.sequence_number(), 2000);
        let checksum = tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination());
        assert_eq!(checksum, Ok(tcp.checksum()));
    }

    #[test]
    fn a_reset_is_not_answered() {
        let reset = {
            let builder = PacketBuilder::ipv4(CLIENT.0, SERVER.0, 64);
            let builder = builder.tcp(CLIENT.1, SERVER.1, 1000, 0).rst();
            let mut packet = Vec::new();
            builder.write(&mut packet, &[]).unwrap();
            packet
        };
        let verdict = middlebox(Response::Reset).judge(&reset, Duration::from_secs(9));
        assert_eq!(verdict, Verdict::Drop);
    }
}
