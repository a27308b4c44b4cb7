//! Requests and their connections, whatever servers and callers do.

use shuttle::rand::Rng;
use shuttle::thread;

use crate::Model;
use crate::world::{Answer, World, poll_once, polled, read};

pub const MODELS: &[Model] = &[
    (
        "each_request_is_answered_or_fails_whatever_its_server_does",
        each_request_is_answered_or_fails_whatever_its_server_does,
    ),
    (
        "each_request_is_answered_by_a_server_that_keeps_connections",
        each_request_is_answered_by_a_server_that_keeps_connections,
    ),
    (
        "dropped_requests_take_nothing_from_others",
        dropped_requests_take_nothing_from_others,
    ),
    (
        "dropped_bodies_take_nothing_from_others",
        dropped_bodies_take_nothing_from_others,
    ),
    (
        "a_request_that_is_never_answered_can_be_dropped",
        a_request_that_is_never_answered_can_be_dropped,
    ),
    (
        "a_client_is_dropped_while_its_connection_comes_back",
        a_client_is_dropped_while_its_connection_comes_back,
    ),
];

fn below(end: usize) -> usize {
    shuttle::rand::thread_rng().gen_range(0..end)
}

fn any(_: &str) -> Answer {
    let all = [
        Answer::Whole,
        Answer::InTwo,
        Answer::Last,
        Answer::ThenClose,
        Answer::Close,
    ];
    all[below(all.len())]
}

fn kept(_: &str) -> Answer {
    [Answer::Whole, Answer::InTwo][below(2)]
}

/// Runs so many users of a client at once, and waits for them.
fn users(world: &World, users: usize, user: impl Fn(&World, usize) + Clone + Send + 'static) {
    let users: Vec<_> = (0..users)
        .map(|number| {
            let (world, user) = (world.clone(), user.clone());
            thread::spawn(move || user(&world, number))
        })
        .collect();
    for user in users {
        user.join().unwrap();
    }
}

fn each_request_is_answered_or_fails_whatever_its_server_does() {
    let world = World::new(1 + below(2), any);
    users(&world, 3, |world, user| {
        for n in 0..2 {
            world.exchange(&format!("/{user}/{n}"));
        }
    });
    world.rest_and_end();
}

fn each_request_is_answered_by_a_server_that_keeps_connections() {
    let connections = 1 + below(2);
    let world = World::new(connections, kept);
    users(&world, 3, |world, user| {
        for n in 0..2 {
            assert!(world.exchange(&format!("/{user}/{n}")));
        }
    });
    assert!(world.servers.opened() <= connections);
    let servers = world.servers.clone();
    world.rest_and_end();
    assert_eq!(servers.paths().len(), 6);
}

fn dropped_requests_take_nothing_from_others() {
    let world = World::new(1, kept);
    users(&world, 3, |world, user| {
        let path = format!("/{user}");
        if user == 0 {
            assert!(world.exchange(&path));
        } else if let Some(Ok(response)) = polled(world.request(&path), below(4)) {
            assert!(read(response, &path));
        }
    });
    assert!(world.exchange("/last"));
    world.rest_and_end();
}

fn dropped_bodies_take_nothing_from_others() {
    let world = World::new(1, kept);
    users(&world, 2, |world, user| {
        let path = format!("/{user}");
        drop(shuttle::future::block_on(world.request(&path)).unwrap());
    });
    assert!(world.exchange("/last"));
    world.rest_and_end();
}

/// Its connection has to be closed for it: nothing else happens on it.
fn a_request_that_is_never_answered_can_be_dropped() {
    let world = World::new(1, |_| Answer::Never);
    let mut request = Box::pin(world.request("/"));
    while world.servers.paths().is_empty() {
        assert!(poll_once(&mut request).is_pending());
        thread::yield_now();
    }
    let dropping = thread::spawn(|| drop(request));
    world.rest_and_end();
    dropping.join().unwrap();
}

fn a_client_is_dropped_while_its_connection_comes_back() {
    let world = World::new(1, |_| Answer::InTwo);
    let response = shuttle::future::block_on(world.request("/")).unwrap();
    let ending = thread::spawn(|| world.end());
    assert!(read(response, "/"));
    ending.join().unwrap();
}
