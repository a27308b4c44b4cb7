//! Who waits, and who is next.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::Response;
use hyper::body::Incoming;
use shuttle::future::block_on;
use shuttle::thread;

use crate::world::{Answer, World, poll_once, read};
use crate::{ClientError, Model};

pub const MODELS: &[Model] = &[
    (
        "those_who_wait_for_a_connection_are_served_in_their_order",
        || in_order(|_| Answer::Whole),
    ),
    (
        "those_who_wait_for_a_permit_are_served_in_their_order",
        || in_order(|_| Answer::Last),
    ),
    (
        "who_opens_a_connection_keeps_the_place_in_the_queue",
        who_opens_a_connection_keeps_the_place_in_the_queue,
    ),
    (
        "those_who_open_connections_keep_their_order",
        those_who_open_connections_keep_their_order,
    ),
];

/// Three requests come one after the other; there may be one connection.
fn in_order(answer: fn(&str) -> Answer) {
    let world = World::new(1, answer);
    let mut waiting = Vec::new();
    for path in ["/0", "/1", "/2"] {
        let mut request = Box::pin(world.request(path));
        assert!(poll_once(&mut request).is_pending());
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

/// A request, and its response once there is one.
struct Sent<'a> {
    world: &'a World,
    path: &'static str,
    request: BoxFuture,
    response: Option<Response<Incoming>>,
}

type BoxFuture = Pin<Box<dyn Future<Output = Result<Response<Incoming>, ClientError>> + Send>>;

impl<'a> Sent<'a> {
    fn new(world: &'a World, path: &'static str) -> Self {
        let mut new = Self {
            world,
            path,
            request: Box::pin(world.request(path)),
            response: None,
        };
        new.poll();
        new
    }

    /// Lets it do what it can.
    fn poll(&mut self) {
        if self.response.is_some() {
            return;
        }
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(response) = self.request.as_mut().poll(&mut cx) {
            self.response = Some(response.unwrap());
        }
    }

    /// Waits until the server has it.
    fn reach_server(mut self) -> Self {
        while !self
            .world
            .servers
            .paths()
            .iter()
            .any(|path| path == self.path)
        {
            self.poll();
            thread::yield_now();
        }
        self
    }

    /// Waits until it is answered.
    fn end(self) {
        let response = match self.response {
            Some(response) => response,
            None => block_on(self.request).unwrap(),
        };
        assert!(read(response, self.path));
    }
}

/// There may be two connections, and one of two closes. The first of those who wait may open another, but it takes for
/// ever. Then the other connection is free.
fn who_opens_a_connection_keeps_the_place_in_the_queue() {
    let world = World::with_servers(2, 2, |path| match path {
        "/0" => Answer::Last,
        _ => Answer::Whole,
    });
    let first = Sent::new(&world, "/0").reach_server();
    let second = Sent::new(&world, "/1").reach_server();
    let (mut waiting, last) = (Sent::new(&world, "/2"), Sent::new(&world, "/3"));

    first.end();
    while world.connecting() < 1 {
        thread::yield_now();
    }
    waiting.poll();
    second.end();

    waiting.end();
    drop(last);
    world.rest_and_end();
}

/// The same with two who may open connections, and learn it in the other order.
fn those_who_open_connections_keep_their_order() {
    let world = World::with_servers(3, 3, |path| match path {
        "/0" | "/1" => Answer::Last,
        _ => Answer::Whole,
    });
    let [first, second, third] =
        ["/0", "/1", "/2"].map(|path| Sent::new(&world, path).reach_server());
    let [mut fourth, mut fifth, last] = ["/3", "/4", "/5"].map(|path| Sent::new(&world, path));

    first.end();
    second.end();
    while world.connecting() < 2 {
        thread::yield_now();
    }
    fifth.poll();
    fourth.poll();
    third.end();

    fourth.end();
    fifth.end();
    drop(last);
    world.rest_and_end();
}
