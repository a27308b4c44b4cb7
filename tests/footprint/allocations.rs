//! What an exchange costs in heap allocations, counted.

use crate::support::exchanges::{KINDS, Kind, Parts, exchanges};

/// The heap allocations of 100 exchanges.
fn allocations(kind: Kind, parts: Parts) -> u64 {
    exchanges(kind, parts, 100, 1, |run| {
        allocation_counter::measure(run).count_total
    })
}

/// The handle in the extensions of the response, or the hint, and some slack for what a runtime does once
/// in a while.
#[test]
fn an_exchange_takes_at_most_one_allocation_more_than_a_bare_one() {
    for kind in KINDS {
        let bare = allocations(kind, Parts::None);

        for parts in [Parts::Connector, Parts::Layer, Parts::Both] {
            let more = allocations(kind, parts).saturating_sub(bare);
            assert!(more <= 110, "{}: {parts:?}", kind.name);
        }
    }
}

#[test]
fn an_exchange_of_the_own_client_takes_no_more_allocations_than_one_of_hyper_utils() {
    for kind in KINDS {
        let bare = allocations(kind, Parts::None);
        let both = allocations(kind, Parts::Both);

        let own = allocations(kind, Parts::Own);

        println!("{}: bare {bare}, both {both}, own {own}", kind.name);
        assert!(own <= both, "{}: {own}, not {both}", kind.name);
    }
}
