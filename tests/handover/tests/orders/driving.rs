//! The driver alone: whoever drives a connection is woken for each event.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use shuttle::future::block_on;
use shuttle::rand::Rng;
use shuttle::thread;

use crate::Model;
use crate::driver::Driver;

pub const MODELS: &[Model] = &[
    (
        "each_event_is_seen_by_the_request_or_by_the_task",
        each_event_is_seen_by_the_request_or_by_the_task,
    ),
    (
        "each_event_is_seen_when_requests_are_dropped",
        each_event_is_seen_when_requests_are_dropped,
    ),
];

/// How many events there are. After the last one the connection has ended.
const EVENTS: usize = 3;

/// A connection whose transport has events, of which a poll sees one.
#[derive(Default)]
struct Connection {
    driver: Arc<Driver>,
    /// How many events were seen. Whoever polls has the lock, as in the pool.
    open: Mutex<usize>,
    /// How many there were.
    events: Mutex<usize>,
}

impl Connection {
    fn poll(&self, seen: &mut usize) {
        let waker = Waker::from(Arc::clone(&self.driver));
        let events = *self.events.lock().unwrap();
        if *seen < events {
            *seen += 1;
            if *seen < events {
                // As where a budget ends.
                waker.wake_by_ref();
            }
        }
    }

    /// The transport.
    fn happen(&self) {
        let waker = Waker::from(Arc::clone(&self.driver));
        for _ in 0..EVENTS {
            *self.events.lock().unwrap() += 1;
            waker.wake_by_ref();
        }
    }

    /// Drives the connection until so many events were seen.
    async fn request(&self, until: usize) {
        let mut driving = Driving(None);
        poll_fn(|cx| {
            let mut seen = self.open.lock().unwrap();
            self.driver.begin();
            driving.0 = Some(self);
            self.poll(&mut seen);
            if *seen < until {
                self.driver.wait(cx.waker());
                return Poll::Pending;
            }
            driving.0 = None;
            self.driver.hand_over(*seen == EVENTS);
            Poll::Ready(())
        })
        .await;
    }

    /// Drives the connection to its end, while no request does.
    fn task(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            let mut seen = self.open.lock().unwrap();
            if *seen == EVENTS {
                return Poll::Ready(());
            }
            if !self.driver.begin_task(cx.waker()) {
                return Poll::Pending;
            }
            self.poll(&mut seen);
            self.driver.hand_over(false);
            match *seen {
                EVENTS => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
    }
}

struct Driving<'a>(Option<&'a Connection>);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            let _open = connection.open.lock().unwrap();
            connection.driver.hand_over(true);
        }
    }
}

/// Events happen while `requests` and the task of a connection run. The task ends once it has seen them all.
fn drive(requests: impl FnOnce(&Connection) + Send + 'static) {
    let connection = Arc::<Connection>::default();
    let (peer, task) = (Arc::clone(&connection), Arc::clone(&connection));
    let peer = thread::spawn(move || peer.happen());
    let task = thread::spawn(move || block_on(task.task()));
    requests(&connection);
    peer.join().unwrap();
    task.join().unwrap();
}

fn each_event_is_seen_by_the_request_or_by_the_task() {
    drive(|connection| {
        block_on(connection.request(1));
        block_on(connection.request(2));
    });
}

fn each_event_is_seen_when_requests_are_dropped() {
    drive(|connection| {
        for until in 1..=EVENTS {
            let times = shuttle::rand::thread_rng().gen_range(0..3);
            let _ = crate::world::polled(connection.request(until), times);
        }
    });
}
