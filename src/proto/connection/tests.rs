use proptest::prelude::*;

use super::super::learn::{Evidence, Failure};
use super::*;
use crate::policy::Learn;

const HOUR: Duration = Duration::from_secs(3_600);

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const OK_4: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const TIMED_OUT: &str =
    "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const UNAVAILABLE: &str =
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const UNTIL_EOF: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// One connection, driven as the transport wrapper drives it.
struct Life {
    lifecycle: Lifecycle,
    policy: KeepAlivePolicy,
    /// The quickest answer of the origin. By default no answer took longer.
    quickest: Option<Span>,
    /// Whether there is nothing to read before each piece.
    was_awaited: bool,
    /// When something happened last.
    now: Moment,
}

impl Life {
    /// Connected at the epoch, on a network without latency, with nothing kept as a margin.
    fn connected() -> Self {
        Self::connected_after(0)
    }

    /// The same, after connecting for so many milliseconds.
    fn connected_after(millis: u64) -> Self {
        Self {
            lifecycle: Lifecycle::new(Span::new(ms(millis)), Moment::epoch()),
            policy: KeepAlivePolicy::default()
                .max_idle(HOUR)
                .safety_margin(Duration::ZERO),
            quickest: Some(Span::new(HOUR)),
            was_awaited: true,
            now: Moment::epoch(),
        }
    }

    fn with(mut self, policy: KeepAlivePolicy) -> Self {
        self.policy = policy;
        self.lifecycle.on_change(&policy);
        self
    }

    fn with_window(mut self, bytes: u64) -> Self {
        self.policy = self.policy.response_window(bytes);
        self
    }

    /// Connected, and one exchange made within no time.
    fn idle() -> Self {
        let mut life = Self::connected();
        life.exchange_at(0);
        life
    }

    /// Connected, and a request under way.
    fn busy() -> Self {
        let mut life = Self::connected();
        life.write(GET, 0);
        life
    }

    /// Connected, one exchange made, and another request under way.
    fn busy_again() -> Self {
        let mut life = Self::idle();
        life.write(GET, 0);
        life
    }

    fn write(&mut self, bytes: &str, millis: u64) -> Outcome {
        self.write_at(bytes, Moment::at(millis))
    }

    fn write_at(&mut self, bytes: &str, now: Moment) -> Outcome {
        self.now = now;
        let known = Known {
            policy: &self.policy,
            quickest: self.quickest(),
        };
        self.lifecycle.on_written([bytes.as_bytes()], &known, now)
    }

    fn quickest(&self) -> Option<Quickest> {
        let at = self.now.monotonic;
        self.quickest.map(|answer| Quickest { answer, at })
    }

    fn read(&mut self, bytes: &str, millis: u64) -> Outcome {
        self.read_at(bytes, Moment::at(millis))
    }

    fn read_at(&mut self, bytes: &str, now: Moment) -> Outcome {
        self.now = now;
        let known = Known {
            policy: &self.policy,
            quickest: self.quickest(),
        };
        self.lifecycle
            .on_read(bytes.as_bytes(), self.was_awaited, &known, now)
    }

    /// A request and its response at once.
    fn exchange_at(&mut self, millis: u64) {
        self.write(GET, millis);
        self.read(OK, millis);
    }

    /// A hint in the response to the last request, which may have ended.
    fn hint(&mut self, hint: KeepAliveHint) -> Option<Advertised> {
        let advertised = self.lifecycle.on_hint(hint, &self.policy);
        self.lifecycle.on_change(&self.policy);
        advertised
    }

    fn look(&self) -> Option<Verdict> {
        self.lifecycle.verdict(&self.policy, &self.now)
    }

    fn verdict(&mut self) -> Option<Verdict> {
        self.lifecycle.on_idle_read(&self.policy, self.now)
    }

    /// For how long it may be reused from now on.
    #[track_caller]
    fn good_for(&self) -> Duration {
        match self.look() {
            Some(Verdict::Reuse { until }) => self.now.until(&until).unwrap().duration(),
            verdict => panic!("expected a deadline, got {verdict:?}"),
        }
    }

    /// How long before the end of the last response the server may have started its idle timer, in milliseconds.
    fn held(&self) -> u128 {
        match self.lifecycle.phase {
            Phase::Idle { skew, delay, .. } => skew.saturating_add(delay).duration().as_millis(),
            _ => panic!("not idle"),
        }
    }

    /// What a round trip is taken for, in milliseconds.
    fn rtt(&self) -> u128 {
        self.lifecycle.rtt().duration().as_millis()
    }

    fn end(&mut self, cause: Cause) -> Option<CloseCause> {
        let ended = self.lifecycle.on_end(cause, self.now);
        ended.map(|ended| ended.cause)
    }

    /// This side drops the connection.
    fn drop(&mut self) -> Option<CloseCause> {
        let ended = self.lifecycle.on_drop(self.now);
        ended.map(|ended| ended.cause)
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn timeout(seconds: u64) -> KeepAliveHint {
    KeepAliveHint::new().with_timeout(secs(seconds))
}

fn max(requests: u32) -> KeepAliveHint {
    KeepAliveHint::new().with_max(requests)
}

fn body(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// The head of a response with a body of so many bytes.
fn head(bytes: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n")
}

const REQUESTED: Option<Verdict> = Some(Verdict::Retire(RetireReason::Requested));

// Phases.

#[test]
fn a_connection_is_unused_then_busy_then_idle_and_so_on() {
    let mut life = Life::connected();
    assert!(matches!(
        life.lifecycle.phase,
        Phase::Unused { first_read: None }
    ));
    assert!(life.lifecycle.is_idle());

    for _ in 0..3 {
        life.write("GET / HTT", 0);
        assert_eq!(life.lifecycle.mode(), Mode::Busy, "a request has begun");
        life.write("P/1.1\r\nhost: a\r\n\r\n", 0);
        assert_eq!(life.lifecycle.mode(), Mode::Busy, "nothing was answered");
        life.read(OK_4, 0);
        assert_eq!(life.lifecycle.mode(), Mode::Busy, "a body is to come");
        life.read("bod", 0);
        assert_eq!(life.lifecycle.mode(), Mode::Busy, "a byte is missing");
        assert!(!life.lifecycle.is_idle());
        assert_eq!(life.look(), None, "an open exchange is not to be closed");
        assert_eq!(life.verdict(), None, "an open exchange is not to be closed");
        life.read("y", 0);
        assert_eq!(life.lifecycle.mode(), Mode::Idle);
        assert!(life.lifecycle.is_idle());
        assert!(life.verdict().is_some());
    }
}

#[test]
fn an_exchange_is_open_until_its_request_is_out_too() {
    let mut life = Life::connected();
    life.write(POST, 0);
    life.read(OK, 1);
    assert_eq!(life.lifecycle.mode(), Mode::Busy);
    life.write("bod", 2);
    assert_eq!(life.lifecycle.mode(), Mode::Busy);
    life.write("y", 3);
    assert_eq!(life.lifecycle.mode(), Mode::Idle);
}

#[test]
fn an_exchange_may_begin_in_the_write_that_ends_the_one_before() {
    let mut life = Life::connected();
    life.write(POST, 0);
    life.read(OK, 1);

    life.write(&format!("body{GET}"), 2);

    assert_eq!(life.lifecycle.mode(), Mode::Busy);
    assert_eq!(life.lifecycle.request().number(), 2);
    assert_eq!(life.lifecycle.request().idle_before(), Duration::ZERO);
    life.read(OK, 3);
    assert_eq!(life.lifecycle.mode(), Mode::Idle);
}

#[test]
fn requests_are_counted_when_they_begin() {
    let mut life = Life::connected();
    assert_eq!(life.lifecycle.request().number(), 0);
    for requests in 1..=5 {
        life.write("G", 0);
        assert_eq!(life.lifecycle.request().number(), requests);
        life.write(&GET[1..], 0);
        life.read(CONTINUE, 0);
        life.read(OK, 0);
        assert_eq!(life.lifecycle.request().number(), requests);
    }
}

#[test]
fn the_idle_time_before_a_request_counts_from_the_end_of_the_last_exchange() {
    let mut life = Life::connected_after(500);
    assert_eq!(life.lifecycle.request().idle_before(), Duration::ZERO);

    life.write("GET", 30);
    assert_eq!(
        life.lifecycle.request().idle_before(),
        ms(30),
        "since connecting"
    );
    life.write(&GET[3..], 40);
    life.read(OK_4, 50);
    life.read("body", 100);
    assert_eq!(
        life.lifecycle.request().idle_before(),
        ms(30),
        "until the next request"
    );

    life.write(GET, 350);
    assert_eq!(
        life.lifecycle.request().idle_before(),
        ms(250),
        "since the last byte"
    );
}

#[test]
fn the_idle_time_before_a_request_includes_sleep() {
    let mut life = Life::idle();

    life.write_at(GET, Moment::at(10).wall_forward(HOUR));

    assert_eq!(life.lifecycle.request().idle_before(), HOUR + ms(10));
}

#[test]
fn age_counts_from_connecting_and_includes_sleep() {
    let mut life = Life::idle();
    life.exchange_at(500);

    assert_eq!(life.lifecycle.age(&Moment::at(700)), ms(700));
    let asleep = Moment::at(700).wall_forward(HOUR);
    assert_eq!(life.lifecycle.age(&asleep), HOUR + ms(700));
    let set_back = Moment::at(700).wall_back(HOUR);
    assert_eq!(life.lifecycle.age(&set_back), ms(700));
}

#[test]
fn the_deadline_counts_from_the_last_byte_of_the_response() {
    let mut life = Life::connected().with(KeepAlivePolicy::default());
    life.write(GET, 100);
    life.read(OK, 100);

    let verdict = life
        .lifecycle
        .verdict(&life.policy, &Moment::at(2_000))
        .expect("an idle connection");

    let until = Moment::at(4_600);
    assert_eq!(verdict, Verdict::Reuse { until });
}

#[test]
fn the_deadline_of_an_unused_connection_counts_from_connecting() {
    let mut life = Life::connected().with(KeepAlivePolicy::default());
    assert_eq!(life.good_for(), ms(4_500));
    life.verdict();

    life.now = Moment::at(4_499);
    assert_eq!(life.good_for(), ms(1));

    life.now = Moment::at(4_500);
    assert_eq!(
        life.look(),
        Some(Verdict::Retire(RetireReason::IdleDeadline))
    );
}

#[test]
fn to_have_been_asked_before_moves_no_deadline() {
    let asked_until = |millis: u64| {
        let mut life = Life::idle().with(KeepAlivePolicy::default());
        for millis in [0, 0, 1_000, millis] {
            life.now = Moment::at(millis);
            let until = Moment::at(4_500);
            assert_eq!(life.verdict(), Some(Verdict::Reuse { until }));
        }
        life
    };
    let retired = Some(Verdict::Retire(RetireReason::IdleDeadline));
    for now in [
        Moment::at(4_500),
        Moment::at(4_500).wall_back(HOUR),
        Moment::at(4_499).wall_forward(ms(1)),
    ] {
        let mut life = asked_until(4_499);

        life.now = now;

        assert_eq!(life.verdict(), retired, "{now:?}");
    }
}

#[test]
fn without_reuse_a_connection_serves_its_first_request_and_no_other() {
    let mut life = Life::connected().with(KeepAlivePolicy::default().reuse(false));
    assert_eq!(life.good_for(), ms(4_500));
    assert_eq!(life.verdict(), life.look());

    life.exchange_at(10);

    assert_eq!(
        life.verdict(),
        Some(Verdict::Retire(RetireReason::ReuseDisabled))
    );
}

// Round trips.

#[test]
fn a_round_trip_takes_no_longer_than_connecting_did_where_that_was_slow() {
    for (connecting, rtt) in [(30, 500), (500, 500), (700, 700), (2_000, 800)] {
        let mut life = Life::connected_after(connecting);
        life.write(GET, 100);
        life.read(OK, 900);
        assert_eq!(life.rtt(), rtt, "after connecting for {connecting} ms");
    }

    let mut life = Life::connected_after(30);
    assert_eq!(
        life.lifecycle.rtt(),
        Span::new(ms(30)),
        "before the first request"
    );

    life.write(GET, 100);
    life.read(OK, 150);

    assert_eq!(life.rtt(), 50, "a relay may have accepted the connection");
}

#[test]
fn a_round_trip_takes_no_longer_than_the_quickest_answer_did() {
    let mut life = Life::connected_after(100);
    for (millis, least) in [
        (600, 500),
        (200, 200),
        (80, 80),
        (90, 80),
        (20, 20),
        (300, 20),
        (20, 20),
        (0, 0),
        (20, 0),
    ] {
        let sent = life.now.after(HOUR);
        life.write_at(GET, sent);
        life.read_at(OK, sent.after(ms(millis)));

        assert_eq!(life.rtt(), least, "after an answer in {millis} ms");
        assert_eq!(
            life.verdict(),
            life.look(),
            "after an answer in {millis} ms"
        );
        assert_eq!(life.rtt(), least, "to have been asked changes nothing");
    }
}

#[test]
fn an_answer_is_timed_from_the_first_byte_of_its_request_to_its_own_first_byte() {
    let mut life = Life::connected_after(10_000);

    life.write("GET / HTTP", 100);
    life.write("/1.1\r\nhost: a\r\n\r\n", 160);
    life.read("HTTP/1.1 ", 190);
    life.read("200 OK\r\ncontent-length: 0\r\n\r\n", 1_090);

    assert_eq!(life.rtt(), 90);
}

#[test]
fn an_early_answer_makes_no_sample_that_is_too_small() {
    let mut life = Life::connected_after(10_000);

    // The server answers the head, and the answer arrives just as the body's last byte is out.
    life.write(POST, 100);
    life.write("bod", 149);
    life.write("y", 150);
    life.read(OK, 150);

    assert_eq!(life.rtt(), 50);
}

#[test]
fn an_interim_response_is_no_answer() {
    let mut life = Life::connected_after(10_000);

    life.write(POST, 100);
    life.read(CONTINUE, 120);
    life.write("body", 120);
    life.read(CONTINUE, 500);
    life.read(OK, 900);

    assert_eq!(life.rtt(), 800);
}

#[test]
fn the_time_of_an_answer_does_not_outlive_its_exchange() {
    let mut life = Life::connected_after(10_000);
    life.write(GET, 0);
    life.read(OK, 500);

    // Were the first answer taken for that of the second request, it came before its request.
    life.write(GET, 1_000);
    life.read(OK, 1_300);

    assert_eq!(life.rtt(), 300);
}

#[test]
fn the_request_is_sent_with_its_last_byte() {
    let mut life = Life::connected();
    life.write(POST, 0);
    life.write("bo", 3_000);
    life.write("dy", 5_000);
    life.read(OK, 5_020);
    assert_eq!(life.good_for(), HOUR - ms(20));

    life.write(POST, 6_000);
    life.read(CONTINUE, 6_020);
    life.write("body", 6_500);
    life.read(OK, 6_530);
    assert_eq!(life.good_for(), HOUR - ms(30), "after an interim response");
}

/// Of the time until an answer, as much is taken for the server's work as the quickest answer took.
#[test]
fn an_answer_that_takes_longer_than_the_quickest_may_have_been_held() {
    for (quickest, answered, held) in [
        (None, 2_000, 1_960),
        (Some(ms(10)), 2_000, 1_990),
        (Some(ms(2_000)), 2_000, 0),
        (Some(ms(3_000)), 2_000, 0),
        (Some(ms(10)), 10, 0),
    ] {
        let mut life = Life::connected_after(40).with(KeepAlivePolicy::default());
        life.quickest = quickest.map(Span::new);
        life.write(GET, 0);
        let outcome = life.read(OK, answered);

        assert_eq!(outcome.answer, Some(Span::new(ms(answered))));
        assert_eq!(life.held(), held, "{quickest:?}");
    }
}

/// The response waited in the socket of a process that was stopped. Its server counts since it was asked.
#[test]
fn a_response_that_is_read_late_leaves_what_is_certain() {
    let mut life = Life::connected_after(40).with(KeepAlivePolicy::default());
    life.quickest = Some(Span::new(ms(20)));
    life.write(GET, 0);
    life.read(OK, 4_400);
    assert_eq!(life.good_for(), ms(100));
    let bound = life.lifecycle.deadline_bound(&life.policy);
    assert_eq!(bound, Some(DeadlineBound::Certain));

    life.write(GET, 10_000);
    life.read(OK, 16_000);
    let never = Some(Verdict::Retire(RetireReason::NoIdleAllowed));
    assert_eq!(life.look(), never);
}

#[test]
fn a_request_timeout_answers_nothing_so_it_is_no_sample() {
    let mut life = Life::connected_after(100);

    life.write(GET, 1_000);
    life.read(TIMED_OUT, 1_001);
    assert_eq!(life.rtt(), 100, "as long as connecting took");

    life.write(GET, 2_000);
    life.read(OK, 2_040);
    assert_eq!(life.rtt(), 40, "the next answer is one again");
}

/// An upper bound that is too small stays for good.
#[test]
fn an_answer_that_came_during_a_sleep_makes_no_sample_that_is_too_small() {
    let mut life = Life::connected_after(100);

    life.write(GET, 0);
    life.read_at(OK, Moment::at(1).wall_forward(HOUR));

    assert_eq!(life.rtt(), 500);
}

// Skew.

#[test]
fn a_response_in_one_piece_has_no_skew() {
    let mut life = Life::connected();
    life.write(GET, 0);

    life.read(&format!("{OK_4}body"), 5_000);

    assert_eq!(life.held(), 0, "how long the server took does not count");
}

#[test]
fn a_slow_response_may_have_been_written_when_its_first_byte_came() {
    let mut life = Life::connected();
    life.write(GET, 0);
    let head = head(30_000);
    life.read(&head[..1], 10);
    life.read(&head[1..], 200);
    life.read(&body(29_999), 1_500);
    life.read("y", 2_010);

    assert_eq!(life.held(), 2_000);
}

#[test]
fn a_response_that_is_read_late_counts_as_slow() {
    let mut life = Life::connected();
    life.write(GET, 0);
    life.read(&format!("{}{}", head(65_536), body(1_000)), 0);
    life.read(&body(64_536), 150);

    assert_eq!(life.held(), 150);
}

/// 110 bytes in six seconds were not held by the network: the server wrote them late.
#[test]
fn a_response_that_trickles_in_was_written_late() {
    let mut life = Life::connected();
    life.write(GET, 0);
    life.read(&head(70), 10);
    for piece in 1..=7 {
        life.read(&body(10), 10 + 850 * piece);
    }

    // As long as the bytes take on the slowest network: 109 of them, with the head.
    assert_eq!(life.held(), 10);
}

/// Nobody read for seconds. What is read then, without a wait for it, may have been there all the time.
#[test]
fn a_caller_that_reads_late_was_not_waiting_for_the_server() {
    let mut life = Life::connected();
    life.write(GET, 0);
    life.read(&head(70), 10);
    life.read(&body(35), 20);
    life.was_awaited = false;
    life.read(&body(35), 5_020);
    assert_eq!(life.held(), 5_010);

    life.was_awaited = true;
    life.write(GET, 6_000);
    life.read(&head(70), 6_010);
    life.read(&body(70), 11_010);
    assert!(
        life.held() < 20,
        "of the last response alone: {}",
        life.held()
    );
}

#[test]
fn interim_responses_have_no_part_in_the_skew() {
    let mut life = Life::connected();
    life.write(POST, 0);
    life.read(CONTINUE, 0);
    life.write("body", 10);
    life.read("HTTP/1.1 102 Pro", 20);
    life.read("cessing\r\n\r\n", 700);

    life.read("HTTP/1.1 200", 1_000);
    life.read(" OK\r\ncontent-length: 30000\r\n\r\n", 1_100);
    life.read(&body(30_000), 1_300);

    assert_eq!(life.held(), 300);
}

#[test]
fn a_final_response_may_begin_in_the_piece_that_ends_an_interim_one() {
    let mut life = Life::connected();
    life.write(GET, 0);
    life.read("HTTP/1.1 102 Pro", 20);
    life.read(&format!("cessing\r\n\r\n{}", head(30_000)), 100);
    life.read(&body(30_000), 400);

    assert_eq!(life.held(), 300);
}

#[test]
fn a_long_response_was_not_written_before_all_but_the_last_window_came() {
    let mut life = Life::connected().with_window(1_000);
    life.write(GET, 0);
    life.read(&head(100_000), 0);
    for piece in 1..=1_000 {
        life.read(&body(100), piece);
    }

    // A window of bytes takes 10 ms. Half a window lies between marks, and a piece at either end.
    assert!((9..=16).contains(&life.held()), "{}", life.held());
}

#[test]
fn the_last_piece_of_a_response_may_be_a_window_long() {
    let mut life = Life::connected().with_window(1_000);
    life.write(GET, 0);
    life.read(&head(2_000), 0);
    life.read(&body(1_000), 10);
    life.read(&body(1_000), 500);

    assert_eq!(life.held(), 0);
}

#[test]
fn a_response_within_the_window_is_anchored_at_its_first_byte() {
    let mut life = Life::connected().with_window(100_000);
    life.write(GET, 0);
    life.read(&head(50_000), 7);
    for piece in 1..=500 {
        life.read(&body(100), 7 + piece);
    }

    assert_eq!(life.held(), 500);
}

#[test]
fn the_default_window_is_eight_mebibytes() {
    let mebibyte = body(1024 * 1024);
    for (mebibytes, expected) in [(7, 7..=7), (20, 7..=12)] {
        let mut life = Life::connected();
        life.write(GET, 0);
        life.read(&head(mebibytes * 1024 * 1024), 0);
        for piece in 1..=mebibytes {
            life.read(&mebibyte, piece as u64);
        }

        let skew = life.held();
        assert!(expected.contains(&skew), "{mebibytes} MiB: {skew}");
    }
}

#[test]
fn a_window_of_zero_has_the_server_done_when_its_last_byte_came() {
    let mut life = Life::connected().with_window(0);
    life.write(GET, 0);
    life.read(OK_4, 10);
    life.read("body", 2_010);

    assert_eq!(life.held(), 0);
}

#[test]
fn the_skew_is_that_of_the_last_response_alone() {
    let mut life = Life::connected().with_window(1_000);
    let mut start = 0;
    for (bytes, pieces, expected) in [
        (10, 50, 50..=50),
        (10, 0, 0..=0),
        (100, 1_000, 9..=16),
        (10, 3, 3..=3),
        (100, 1_000, 9..=16),
        (10, 0, 0..=0),
        (10, 99, 99..=99),
    ] {
        start += 100_000;
        life.write(GET, start);
        life.read(&head(bytes * pieces), start);
        for piece in 1..=pieces {
            life.read(&body(bytes), start + piece as u64);
        }

        let skew = life.held();
        assert!(
            expected.contains(&skew),
            "{pieces} of {bytes} bytes: {skew}"
        );
    }
}

#[test]
fn the_skew_includes_sleep() {
    let mut life = Life::connected();
    life.write(GET, 0);
    life.read(&head(30_000), 0);
    life.read_at(&body(30_000), Moment::at(100).wall_forward(secs(60)));

    assert_eq!(life.held(), 60_100);
}

/// When its request is out only after its response has come, the exchange is over with the request:
/// before, there is no idle time that could be counted.
///
/// Most servers start their timer no earlier than that either, since they have to read the request
/// before they can wait for another. But nothing makes them: one that counts from the response, and
/// drains what is left of the request in the meantime, started it as early as the response's first
/// byte came here. So the anchor stays where it is for any other response, and the skew reaches
/// from there to the end of the request. For a long upload this may leave nothing of the timeout,
/// which costs a connection; the other choice would cost a request.
#[test]
fn after_an_early_response_the_server_may_have_counted_from_its_first_byte() {
    let mut life = Life::connected();
    life.write(POST, 0);
    life.read("HTTP", 100);
    life.read(&OK[4..], 130);
    life.write("body", 700);

    assert_eq!(life.held(), 600);
    // Nor does the timeout count from when the rest of the request was sent.
    assert_eq!(life.good_for(), HOUR - ms(700));

    life.write(GET, 1_000);
    assert_eq!(
        life.lifecycle.request().idle_before(),
        ms(300),
        "idle since it was out"
    );
}

#[test]
fn after_a_long_early_response_all_but_a_window_of_it_had_come_first() {
    let mut life = Life::connected().with_window(1_000);
    life.write(POST, 0);
    life.read(&head(10_000), 0);
    for piece in 1..=100 {
        life.read(&body(100), piece);
    }
    life.write("body", 500);

    assert!((409..=416).contains(&life.held()), "{}", life.held());
}

// Hints.

#[test]
fn a_hint_sets_the_deadline_of_the_exchange_it_came_in() {
    let mut life = Life::busy();
    life.hint(timeout(5));
    assert_eq!(life.lifecycle.hint(), Some(timeout(5)));

    life.read(OK, 0);

    assert_eq!(life.good_for(), secs(5));
}

#[test]
fn what_a_later_hint_does_not_mention_stands() {
    let mut life = Life::idle();

    life.hint(timeout(5).with_max(10));
    life.hint(max(3));
    assert_eq!(life.lifecycle.hint(), Some(timeout(5).with_max(3)));
    assert_eq!(life.good_for(), secs(5));

    life.hint(timeout(60));
    assert_eq!(life.lifecycle.hint(), Some(timeout(60).with_max(3)));
    assert_eq!(life.good_for(), secs(60), "a longer one replaces a shorter");

    life.hint(KeepAliveHint::new());
    assert_eq!(life.lifecycle.hint(), Some(timeout(60).with_max(3)));

    // Of four requests all in all, the limit that stands, one is left after three.
    life.exchange_at(0);
    life.exchange_at(0);
    assert_eq!(life.good_for(), secs(60));
    life.exchange_at(0);
    assert_eq!(
        life.look(),
        Some(Verdict::Retire(RetireReason::RequestLimit))
    );
}

#[test]
fn a_hint_stands_for_the_exchanges_that_follow() {
    let mut life = Life::idle();
    life.hint(timeout(5));
    life.exchange_at(10);
    life.exchange_at(20);

    assert_eq!(life.good_for(), secs(5));
}

#[test]
fn max_counts_the_requests_after_that_whose_response_said_it() {
    for (limit, request, served) in [(0, 1, 1), (1, 1, 2), (2, 1, 3), (0, 3, 3), (2, 3, 5)] {
        let mut life = Life::connected();
        for number in 1..=served {
            if number > 1 {
                assert!(life.good_for() > Duration::ZERO, "before request {number}");
            }
            life.exchange_at(0);
            if number == request {
                life.hint(max(limit));
            }
        }

        let exhausted = Some(Verdict::Retire(RetireReason::RequestLimit));
        assert_eq!(
            life.look(),
            exhausted,
            "max={limit} with response {request}"
        );
    }
}

#[test]
fn a_limit_without_end_overflows_nothing() {
    let mut life = Life::idle();
    life.hint(max(u32::MAX));
    life.hint(max(u32::MAX));

    assert_eq!(life.good_for(), HOUR);
}

#[test]
fn hints_that_are_not_honoured_are_not_kept() {
    let mut life = Life::idle();
    life.policy = life.policy.hints(false);

    assert_eq!(life.hint(timeout(0).with_max(0)), None);

    assert_eq!(life.lifecycle.hint(), None);
    assert_eq!(life.good_for(), HOUR);
}

#[test]
fn a_hint_is_advertised_to_other_connections_where_it_says_something_new() {
    let advertised = |timeout: Option<u64>, requests| {
        Some(Advertised {
            timeout: timeout.map(secs),
            requests,
        })
    };
    let mut life = Life::idle();
    assert_eq!(life.hint(timeout(5)), advertised(Some(5), None));
    assert_eq!(life.hint(timeout(5)), None);
    assert_eq!(life.hint(max(9)), advertised(Some(5), Some(10)));
    life.exchange_at(0);
    assert_eq!(life.hint(timeout(5).with_max(8)), None, "as before");
    assert_eq!(
        life.hint(timeout(6).with_max(8)),
        advertised(Some(6), Some(10))
    );
}

/// A response with these header lines.
fn response(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}content-length: 4\r\n\r\nbody")
}

#[test]
fn a_hint_is_read_from_the_head_however_it_is_cut_into_pieces() {
    let bytes = response("Keep-Alive: timeout=7\r\nkeep-alive: max=2, timeout=9\r\n");
    for cut in 0..bytes.len() {
        let mut life = Life::busy();
        let (first, second) = bytes.split_at(cut);
        let outcomes = [life.read(first, 0), life.read(second, 0)];

        assert_eq!(
            life.lifecycle.hint(),
            Some(timeout(7).with_max(2)),
            "at {cut}"
        );
        assert_eq!(life.good_for(), secs(7), "at {cut}");
        let hints = outcomes.iter().filter(|outcome| outcome.hint.is_some());
        assert_eq!(hints.count(), 1, "at {cut}: it is counted once");
    }
}

#[test]
fn a_hint_is_known_before_the_body_ends() {
    let bytes = response("keep-alive: timeout=7\r\n");
    let mut life = Life::busy();
    life.read(bytes.strip_suffix("body").unwrap(), 0);
    assert_eq!(life.lifecycle.hint(), Some(timeout(7)));
    assert_eq!(life.look(), None, "the exchange is open");
}

#[test]
fn an_interim_response_carries_no_hint() {
    let mut life = Life::busy();
    life.read(
        "HTTP/1.1 103 Early Hints\r\nkeep-alive: timeout=7\r\n\r\n",
        0,
    );
    assert_eq!(life.lifecycle.hint(), None);
    life.read(OK, 0);
    assert_eq!(life.lifecycle.hint(), None);
}

#[test]
fn what_is_no_hint_changes_nothing_and_never_makes_a_connection_opaque() {
    let long = format!("keep-alive: timeout=7, x={}\r\n", "y".repeat(2_000));
    for (lines, is_invalid) in [
        ("x-keep-alive: timeout=7\r\n", None),
        ("keep-alives: timeout=7\r\n", None),
        ("keep-alive: \r\n", Some(false)),
        ("keep-alive: timeout=soon\r\n", Some(true)),
        ("keep-alive : timeout=7\r\n", Some(true)),
        ("keep-alive\r\n", None),
        ("keep-alive: timeout=\x017\r\n", Some(true)),
        (&long, Some(true)),
    ] {
        let mut life = Life::busy();
        let outcome = life.read(&response(lines), 0);
        let invalid = outcome.hint.map(|parsed| parsed.invalid);
        assert_eq!(invalid, is_invalid, "{lines:?}");
        assert_eq!(life.lifecycle.hint(), None, "{lines:?}");
        assert_eq!(life.good_for(), HOUR, "{lines:?}");
    }
}

#[test]
fn a_request_and_a_trailer_carry_no_hint() {
    let mut life = Life::connected();
    life.write("GET / HTTP/1.1\r\nkeep-alive: timeout=7\r\n\r\n", 0);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    life.read(&format!("{chunked}0\r\nkeep-alive: timeout=7\r\n\r\n"), 0);
    assert_eq!(life.lifecycle.hint(), None);
    assert_eq!(life.good_for(), HOUR);
}

#[test]
fn a_new_connection_starts_with_what_its_origin_advertised() {
    let policy = KeepAlivePolicy::default()
        .max_idle(secs(10))
        .safety_margin(Duration::ZERO);
    let good_for = |timeout: Option<u64>, policy: KeepAlivePolicy| {
        let advertised = Advertised {
            timeout: timeout.map(secs),
            requests: None,
        };
        let mut life = Life::connected().with(policy);
        life.lifecycle = life.lifecycle.with_advertised(&advertised, &policy);
        life.exchange_at(0);
        assert_eq!(life.lifecycle.hint(), None, "it heard none itself");
        life.good_for()
    };
    assert_eq!(good_for(None, policy), secs(10));
    assert_eq!(good_for(Some(4), policy), secs(4));
    assert_eq!(
        good_for(Some(60), policy),
        secs(10),
        "another one's longer timeout"
    );
    assert_eq!(
        good_for(Some(0), policy),
        secs(10),
        "zero forbids one connection"
    );
    assert_eq!(good_for(Some(4), policy.hints(false)), secs(10));
}

#[test]
fn a_server_that_was_asked_and_is_silent_is_taken_at_its_word() {
    let advertised = Advertised {
        timeout: Some(secs(4)),
        requests: Some(9),
    };
    let mut life = Life::connected();
    life.lifecycle = life.lifecycle.with_advertised(&advertised, &life.policy);
    life.exchange_at(0);
    assert_eq!(life.good_for(), secs(4));

    assert!(
        life.lifecycle.on_probe_answered(1, &life.policy),
        "no hint came"
    );
    assert_eq!(life.good_for(), HOUR);

    let mut hinted = Life::busy();
    let policy = hinted.policy;
    hinted.read(&response("keep-alive: timeout=4\r\n"), 0);
    assert!(!hinted.lifecycle.on_probe_answered(1, &policy));
    assert!(hinted.lifecycle.on_probe_answered(2, &policy));
    assert_eq!(hinted.good_for(), secs(4), "its own hint stands");
}

// Retiring.

#[test]
fn a_connection_that_is_retired_while_idle_is_to_be_looked_at() {
    let mut unused = Life::connected();
    assert!(unused.lifecycle.retire());
    assert_eq!(unused.verdict(), REQUESTED);

    let mut idle = Life::idle();
    assert!(idle.lifecycle.retire());
    assert_eq!(idle.verdict(), REQUESTED);
}

#[test]
fn a_connection_that_is_retired_while_busy_serves_its_exchange_to_the_end() {
    let mut life = Life::busy();

    assert!(!life.lifecycle.retire());

    assert_eq!(life.verdict(), None);
    life.read(OK_4, 0);
    assert_eq!(life.verdict(), None);
    life.read("body", 0);
    assert_eq!(life.verdict(), REQUESTED);
}

#[test]
fn an_opaque_connection_is_not_retired() {
    let mut life = Life::connected();
    life.lifecycle.on_opaque(OpaqueReason::Http2);

    assert!(!life.lifecycle.retire());

    assert_eq!(life.verdict(), None);
    assert_eq!(life.drop(), Some(CloseCause::Opaque(OpaqueReason::Http2)));
}

#[test]
fn what_is_retired_stays_so() {
    let mut life = Life::idle().with(KeepAlivePolicy::default());
    let retired = Some(Verdict::Retire(RetireReason::IdleDeadline));

    assert_ne!(life.verdict(), retired, "asked before");
    life.now = Moment::at(10).wall_forward(HOUR);
    assert_eq!(life.verdict(), retired);

    life.now = Moment::at(20);
    assert_eq!(life.verdict(), retired, "the wall clock was set back");
    life.hint(timeout(600));
    assert_eq!(life.verdict(), retired, "the server allows more");
    life.lifecycle.retire();
    assert_eq!(life.verdict(), retired, "the first reason stands");
    life.exchange_at(30);
    assert_eq!(life.verdict(), retired, "used nevertheless");
}

#[test]
fn to_be_retired_by_hand_is_a_reason_that_stands() {
    let mut life = Life::idle().with(KeepAlivePolicy::default());
    life.lifecycle.retire();

    life.now = Moment::at(10_000);

    assert_eq!(life.verdict(), REQUESTED);
}

#[test]
fn only_to_look_retires_nothing() {
    let mut life = Life::idle().with(KeepAlivePolicy::default());
    life.now = Moment::at(10).wall_forward(HOUR);
    assert_eq!(
        life.look(),
        Some(Verdict::Retire(RetireReason::IdleDeadline))
    );

    life.now = Moment::at(10);

    assert_eq!(life.good_for(), ms(4_490));
    assert_eq!(life.verdict(), life.look());
    assert_eq!(life.drop(), Some(CloseCause::Client));
}

// Ends.

impl Life {
    /// What came in answer.
    fn answered(mut self, bytes: &str) -> Self {
        self.read(bytes, 0);
        self
    }

    fn retired(mut self) -> Self {
        self.lifecycle.retire();
        self
    }

    fn opaque(mut self) -> Self {
        self.lifecycle.on_opaque(OpaqueReason::Tunnel);
        self
    }

    /// A request is to be written, and nothing of it is accepted.
    fn sending(mut self) -> Self {
        self.lifecycle.on_sending(self.now);
        self
    }

    /// What the first response said.
    fn hinted(mut self, hint: KeepAliveHint) -> Self {
        self.hint(hint);
        self
    }

    fn without_reuse(self) -> Self {
        let policy = self.policy.reuse(false);
        self.with(policy)
    }

    /// Idle for too long.
    fn expired(mut self) -> Self {
        self.now = self.now.after(HOUR);
        self
    }

    fn looked_at(mut self) -> Self {
        self.verdict();
        self
    }
}

/// How a life ends: dropped, by EOF, by an error.
type Ends = [CloseCause; 3];

/// A life of that name, and how it ends.
type EndRow = (&'static str, fn() -> Life, Ends);

#[test]
fn every_end_is_called_by_its_name() {
    use CloseCause::{Client, Delimited, PeerBusy, PeerIdle, Stale};

    const CLIENT: Ends = [Client, PeerIdle, PeerIdle];
    const PEER: Ends = [Client, PeerBusy, PeerBusy];
    const STALE: Ends = [Client, Stale, Stale];
    const DELIMITED: Ends = [Client, Delimited, PeerBusy];
    const UNKNOWN: Ends = [CloseCause::Opaque(OpaqueReason::Tunnel); 3];
    // It may be retired, and the server be quicker.
    let by = |reason| [CloseCause::Retired(reason), PeerIdle, PeerIdle];
    let requested = by(RetireReason::Requested);
    let expired = by(RetireReason::IdleDeadline);
    let once = by(RetireReason::ReuseDisabled);
    let last = by(RetireReason::RequestLimit);
    let no_time = by(RetireReason::NoIdleAllowed);

    // `exchange`: the first one is over, `again`: and another request is out.
    let rows: [EndRow; 31] = [
        ("first, blocked", || Life::connected().sending(), PEER),
        ("again, blocked", || Life::idle().sending(), STALE),
        (
            "again, blocked, retired",
            || Life::idle().sending().retired(),
            STALE,
        ),
        (
            "again, blocked, expired",
            || Life::idle().sending().expired().looked_at(),
            STALE,
        ),
        ("unused", || Life::connected(), CLIENT),
        (
            "unused, no reuse",
            || Life::connected().without_reuse(),
            CLIENT,
        ),
        ("unused, retired", || Life::connected().retired(), requested),
        ("unused, opaque", || Life::connected().opaque(), UNKNOWN),
        (
            "unused, expired",
            || Life::connected().looked_at().expired().looked_at(),
            expired,
        ),
        ("request", || Life::busy(), PEER),
        ("request, retired", || Life::busy().retired(), PEER),
        ("request, opaque", || Life::busy().opaque(), UNKNOWN),
        ("request, a byte", || Life::busy().answered("H"), PEER),
        (
            "request, until EOF",
            || Life::busy().answered(UNTIL_EOF),
            DELIMITED,
        ),
        ("exchange", || Life::idle(), CLIENT),
        ("exchange, retired", || Life::idle().retired(), requested),
        ("exchange, opaque", || Life::idle().opaque(), UNKNOWN),
        ("exchange, expired", || Life::idle().expired(), CLIENT),
        (
            "exchange, seen expired",
            || Life::idle().expired().looked_at(),
            expired,
        ),
        ("exchange, no reuse", || Life::idle().without_reuse(), once),
        ("exchange, last", || Life::idle().hinted(max(0)), last),
        (
            "exchange, no time",
            || Life::idle().hinted(timeout(0)),
            no_time,
        ),
        ("again", || Life::busy_again(), STALE),
        ("again, retired", || Life::busy_again().retired(), STALE),
        ("again, last", || Life::busy_again().hinted(max(0)), STALE),
        ("again, a byte", || Life::busy_again().answered("H"), PEER),
        (
            "again, interim",
            || Life::busy_again().answered(CONTINUE),
            PEER,
        ),
        ("again, a head", || Life::busy_again().answered(OK_4), PEER),
        (
            "again, until EOF",
            || Life::busy_again().answered(UNTIL_EOF),
            DELIMITED,
        ),
        ("again, opaque", || Life::busy_again().opaque(), UNKNOWN),
        ("two exchanges", || Life::busy_again().answered(OK), CLIENT),
    ];
    const CAUSES: [Option<Cause>; 3] = [None, Some(Cause::Eof), Some(Cause::Error)];
    let end = |life: &mut Life, cause| match cause {
        Some(cause) => life.end(cause),
        None => life.drop(),
    };
    for (name, lived, ends) in rows {
        for (cause, expected) in CAUSES.into_iter().zip(ends) {
            let mut life = lived();
            assert_eq!(end(&mut life, cause), Some(expected), "{name}, {cause:?}");
            for again in CAUSES {
                let again = end(&mut life, again);
                assert_eq!(again, None, "{name}, after {cause:?}");
            }
        }
    }
}

// Sending.

#[test]
fn a_request_that_nothing_is_accepted_of_keeps_its_connection() {
    for life in [Life::connected(), Life::idle()] {
        let before = life.lifecycle.request().number();
        let mut life = life.sending();
        assert!(!life.lifecycle.is_idle());
        assert_eq!(life.lifecycle.request().number(), before + 1);

        life = life.expired();
        assert!(!life.lifecycle.retire(), "there is nothing to look at");
        assert_eq!(life.verdict(), None);
        life.lifecycle.on_sending(life.now);
        assert_eq!(
            life.lifecycle.request().number(),
            before + 1,
            "it is the same"
        );

        let now = life.now;
        assert!(life.write_at("G", now).begun);
        assert_eq!(life.lifecycle.request().number(), before + 1, "it still is");
        assert_eq!(life.verdict(), None);
    }
}

#[test]
fn before_the_first_request_a_connection_was_idle_since_connecting() {
    let mut life = Life::connected();
    for _ in 0..2 {
        life.now = life.now.after(ms(300));
        life = life.looked_at();
    }

    life = life.sending();

    assert_eq!(life.lifecycle.request().idle_before(), ms(600));
}

#[test]
fn a_request_has_the_time_of_the_first_attempt_to_write_it() {
    let mut life = Life::idle();
    life.now = life.now.after(HOUR);
    life.lifecycle.on_sending(life.now);
    let idle_before = life.lifecycle.request().idle_before();

    let outcome = life.write_at(GET, life.now.after(HOUR));

    assert!(outcome.begun);
    assert_eq!(life.lifecycle.request().idle_before(), idle_before);
    assert!(idle_before >= HOUR && idle_before < 2 * HOUR);
}

#[test]
fn what_turns_out_to_be_no_request_is_not_counted_as_one() {
    let mut life = Life::connected().sending();

    let outcome = life.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0);

    assert_eq!(
        outcome.opaque.map(|became| became.reason),
        Some(OpaqueReason::Http2)
    );
    assert_eq!(life.lifecycle.request().number(), 0);
}

// First use.

#[test]
fn an_unused_connection_that_is_looked_at_late_is_good_for_a_while_from_then_on() {
    let grace = secs(1);
    for policy in [
        KeepAlivePolicy::default(),
        KeepAlivePolicy::default().max_idle(ms(8)),
        KeepAlivePolicy::default().safety_margin(HOUR).reuse(false),
        KeepAlivePolicy::default().idle_jitter(1.0),
        KeepAlivePolicy::default().max_lifetime(ms(1)),
    ] {
        let late = Moment::at(0).after(HOUR);
        let mut lifecycle = Lifecycle::new(Span::ZERO, Moment::at(0));

        for asked in [late, late.after(grace - Duration::from_nanos(1))] {
            let verdict = lifecycle.on_idle_read(&policy, asked);
            let until = late.after(grace);
            assert_eq!(verdict, Some(Verdict::Reuse { until }));
        }

        let verdict = lifecycle.on_idle_read(&policy, late.after(grace));
        assert!(matches!(verdict, Some(Verdict::Retire(_))), "{verdict:?}");
    }
}

#[test]
fn an_unused_connection_that_was_looked_at_in_time_has_no_such_while() {
    let policy = KeepAlivePolicy::default();
    let mut lifecycle = Lifecycle::new(Span::ZERO, Moment::at(0));

    assert!(matches!(
        lifecycle.on_idle_read(&policy, Moment::at(2_999)),
        Some(Verdict::Reuse { .. })
    ));

    let verdict = lifecycle.on_idle_read(&policy, Moment::at(4_500));
    assert_eq!(verdict, Some(Verdict::Retire(RetireReason::IdleDeadline)));
}

/// Connecting was slow, and so is the thread: it comes to send after two seconds.
#[test]
fn a_slow_connect_leaves_an_unused_connection_its_time() {
    let policy = KeepAlivePolicy::default();
    let mut lifecycle = Lifecycle::new(Span::new(secs(3)), Moment::at(0));

    for millis in [0, 2_000, 4_499] {
        let verdict = lifecycle.on_idle_read(&policy, Moment::at(millis));
        let until = Moment::at(4_500);
        assert_eq!(verdict, Some(Verdict::Reuse { until }));
    }
}

#[test]
fn an_unused_connection_is_good_for_a_while_whatever_the_margin() {
    let policy = KeepAlivePolicy::default().safety_margin(HOUR);
    let mut lifecycle = Lifecycle::new(Span::ZERO, Moment::at(0));

    let fresh = lifecycle.on_idle_read(&policy, Moment::at(0));
    assert!(matches!(fresh, Some(Verdict::Reuse { .. })));
    let verdict = lifecycle.on_idle_read(&policy, Moment::at(1_000));
    assert_eq!(verdict, Some(Verdict::Retire(RetireReason::IdleDeadline)));
}

// Opaque.

/// Ways to be no HTTP/1 that is understood, as what is written or read on an idle connection.
fn mysteries() -> Vec<(OpaqueReason, Vec<Step>)> {
    use Step::{Read, Write};
    vec![
        (
            OpaqueReason::Upgrade,
            vec![Write(GET), Read("HTTP/1.1 101 Switching Protocols\r\n\r\n")],
        ),
        (
            OpaqueReason::Tunnel,
            vec![
                Write("CONNECT a:1 HTTP/1.1\r\n\r\n"),
                Read("HTTP/1.1 200 OK\r\n\r\n"),
            ],
        ),
        (
            OpaqueReason::Http2,
            vec![Write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
        ),
        (OpaqueReason::Unrecognized, vec![Write("\0")]),
        (OpaqueReason::Unrecognized, vec![Write(GET), Write(GET)]),
        (
            OpaqueReason::Unrecognized,
            vec![Write(GET), Read("220 ftp\r\n")],
        ),
        (OpaqueReason::Unsolicited, vec![Read(TIMED_OUT)]),
        (
            OpaqueReason::Unsolicited,
            vec![Write(GET), Read(OK), Read("x")],
        ),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(&'static str),
    Read(&'static str),
}

impl Life {
    /// Returns why nothing is known any more, if that came out now.
    fn step(&mut self, step: Step) -> Option<OpaqueReason> {
        let now = self.now;
        let outcome = match step {
            Step::Write(bytes) => self.write_at(bytes, now),
            Step::Read(bytes) => self.read_at(bytes, now),
        };
        outcome.opaque.map(|became| became.reason)
    }
}

#[test]
fn what_is_not_understood_is_opaque_for_ever_and_says_so_once() {
    for (reason, steps) in mysteries() {
        for mut life in [Life::connected(), Life::idle()] {
            let told: Vec<_> = steps.iter().filter_map(|step| life.step(*step)).collect();
            assert_eq!(told, [reason], "{steps:?}");
            assert_eq!(life.lifecycle.opaque(), Some(reason), "{steps:?}");
            assert!(!life.lifecycle.is_idle(), "{steps:?}");

            let requests = life.lifecycle.request().number();
            for bytes in [GET, OK, "anything", ""] {
                assert_eq!(life.step(Step::Write(bytes)), None, "{steps:?}");
                assert_eq!(life.step(Step::Read(bytes)), None, "{steps:?}");
                assert_eq!(life.look(), None, "{steps:?}");
                assert_eq!(life.verdict(), None, "{steps:?}");
            }
            assert_eq!(life.lifecycle.opaque(), Some(reason), "{steps:?}");
            assert_eq!(life.lifecycle.request().number(), requests, "{steps:?}");
            assert_eq!(
                life.end(Cause::Eof),
                Some(CloseCause::Opaque(reason)),
                "{steps:?}"
            );
        }
    }
}

#[test]
fn what_is_understood_says_nothing_of_being_opaque() {
    let mut life = Life::connected();
    assert_eq!(life.lifecycle.opaque(), None);
    for step in [Step::Write(GET), Step::Read(CONTINUE), Step::Read(OK)] {
        assert_eq!(life.step(step), None, "{step:?}");
        assert_eq!(life.lifecycle.opaque(), None, "{step:?}");
    }
}

#[test]
fn a_connection_can_be_opaque_for_a_reason_that_the_bytes_do_not_show() {
    let mut life = Life::connected();

    life.lifecycle.on_opaque(OpaqueReason::Http2);

    assert_eq!(life.lifecycle.opaque(), Some(OpaqueReason::Http2));
    assert!(!life.write(GET, 0).begun);
    assert_eq!(life.lifecycle.request().number(), 0);
    assert_eq!(life.drop(), Some(CloseCause::Opaque(OpaqueReason::Http2)));
}

#[test]
fn only_the_first_byte_of_a_request_begins_it() {
    let mut life = Life::connected();
    let begun = |life: &mut Life, bytes: &str| life.write(bytes, 0).begun;

    assert!(begun(&mut life, "P"));
    assert!(!begun(&mut life, &POST[1..]));
    assert!(!begun(&mut life, "body"));
    life.read(OK, 0);
    assert!(begun(&mut life, GET));
    assert!(!life.read(OK, 1).begun);
}

// Any order of things.

#[derive(Clone, Debug)]
enum Op {
    Write(&'static str),
    Read(&'static str),
    /// A request, and after so many milliseconds its response, which takes so many more.
    Exchange(u64, u64),
    Wait(u64),
    Sleep(u64),
    SetBack(u64),
    Hint(KeepAliveHint),
    Retire,
    Verdict,
    End(Cause),
    Drop,
}

fn any_op() -> impl Strategy<Value = Op> {
    let written = vec![GET, POST, "body", "bo", "dy", "GET / HTTP/1.1\r\n", "\r\n"];
    let read = vec![
        OK,
        OK_4,
        CONTINUE,
        TIMED_OUT,
        UNTIL_EOF,
        "body",
        "bo",
        "dy",
        "HTTP/1.1 204 No",
        " Content\r\n\r\n",
    ];
    let causes = vec![Cause::Eof, Cause::Error];
    prop_oneof![
        8 => prop::sample::select(written).prop_map(Op::Write),
        8 => prop::sample::select(read).prop_map(Op::Read),
        4 => Just(Op::Verdict),
        1 => prop::sample::select(causes).prop_map(Op::End),
        1 => Just(Op::Drop),
        8 => any_sound_op(),
    ]
}

/// What no connection fails by.
fn any_sound_op() -> impl Strategy<Value = Op> {
    let delay = || prop_oneof![3 => Just(0), 2 => 0..50_u64, 1 => 0..3_000_u64];
    let timeout = || prop::option::of((0..9_u64).prop_map(timeout));
    let limit = || prop::option::of(0..9_u32);
    let hint = (timeout(), limit()).prop_map(|(hint, limit)| {
        let hint = hint.unwrap_or_default();
        limit.map_or(hint, |limit| hint.with_max(limit))
    });
    prop_oneof![
        8 => (delay(), delay()).prop_map(|(until, answer)| Op::Exchange(until, answer)),
        6 => (0..3_000_u64).prop_map(Op::Wait),
        1 => (0..3_000_u64).prop_map(Op::Sleep),
        1 => (0..3_000_u64).prop_map(Op::SetBack),
        2 => hint.prop_map(Op::Hint),
        1 => Just(Op::Retire),
    ]
}

impl Life {
    /// Does what asks no question.
    fn live(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Write(bytes) => _ = self.write_at(bytes, now),
            Op::Read(bytes) => _ = self.read_at(bytes, now),
            Op::Exchange(until_answer, answer) => {
                self.write_at(GET, now);
                let now = now.after(ms(until_answer));
                self.read_at(OK_4, now);
                self.read_at("body", now.after(ms(answer)));
            }
            Op::Wait(millis) => self.now = now.after(ms(millis)),
            Op::Sleep(millis) => self.now = now.wall_forward(ms(millis)),
            Op::SetBack(millis) => self.now = now.wall_back(ms(millis)),
            Op::Hint(hint) => _ = self.hint(hint),
            Op::Retire => _ = self.lifecycle.retire(),
            Op::Verdict | Op::End(_) | Op::Drop => {}
        }
    }
}

/// A verdict without its deadline.
fn kind(verdict: Option<Verdict>) -> Option<Result<(), RetireReason>> {
    Some(match verdict? {
        Verdict::Reuse { .. } => Ok(()),
        Verdict::Retire(reason) => Err(reason),
    })
}

proptest! {
    // A failure is to be turned into a test of its own, not into a file beside the sources.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_only_idle_connections_are_judged_and_judgements_stand(
        connecting in 0..2_000_u64,
        window in prop::sample::select(vec![0, 1, 2, 7, 100, u64::MAX]),
        ops in prop::collection::vec(any_op(), 0..60),
    ) {
        let policy = KeepAlivePolicy::default().response_window(window);
        let mut life = Life::connected_after(connecting).with(policy);
        let mut retired = None;
        let mut opaque = None;
        let mut ends = Vec::new();
        let mut requests = 0;
        for op in ops {
            match op {
                Op::Verdict => match life.verdict() {
                    None => prop_assert!(!life.lifecycle.is_idle()),
                    Some(_) if !life.lifecycle.is_idle() => {
                        panic!("a verdict on a connection that is not idle");
                    }
                    Some(Verdict::Retire(reason)) => {
                        prop_assert_eq!(*retired.get_or_insert(reason), reason);
                    }
                    Some(Verdict::Reuse { until }) => {
                        prop_assert!(retired.is_none(), "{:?} came back to life", retired);
                        prop_assert!(life.now.until(&until).is_some());
                    }
                },
                Op::End(cause) => ends.extend(life.end(cause)),
                Op::Drop => ends.extend(life.drop()),
                other => life.live(&other),
            }

            prop_assert_eq!(life.look().is_some(), life.lifecycle.is_idle());
            prop_assert!(life.lifecycle.request().number() >= requests);
            requests = life.lifecycle.request().number();
            prop_assert!(opaque.is_none() || opaque == life.lifecycle.opaque());
            opaque = life.lifecycle.opaque();
            prop_assert!(ends.len() <= 1, "{:?}", ends);
        }
    }

    #[test]
    fn to_have_been_asked_before_changes_no_answer(
        connecting in 0..2_000_u64,
        ops in prop::collection::vec(any_sound_op(), 0..30),
    ) {
        // Looked at in time, for else it does matter when an unused connection is asked first.
        let connected = || {
            let life = Life::connected_after(connecting).with(KeepAlivePolicy::default());
            life.looked_at()
        };
        let mut asked = connected();
        for (done, op) in ops.iter().enumerate() {
            asked.live(op);
            let mut never_asked = connected();
            ops[..=done].iter().for_each(|op| never_asked.live(op));

            let answer = asked.verdict();

            prop_assert_eq!(kind(answer), kind(never_asked.look()), "after op {}", done);
            if let Some(Verdict::Retire(_)) = answer {
                break;
            }
        }
    }

    #[test]
    fn how_bytes_are_cut_into_pieces_changes_nothing_if_they_come_at_once(
        cuts in prop::collection::vec(1..30_usize, 1..20),
    ) {
        let written = [GET, POST, "body", GET].map(|part| (true, part));
        let read = [OK, CONTINUE, OK_4, "body", TIMED_OUT].map(|part| (false, part));
        let order = [
            written[0], read[0], written[1], read[1], written[2], read[2], read[3], written[3], read[4],
        ];
        let mut life = Life::connected_after(50);
        let mut cuts = cuts.into_iter().cycle();
        for (time, (is_written, mut bytes)) in (0..).step_by(10).zip(order) {
            while !bytes.is_empty() {
                let (piece, rest) = bytes.split_at(cuts.next().unwrap_or(1).min(bytes.len()));
                bytes = rest;
                if is_written {
                    life.write(piece, time);
                } else {
                    life.read(piece, time);
                }
            }
        }

        prop_assert_eq!(life.lifecycle.request().number(), 3);
        prop_assert_eq!(life.lifecycle.request().idle_before(), ms(10));
        prop_assert_eq!(life.rtt(), 10);
    }
}

mod lifetimes {
    use super::*;

    fn policy() -> KeepAlivePolicy {
        KeepAlivePolicy::default()
            .max_idle(HOUR)
            .safety_margin(Duration::ZERO)
    }

    fn retired(reason: RetireReason) -> Option<Verdict> {
        Some(Verdict::Retire(reason))
    }

    fn until(millis: u64) -> Option<Verdict> {
        Some(Verdict::Reuse {
            until: Moment::at(millis),
        })
    }

    #[test]
    fn an_idle_connection_is_looked_at_when_its_life_ends() {
        let mut life = Life::idle().with(policy().max_lifetime(ms(10_000)));

        assert_eq!(life.verdict(), until(10_000));
        life.now = Moment::at(9_999);
        assert_eq!(life.verdict(), until(10_000));
        life.now = Moment::at(10_000);
        assert_eq!(life.verdict(), retired(RetireReason::MaxLifetime));
    }

    #[test]
    fn the_idle_deadline_counts_where_it_comes_first() {
        let policy = policy().max_idle(ms(10)).max_lifetime(ms(10_000));
        let mut life = Life::idle().with(policy);

        assert_eq!(life.verdict(), until(10));
    }

    #[test]
    fn a_life_does_not_end_within_an_exchange() {
        let mut life = Life::busy().with(policy().max_lifetime(ms(1)));

        life.now = Moment::at(5_000);
        assert_eq!(life.verdict(), None);
        life.read(OK, 5_000);
        assert_eq!(life.verdict(), retired(RetireReason::MaxLifetime));
    }

    #[test]
    fn a_connection_of_any_age_serves_the_request_it_was_opened_for() {
        let mut life = Life::connected().with(policy().max_lifetime(ms(1)));

        life.now = Moment::at(5_000);
        assert!(matches!(life.verdict(), Some(Verdict::Reuse { .. })));
        life.now = Moment::at(10_000);
        assert_eq!(life.verdict(), retired(RetireReason::MaxLifetime));
    }

    #[test]
    fn the_last_request_that_policy_allows_retires_the_connection() {
        let policy = policy().max_requests(3);
        let mut life = Life::connected().with(policy);
        for _ in 0..2 {
            life.exchange_at(0);
            assert!(matches!(life.verdict(), Some(Verdict::Reuse { .. })));
        }
        life.write(GET, 0);
        assert_eq!(life.verdict(), None, "an exchange is open");
        life.read(OK, 0);

        assert_eq!(life.verdict(), retired(RetireReason::MaxRequests));
        assert_eq!(
            life.drop(),
            Some(CloseCause::Retired(RetireReason::MaxRequests))
        );
    }

    #[test]
    fn a_server_that_takes_fewer_requests_is_heeded() {
        let mut life = Life::idle().with(policy().max_requests(3));
        life.hint(KeepAliveHint::new().with_max(0));
        assert_eq!(life.verdict(), retired(RetireReason::RequestLimit));
    }

    #[test]
    fn more_requests_than_are_ever_made_are_no_limit() {
        let mut life = Life::idle().with(policy());
        life.hint(max(u32::MAX));
        assert_eq!(life.lifecycle.hints.advertised().requests, None);
        assert!(matches!(life.verdict(), Some(Verdict::Reuse { .. })));
    }

    #[test]
    fn connections_that_idle_since_the_same_moment_are_spread() {
        let policy = policy().idle_jitter(0.5).max_lifetime(HOUR * 2);
        let ends = |lot| {
            let mut life = Life::connected().with(policy);
            life.lifecycle = life.lifecycle.with_jitter(Jitter::of(lot, 0));
            life.exchange_at(0);
            match life.verdict() {
                Some(Verdict::Reuse { until }) => until.monotonic,
                verdict => panic!("{verdict:?}"),
            }
        };
        let mut all: Vec<_> = (0..100).map(ends).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 100);
        assert!(all[0] >= Moment::at(1_800_000).monotonic);
        assert!(all[99] <= Moment::at(3_600_000).monotonic);
    }
}

/// How long a connection that was retired after 4 s is left open as a sentinel.
fn left_open_for(policy: KeepAlivePolicy, is_concurrent: bool) -> Option<Duration> {
    let mut life = Life::idle().with(policy.safety_margin(Duration::ZERO));
    life.now = Moment::at(4_000);
    assert_eq!(
        life.verdict(),
        Some(Verdict::Retire(RetireReason::IdleDeadline))
    );
    let mut schedule = life
        .lifecycle
        .sentinel(&life.policy, is_concurrent, &life.now)?;
    loop {
        let due = *schedule.due();
        if schedule.on_open(&due).is_none() {
            return Some(due.since(&Moment::epoch()).duration());
        }
    }
}

#[test]
fn a_sentinel_is_left_open_if_policy_wants_to_lengthen_and_the_server_has_more_workers() {
    let four = KeepAlivePolicy::default()
        .max_idle(secs(4))
        .learn_ceiling(secs(60));
    for learn in [Learn::Off, Learn::Shorten] {
        assert_eq!(left_open_for(four.learn(learn), true), None, "{learn:?}");
    }
    let full = four.learn(Learn::Full);
    assert_eq!(left_open_for(full, false), None);
    assert_eq!(left_open_for(full, true), Some(secs(60)));
    assert_eq!(left_open_for(full.learn_ceiling(secs(4)), true), None);
}

// What a connection shows of the server's timeout.

/// What follows if the connection ends at that time, in milliseconds.
fn end_at(life: &Life, millis: u64) -> Shown {
    shown(life.lifecycle.observed_end(&Moment::at(millis)))
}

/// An observation, in brief; times in milliseconds.
#[derive(Debug, PartialEq)]
enum Shown {
    Nothing,
    Answer(u128),
    Close(u128),
    Failure(u128),
    GivenUp(u128),
    Limit(u32),
}

fn shown(observed: Option<Observation>) -> Shown {
    let idle = |evidence: Evidence| evidence.idle.duration().as_millis();
    match observed {
        None => Shown::Nothing,
        Some(Observation::Answer { evidence, .. }) => Shown::Answer(idle(evidence)),
        Some(Observation::Close { evidence, open }) => {
            assert_eq!(open, Span::ZERO, "nobody looks at it");
            Shown::Close(idle(evidence))
        }
        Some(Observation::Failure(failure)) => Shown::Failure(idle(failure.evidence)),
        Some(Observation::GivenUp(evidence)) => Shown::GivenUp(idle(evidence)),
        Some(Observation::Limit { requests, .. }) => Shown::Limit(requests),
        Some(Observation::Open(_)) => panic!("it is no sentinel"),
    }
}

#[test]
fn a_close_shows_how_long_the_server_waited_at_most() {
    let life = Life::idle();
    assert_eq!(end_at(&life, 3_000), Shown::Close(3_000));
    assert_eq!(end_at(&life, 101), Shown::Close(101));
}

#[test]
fn a_close_right_behind_an_answer_is_no_idle_timers() {
    let mut life = Life::idle();
    assert_eq!(end_at(&life, 100), Shown::Limit(1));
    life.exchange_at(2_000);
    assert_eq!(end_at(&life, 2_100), Shown::Limit(2));
    assert_eq!(end_at(&life, 2_101), Shown::Close(101));
}

#[test]
fn a_close_after_a_response_that_drained_slowly_shows_nothing() {
    for (slow, is_known) in [(350, true), (351, false), (20_000, false)] {
        let mut life = Life::connected();
        life.write(GET, 0);
        life.read(&head(300_000), 0);
        life.read(&body(300_000), slow);
        // A sixteenth of its idle time, and 100 ms.
        let expected = if is_known {
            Shown::Close(4_000)
        } else {
            Shown::Nothing
        };
        assert_eq!(end_at(&life, slow + 4_000), expected, "{slow} ms");
    }
}

#[test]
fn a_failure_shows_how_long_the_connection_had_been_idle() {
    let mut life = Life::idle();
    life.write(GET, 4_000);
    assert_eq!(end_at(&life, 4_010), Shown::Failure(4_000));
    assert_eq!(end_at(&life, 5_000), Shown::Failure(4_000));
    assert_eq!(
        end_at(&life, 5_001),
        Shown::Nothing,
        "the server worked on it"
    );

    let mut slow = Life::connected_after(300);
    slow.write(GET, 1_000);
    slow.read(OK, 1_300);
    slow.write(GET, 4_000);
    assert_eq!(end_at(&slow, 5_300), Shown::Failure(2_700));
    assert_eq!(end_at(&slow, 5_301), Shown::Nothing, "a round trip more");
}

#[test]
fn a_failure_between_requests_in_quick_succession_is_no_idle_timers() {
    let mut life = Life::idle();
    life.write(GET, 100);
    assert_eq!(end_at(&life, 110), Shown::Limit(1));
    life.read(OK, 110);
    life.write(GET, 210);
    assert_eq!(end_at(&life, 220), Shown::Limit(2));
    life.read(OK, 220);
    life.write(GET, 321);
    assert_eq!(end_at(&life, 330), Shown::Failure(101));
}

#[test]
fn a_request_limit_that_was_learned_is_one_that_the_server_named() {
    let mut life = Life::idle();
    let limit = Findings {
        requests: Some(2),
        ..Findings::default()
    };
    life.lifecycle
        .on_news(limit, i64::MIN, &life.policy, &Moment::at(0));
    life.now = Moment::at(1_000);
    assert!(matches!(life.look(), Some(Verdict::Reuse { .. })));
    life.exchange_at(1_000);
    assert_eq!(
        life.look(),
        Some(Verdict::Retire(RetireReason::RequestLimit))
    );
    assert_eq!(end_at(&life, 1_050), Shown::Nothing, "it is known");
}

#[test]
fn a_request_limit_explains_no_missing_answer_to_a_request_within_it() {
    let learned = Findings {
        requests: Some(2),
        ..Findings::default()
    };
    let mut life = Life::idle();
    life.lifecycle
        .on_news(learned, i64::MIN, &life.policy, &Moment::at(0));
    let mut hinted = Life::idle();
    hinted.hint(max(1));
    for mut life in [life, hinted] {
        life.write(GET, 1_000);
        assert_eq!(end_at(&life, 1_010), Shown::Failure(1_000));
        life.read(OK, 1_010);
        assert_eq!(end_at(&life, 2_000), Shown::Nothing, "all are answered");
        life.write(GET, 2_000);
        assert_eq!(end_at(&life, 2_010), Shown::Nothing, "one too many");
    }
}

#[test]
fn an_answer_shows_that_the_connection_survived() {
    let mut life = Life::connected();
    life.write(GET, 0);
    assert_eq!(
        shown(life.read(OK, 10).observed),
        Shown::Nothing,
        "the first"
    );
    life.write(GET, 2_010);
    let begun = life.read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2", 2_020);
    assert_eq!(shown(begun.observed), Shown::Nothing, "not yet");
    let headed = life.read("00 OK\r\ncontent-length: 4\r\n\r\nbo", 2_030);
    assert_eq!(shown(headed.observed), Shown::Answer(2_000));
    assert_eq!(shown(life.read("dy", 2_040).observed), Shown::Nothing);
}

#[test]
fn any_bytes_on_an_idle_connection_are_a_goodbye() {
    for goodbye in [TIMED_OUT, UNAVAILABLE, "0\r\n\r\n", "\r\n", "bye"] {
        let mut life = Life::idle();
        let outcome = life.read(goodbye, 3_000);
        assert_eq!(shown(outcome.observed), Shown::Close(3_000), "{goodbye:?}");
        assert_eq!(end_at(&life, 3_001), Shown::Nothing, "counted once");

        let mut life = Life::idle();
        let outcome = life.read(goodbye, 100);
        assert_eq!(shown(outcome.observed), Shown::Nothing, "behind its answer");
    }
}

#[test]
fn any_bytes_before_a_request_is_accepted_are_a_goodbye_that_costs_it() {
    let bad_request = UNAVAILABLE.replace("503", "400");
    for goodbye in [TIMED_OUT, UNAVAILABLE, &bad_request, OK, "0\r\n\r\n", "bye"] {
        let sending = |idle: u64| {
            let mut life = Life::idle();
            life.now = Moment::at(idle);
            life.sending()
        };
        let mut life = sending(3_000);
        let outcome = life.read(goodbye, 3_199);
        assert_eq!(
            shown(outcome.observed),
            Shown::Failure(3_000),
            "{goodbye:?}"
        );
        assert!(
            matches!(
                outcome.observed,
                Some(Observation::Failure(Failure { sent, .. })) if sent == Moment::at(3_000)
            ),
            "others that were under way then are lost to the same cause"
        );
        assert_eq!(end_at(&life, 3_200), Shown::Nothing, "counted once");

        let mut life = Life::idle();
        life.hint(max(0));
        life.now = Moment::at(3_000);
        let outcome = life.sending().read(goodbye, 3_199);
        assert_eq!(shown(outcome.observed), Shown::Nothing, "one too many");

        let outcome = sending(100).read(goodbye, 150);
        assert_eq!(shown(outcome.observed), Shown::Nothing, "behind its answer");

        let outcome = Life::connected().sending().read(goodbye, 3_199);
        assert_eq!(shown(outcome.observed), Shown::Nothing, "the first request");

        let mut life = Life::idle();
        life.lifecycle.on_write_failed(Moment::at(3_000));
        assert_eq!(end_at(&life, 3_000), Shown::Failure(3_000));
        let outcome = life.read(goodbye, 3_001);
        assert_eq!(shown(outcome.observed), Shown::Nothing, "counted once");
    }
}

/// The server had sent it before the request arrived, perhaps.
#[test]
fn a_goodbye_that_crosses_a_request_is_no_answer() {
    let answers = |goodbye: &str, after: u64| {
        let mut life = Life::idle();
        life.write(GET, 3_000);
        let outcome = life.read(goodbye, 3_000 + after);
        let is_answer = matches!(shown(outcome.observed), Shown::Answer(_));
        assert_eq!(outcome.answer.is_some(), is_answer);
        shown(outcome.observed)
    };
    for goodbye in [TIMED_OUT, "0\r\n\r\n", "bye"] {
        assert_eq!(answers(goodbye, 199), Shown::Failure(3_000), "{goodbye:?}");
        let late = answers(goodbye, 1_001);
        assert_eq!(late, Shown::Nothing, "the server worked on it");
    }
    for status in ["400", "503"] {
        let goodbye = UNAVAILABLE.replace("503", status);
        assert_eq!(answers(&goodbye, 199), Shown::Close(3_000), "{status}");
    }
    let open = UNAVAILABLE.replace("close", "keep-alive");
    assert_eq!(answers(&open, 199), Shown::Answer(3_000), "it goes on");
    let other = UNAVAILABLE.replace("503", "500");
    assert_eq!(
        answers(&other, 199),
        Shown::Answer(3_000),
        "it is about the request"
    );
}

#[test]
fn a_request_that_its_caller_gave_up_shows_that() {
    let dropped = |life: &mut Life, millis: u64| {
        let ended = life.lifecycle.on_drop(Moment::at(millis)).unwrap();
        assert_eq!(ended.cause, CloseCause::Client);
        shown(ended.observed)
    };
    let mut life = Life::idle();
    life.write(GET, 4_000);
    assert_eq!(dropped(&mut life, 9_000), Shown::GivenUp(4_000));

    let mut answered = Life::idle();
    answered.write(GET, 4_000);
    answered.read("HTTP/1.1 2", 4_000);
    assert_eq!(dropped(&mut answered, 9_000), Shown::Nothing);

    let mut first = Life::busy();
    assert_eq!(dropped(&mut first, 9_000), Shown::Nothing);
}

#[test]
fn what_drained_slowly_is_no_sentinel() {
    // A sixteenth of its idle time, and 100 ms.
    for (slow, is_watched) in [(0, true), (3_787, true), (3_788, false), (20_000, false)] {
        let policy = KeepAlivePolicy::default()
            .max_idle(secs(60))
            .learn(Learn::Full);
        let mut life = Life::connected().with(policy);
        life.write(GET, 0);
        life.read(&head(300_000), 0);
        life.read(&body(300_000), slow);
        life.now = Moment::at(slow + 59_000);
        assert_eq!(
            life.verdict(),
            Some(Verdict::Retire(RetireReason::IdleDeadline))
        );
        let schedule = life.lifecycle.sentinel(&life.policy, true, &life.now);
        assert_eq!(schedule.is_some(), is_watched, "{slow} ms");
    }
}

/// How much of the last request was written, and of its response read.
fn progress(life: &Life) -> Option<(Extent, Extent)> {
    life.lifecycle.progress(life.lifecycle.request())
}

#[test]
fn what_became_of_a_request_is_known_while_it_is_open_and_afterwards() {
    use Extent::{All, Nothing, Part};

    let mut life = Life::connected();
    assert_eq!(progress(&life), None);
    life.lifecycle.on_sending(life.now);
    assert_eq!(progress(&life), Some((Nothing, Nothing)));
    life.write("POST / HT", 0);
    assert_eq!(progress(&life), Some((Part, Nothing)));
    life.write("TP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab", 0);
    assert_eq!(progress(&life), Some((Part, Nothing)));
    life.write("cd", 0);
    assert_eq!(progress(&life), Some((All, Nothing)));
    life.read(CONTINUE, 0);
    assert_eq!(progress(&life), Some((All, Part)));
    life.read("HTTP/1.1 200 OK\r\n", 0);
    assert_eq!(progress(&life), Some((All, Part)));
    life.read("content-length: 4\r\n\r\nab", 0);
    assert_eq!(progress(&life), Some((All, Part)));
    life.read("cd", 0);
    assert_eq!(progress(&life), Some((All, All)));

    let first = life.lifecycle.request();
    life.write(GET, 0);
    assert_eq!(progress(&life), Some((All, Nothing)));
    assert_eq!(life.lifecycle.progress(first), Some((All, All)));
    life.lifecycle.on_end(Cause::Eof, life.now);
    assert_eq!(progress(&life), Some((All, Nothing)), "it stays so");
}

#[test]
fn a_write_that_failed_may_have_passed_on_a_part() {
    let mut life = Life::idle();

    life.lifecycle.on_write_failed(life.now);

    assert_eq!(progress(&life), Some((Extent::Part, Extent::Nothing)));
}

#[test]
fn a_response_may_be_complete_before_its_request() {
    let mut life = Life::connected();
    life.write(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab",
        0,
    );

    life.read(OK, 0);

    assert_eq!(progress(&life), Some((Extent::Part, Extent::All)));
}

#[test]
fn only_eof_completes_what_lasts_until_then() {
    for (cause, answered) in [(Cause::Eof, Extent::All), (Cause::Error, Extent::Part)] {
        let mut life = Life::busy();
        life.read(UNTIL_EOF, 0);

        life.lifecycle.on_end(cause, life.now);

        assert_eq!(progress(&life), Some((Extent::All, answered)));
    }
    let mut life = Life::busy();
    life.read(OK_4, 0);
    life.lifecycle.on_end(Cause::Eof, life.now);
    assert_eq!(progress(&life), Some((Extent::All, Extent::Part)));
}

#[test]
fn what_became_of_the_last_request_is_known_where_the_connection_is_not_understood_any_more() {
    let mut life = Life::busy_again();
    life.read("no response", 0);
    assert_eq!(progress(&life), Some((Extent::All, Extent::Part)));

    let mut life = Life::idle();
    life.read("nobody asked", 0);
    assert_eq!(progress(&life), Some((Extent::All, Extent::All)));

    let mut life = Life::connected();
    life.lifecycle.on_opaque(OpaqueReason::Http2);
    assert_eq!(progress(&life), None);
}

#[test]
fn connections_have_idled_as_long_as_one_that_failed_after_its_idle_time_less_a_round_trip() {
    let mut life = Life::connected();
    life.write(GET, 0);
    life.read(OK, 20);
    life.write(GET, 1_020);
    let since = |now: Moment| {
        let request = life.lifecycle.request();
        life.lifecycle.as_idle_since(request, &now)
    };

    assert_eq!(since(Moment::at(1_030)), Moment::at(50));
    assert_eq!(since(Moment::at(1_500)), Moment::at(520));
    let asleep = |moment: Moment| Moment {
        wall: moment.wall + Span::new(HOUR).nanoseconds() as i64,
        ..moment
    };
    assert_eq!(
        since(asleep(Moment::at(1_030))).monotonic,
        Moment::at(50).monotonic
    );

    let mut life = Life::connected();
    life.write(GET, 0);
    life.read(OK, 20);
    life.write_at(GET, asleep(Moment::at(1_020)));
    let request = life.lifecycle.request();
    let since = life
        .lifecycle
        .as_idle_since(request, &asleep(Moment::at(1_030)));
    assert_eq!(
        since.monotonic,
        Moment::at(20).monotonic,
        "it was idle since then"
    );
}

#[test]
fn all_idle_connections_have_idled_as_long_as_one_that_failed_after_less_than_a_round_trip() {
    let mut life = Life::connected();
    life.write(GET, 0);
    life.read(OK, 20);
    life.write(GET, 30);
    let request = life.lifecycle.request();
    let now = Moment::at(50);

    assert_eq!(life.lifecycle.as_idle_since(request, &now), now);
}
