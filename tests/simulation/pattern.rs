//! What bodies consist of: bytes that follow from whose body it is, and where in it they stand.

use std::sync::OnceLock;

use bytes::Bytes;

use super::draw::Draw;

/// After so many bytes the pattern repeats. A prime, so that no power of two is a period.
const PERIOD: usize = 999_983;

/// Whose bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    Request,
    Response,
}

/// The bytes of a body from an offset on, at most so many.
pub fn piece(id: u64, side: Side, offset: u64, most: usize) -> Bytes {
    let start = place(id, side, offset);
    table().slice(start..PERIOD.min(start + most))
}

/// Whether these are the bytes of that body at that offset.
pub fn is_at(id: u64, side: Side, offset: u64, mut bytes: &[u8]) -> bool {
    let mut offset = offset;
    while !bytes.is_empty() {
        let expected = piece(id, side, offset, bytes.len());
        let (start, rest) = bytes.split_at(expected.len());
        if start != expected {
            return false;
        }
        offset += start.len() as u64;
        bytes = rest;
    }
    true
}

fn place(id: u64, side: Side, offset: u64) -> usize {
    let start = id * 7919 + if side == Side::Request { 500_009 } else { 0 };
    ((start + offset) % PERIOD as u64) as usize
}

/// No byte of it occurs in a message head, so that heads can be told from bodies.
fn table() -> &'static Bytes {
    static TABLE: OnceLock<Bytes> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut draw = Draw::new(0);
        let words = (0..PERIOD.div_ceil(8)).flat_map(|_| draw.seed().to_ne_bytes());
        words.take(PERIOD).map(|byte| byte | 0x80).collect()
    })
}
