//! Streams that can be sent again.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use http::HeaderMap;
use http_body_util::{BodyExt, Empty, Full};
use http_keepalive::{Repeatable, ReplayBody};
use hyper::body::{Body, Frame, SizeHint};
use proptest::prelude::*;

/// What a stream does when it is polled next.
#[derive(Clone, Debug)]
enum Step {
    Data(Vec<u8>),
    Trailers(usize),
    Fail,
    /// Nothing until it is polled again. The task is woken at once, or only by the test.
    Wait {
        wakes: bool,
    },
}

/// A stream that keeps to a script.
#[derive(Clone, Debug, Default)]
struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: Arc::new(Mutex::new(steps.into_iter().collect())),
            ..Self::default()
        }
    }

    fn of(pieces: &[&str]) -> Self {
        Self::new(pieces.iter().map(|piece| data(piece)))
    }

    /// How many steps were not taken.
    fn left(&self) -> usize {
        self.steps.lock().unwrap().len()
    }

    /// Wakes the task that polled last, as a stream does.
    fn wake(&self) {
        let waker = self.waker.lock().unwrap().take();
        waker.unwrap().wake();
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let step = self.steps.lock().unwrap().pop_front();
        Poll::Ready(match step {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data.into()))),
            Some(Step::Trailers(length)) => Some(Ok(Frame::trailers(trailers(length)))),
            Some(Step::Fail) => Some(Err("broken")),
            Some(Step::Wait { wakes }) => {
                *self.waker.lock().unwrap() = Some(cx.waker().clone());
                if wakes {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        })
    }
}

fn data(piece: &str) -> Step {
    Step::Data(piece.as_bytes().to_vec())
}

const WAIT: Step = Step::Wait { wakes: false };

/// A field whose name and value have so many bytes together.
fn trailers(length: usize) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "y".repeat(length - 5).parse().unwrap());
    trailers
}

/// The data of the next frame. The body has to have one.
fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Bytes {
    let frame = body.frame().now_or_never().expect("a frame is there");
    let frame = frame.expect("it has not ended");
    let Ok(frame) = frame else {
        panic!("it has failed")
    };
    frame.into_data().unwrap()
}

/// Data and trailers of the rest.
fn rest<B>(body: B) -> Result<(Bytes, Option<HeaderMap>), B::Error>
where
    B: Body<Data = Bytes>,
{
    let collected = body.collect().now_or_never().expect("it does not wait")?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

fn poll<B: Body + Unpin>(body: &mut B, task: &Arc<Woken>) -> Polled<B> {
    let waker = Waker::from(Arc::clone(task));
    pin!(body).poll_frame(&mut Context::from_waker(&waker))
}

#[test]
fn nothing_is_read_before_it_is_wanted() {
    let script = Script::of(&["one", "two"]);
    let mut body = ReplayBody::new(script.clone());
    let _repeat = body.repeat().unwrap();
    assert_eq!(script.left(), 2);

    assert_eq!(next(&mut body), "one");
    assert_eq!(script.left(), 1);
}

#[test]
fn a_repeat_has_what_was_read_and_what_was_not() {
    let script = Script::of(&["one", "two", "three"]);
    let mut body = ReplayBody::new(script.clone());
    let repeat = body.repeat().unwrap();
    next(&mut body);
    next(&mut body);
    drop(body);

    let second = repeat.repeat().unwrap();
    let mut repeat = repeat;
    assert_eq!(next(&mut repeat), "onetwo");
    assert_eq!(script.left(), 1, "nothing is read ahead");
    assert_eq!(next(&mut repeat), "three");
    assert!(next_is_end(&mut repeat));
    drop(repeat);
    assert_eq!(rest(second).unwrap().0, "onetwothree");
}

fn next_is_end<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> bool {
    body.frame().now_or_never().expect("no wait").is_none()
}

#[test]
fn a_repeat_has_the_trailers_too() {
    let script = Script::new([data("one"), Step::Trailers(40)]);
    let body = ReplayBody::new(script);
    let repeats = [body.repeat().unwrap(), body.repeat().unwrap()];
    assert_eq!(rest(body).unwrap(), ("one".into(), Some(trailers(40))));

    for repeat in repeats {
        assert!(!repeat.is_end_stream());
        assert_eq!(rest(repeat).unwrap(), ("one".into(), Some(trailers(40))));
    }
}

#[test]
fn what_is_longer_than_the_bound_goes_on_and_cannot_be_sent_again() {
    for (bound, is_capped) in [(6, false), (5, true)] {
        let script = Script::of(&["one", "two", "", "three"]);
        let mut body = ReplayBody::with_bound(script.clone(), bound).unwrap();
        let repeat = body.repeat().unwrap();
        next(&mut body);
        assert!(!body.is_capped());
        next(&mut body);

        assert_eq!(body.is_capped(), is_capped, "bound {bound}");
        assert_eq!(repeat.is_capped(), is_capped);
        assert_eq!(repeat.repeat().is_none(), is_capped);
        if is_capped {
            rest(repeat).unwrap_err();
            assert_eq!(script.left(), 2, "the stream is not disturbed");
        } else {
            let mut repeat = repeat;
            assert_eq!(next(&mut repeat), "onetwo");
        }
        assert_eq!(rest(body).unwrap().0, "three");
    }
}

#[test]
fn trailers_count_too() {
    for (bound, is_capped) in [(43, false), (42, true)] {
        let script = Script::new([data("one"), Step::Trailers(40)]);
        let mut body = ReplayBody::with_bound(script, bound).unwrap();
        let repeat = body.repeat().unwrap();
        next(&mut body);
        // It has come as far as the other, and cannot have the trailers.
        let mut beside = body.repeat().unwrap();
        next(&mut beside);

        assert_eq!(rest(&mut body).unwrap().1, Some(trailers(40)));
        assert_eq!(body.is_capped(), is_capped, "bound {bound}");
        assert_eq!(rest(repeat).is_err(), is_capped);
        assert_eq!(rest(beside).is_err(), is_capped);
        assert_eq!(rest(body).unwrap(), (Bytes::new(), None), "it has ended");
    }
}

/// Both get all of it, though one of them is the first to read the end.
#[test]
fn bodies_that_have_come_as_far_end_alike_beyond_the_bound() {
    let script = Script::of(&["one", "two"]);
    let mut body = ReplayBody::with_bound(script, 3).unwrap();
    let mut beside = body.repeat().unwrap();
    next(&mut body);
    next(&mut beside);
    assert_eq!(next(&mut body), "two");
    assert!(rest(&mut beside).is_err(), "this was not kept");
    assert!(next_is_end(&mut beside), "and it has ended with that");
    assert!(next_is_end(&mut body));
}

#[test]
fn a_stream_that_fails_cannot_be_sent_again() {
    let script = Script::new([data("one"), Step::Fail, data("two")]);
    let mut body = ReplayBody::new(script.clone());
    let repeat = body.repeat().unwrap();
    next(&mut body);
    let mut beside = body.repeat().unwrap();
    next(&mut beside);

    let error = rest(&mut body).unwrap_err();

    assert_eq!(error.to_string(), "broken", "it is the stream's own");
    assert!(repeat.is_capped());
    assert!(repeat.repeat().is_none());
    rest(repeat).unwrap_err();
    rest(beside).unwrap_err();
    assert!(next_is_end(&mut body));
    assert_eq!(script.left(), 1, "it is not polled again");
}

#[test]
fn the_length_is_that_of_the_stream_for_each_repeat() {
    let exact = |body: &ReplayBody<Full<Bytes>>| body.size_hint().exact();
    let mut body = ReplayBody::new(Full::from("hello"));
    assert_eq!(exact(&body), Some(5));
    let mut repeat = body.repeat().unwrap();
    next(&mut body);
    assert_eq!(exact(&body), Some(0));
    assert!(body.is_end_stream());
    assert_eq!(exact(&repeat), Some(5));
    assert!(!repeat.is_end_stream());
    assert!(next_is_end(&mut body));
    assert_eq!(exact(&repeat), Some(5));
    assert_eq!(next(&mut repeat), "hello");
    assert_eq!(exact(&repeat), Some(0));
    assert!(repeat.is_end_stream());

    let empty = ReplayBody::new(Empty::<Bytes>::new());
    assert!(empty.is_end_stream());
    assert_eq!(empty.size_hint().exact(), Some(0));
    let unknown = ReplayBody::new(Script::of(&["one"]));
    assert_eq!(unknown.size_hint().upper(), None);
    assert!(!unknown.is_end_stream());
}

/// A stream that says something about its length that makes no sense.
struct Boundless;

impl Body for Boundless {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(Some(Ok(Frame::data("x".into()))))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::with_exact(u64::MAX);
        hint.set_upper(u64::MAX);
        hint
    }
}

#[test]
fn a_length_beyond_all_numbers_is_none() {
    let mut body = ReplayBody::new(Boundless);
    let repeat = body.repeat().unwrap();
    next(&mut body);
    assert_eq!(repeat.size_hint().lower(), u64::MAX);
    assert_eq!(repeat.size_hint().upper(), None);
}

/// The stream knows only the task that polled last.
#[test]
fn each_task_that_waits_is_woken() {
    let script = Script::new([WAIT, WAIT, data("one"), WAIT, WAIT]);
    let mut body = ReplayBody::new(script.clone());
    let mut repeat = body.repeat().unwrap();
    let (first, second) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    assert!(poll(&mut body, &first).is_pending());
    assert!(poll(&mut repeat, &second).is_pending());

    script.wake();
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(poll(&mut repeat, &second).is_ready());
    assert_eq!(first.count(), 1, "there is something for the other");
    assert!(poll(&mut body, &first).is_ready());

    assert!(poll(&mut body, &first).is_pending());
    assert!(poll(&mut repeat, &second).is_pending());
    drop(repeat);
    assert_eq!(first.count(), 2, "nobody else polls the stream now");
}

#[test]
fn many_tasks_may_wait_and_none_is_forgotten() {
    let script = Script::new(std::iter::repeat_n(WAIT, 100));
    let mut bodies = vec![ReplayBody::new(script.clone())];
    let tasks: Vec<_> = (0..40).map(|_| Arc::<Woken>::default()).collect();
    for _ in 1..40 {
        let repeat = bodies[0].repeat().unwrap();
        bodies.push(repeat);
    }
    for (body, task) in bodies.iter_mut().zip(&tasks) {
        assert!(poll(body, task).is_pending());
        // The same task again is no other.
        assert!(poll(body, task).is_pending());
    }
    script.steps.lock().unwrap().clear();

    let last = bodies.pop().unwrap();
    rest(last).unwrap();

    let woken = tasks[..39].iter().filter(|task| task.count() > 0);
    assert_eq!(woken.count(), 39);
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let data = prop::collection::vec(any::<u8>(), 0..6).prop_map(Step::Data);
    let wait = Just(Step::Wait { wakes: true });
    let step = prop_oneof![6 => data, 2 => wait, 1 => Just(Step::Fail), 1 => (5..12_usize).prop_map(Step::Trailers)];
    prop::collection::vec(step, 0..12)
}

/// What a body should give: the data, and how it ends.
fn expected(steps: &[Step]) -> (Vec<u8>, Option<&Step>) {
    let mut bytes = Vec::new();
    for step in steps {
        match step {
            Step::Data(data) => bytes.extend(data),
            Step::Wait { .. } => {}
            end => return (bytes, Some(end)),
        }
    }
    (bytes, None)
}

proptest! {
    /// Some bodies, which are polled, repeated and dropped in any order.
    #[test]
    fn no_order_of_polling_panics_or_gives_another_body(
        steps in steps(),
        bound in 1..40_usize,
        turns in prop::collection::vec((0..4_usize, 0..10_u8), 0..80),
    ) {
        let (bytes, end) = expected(&steps);
        let trailers_length = match end {
            Some(Step::Trailers(length)) => *length,
            _ => 0,
        };
        let is_kept = bytes.len() + trailers_length <= bound && !matches!(end, Some(Step::Fail));
        let mut bodies = vec![(ReplayBody::with_bound(Script::new(steps.clone()), bound).unwrap(), Vec::new())];
        let task = Arc::<Woken>::default();
        for (which, what) in turns {
            if bodies.is_empty() {
                break;
            }
            let which = which % bodies.len();
            let (body, read) = &mut bodies[which];
            match what {
                0 => drop(bodies.swap_remove(which)),
                1 => {
                    let repeat = body.repeat();
                    prop_assert_eq!(repeat.is_none(), body.is_capped());
                    bodies.extend(repeat.map(|repeat| (repeat, Vec::new())));
                }
                _ => {
                    let is_end = body.is_end_stream();
                    match poll(body, &task) {
                        Poll::Pending => prop_assert!(!is_end),
                        Poll::Ready(None) => {}
                        Poll::Ready(Some(Err(_))) => prop_assert!(body.is_capped()),
                        Poll::Ready(Some(Ok(frame))) => {
                            prop_assert!(!is_end);
                            if let Some(data) = frame.data_ref() {
                                read.extend_from_slice(data);
                                prop_assert!(bytes.starts_with(read));
                            } else {
                                prop_assert_eq!(&*read, &bytes);
                                prop_assert_eq!(frame.trailers_ref(), Some(&trailers(trailers_length)));
                            }
                        }
                    }
                }
            }
        }
        for (body, read) in bodies {
            if is_kept {
                let whole = body.repeat().unwrap();
                let collected = whole.collect().now_or_never();
                // It may wait, and is woken at once.
                if let Some(collected) = collected {
                    let collected = collected.unwrap();
                    prop_assert_eq!(collected.trailers().is_some(), trailers_length > 0);
                    prop_assert_eq!(collected.to_bytes(), &*bytes);
                }
            }
            prop_assert!(bytes.starts_with(&read));
        }
    }
}
