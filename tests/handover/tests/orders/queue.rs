//! Who waits, and who is next.

use std::future::Future;
use std::task::{Context, Waker};

use shuttle::future::block_on;
use shuttle::thread;

use crate::Model;
use crate::world::{Answer, World, read};

pub const MODELS: &[Model] = &[
    (
        "those_who_wait_for_a_connection_are_served_in_their_order",
        || in_order(|| Answer::Whole),
    ),
    (
        "those_who_wait_for_a_permit_are_served_in_their_order",
        || in_order(|| Answer::Last),
    ),
];

/// Three requests come one after the other; there may be one connection.
fn in_order(answer: fn() -> Answer) {
    let world = World::new(1, answer);
    let mut waiting = Vec::new();
    for path in ["/0", "/1", "/2"] {
        let mut request = Box::pin(world.request(path));
        let polled = request
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        waiting.push((path, request));
    }
    let users: Vec<_> = waiting
        .into_iter()
        .map(|(path, request)| {
            thread::spawn(move || assert!(read(block_on(request).unwrap(), path)))
        })
        .collect();
    for user in users {
        user.join().unwrap();
    }
    assert_eq!(world.servers.paths(), ["/0", "/1", "/2"]);
    world.rest_and_end();
}
