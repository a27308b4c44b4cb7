//! What an exchange costs in heap allocations, counted.

use crate::support::typical::{Over, Parts, exchanges};

/// The heap allocations of a thousand exchanges, without those of the first ones.
fn allocations(parts: Parts) -> u64 {
    let count = |times| {
        let counted = allocation_counter::measure(|| exchanges(parts, Over::Memory, times, 0));
        counted.count_total
    };
    count(2_000) - count(1_000)
}

/// The handle in the extensions of the response, or the hint, and some slack for what a runtime does once
/// in a while.
#[test]
fn an_exchange_takes_one_more_than_a_bare_one() {
    let bare = allocations(Parts::None);

    assert!(allocations(Parts::Connector) <= bare + 1_010);
    assert!(allocations(Parts::Layer) <= bare + 1_010);
    assert!(allocations(Parts::Both) <= bare + 1_010);
}
