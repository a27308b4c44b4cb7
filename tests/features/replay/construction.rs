//! What is refused when it is built.

use std::time::Duration;

use http_keepalive::{ReplayBody, ReplayError, ReplayPolicy};

const SPAN: Duration = Duration::from_secs(10);

#[track_caller]
fn assert_says<T>(result: Result<T, ReplayError>, expected: &str) {
    let error = result.err().expect("an error");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(format!("{error:?}").contains(expected), "{error:?}");
}

#[test]
fn a_field_that_has_no_name_is_refused() {
    for name in ["", "a b", "x-key:", "schlüssel", "key\r\nhost"] {
        let built = ReplayPolicy::builder().key_field(name).build();
        assert_says(
            built,
            &format!("`key_field` is {name:?}, expected the name"),
        );
    }
    let built = ReplayPolicy::builder().key_field("X-Request-Id").build();
    assert!(built.is_ok());
}

#[test]
fn a_bound_of_zero_is_refused() {
    assert_says(
        ReplayBody::with_bound("body", 0),
        "the bound of a `ReplayBody` is zero, expected",
    );
    assert!(ReplayBody::with_bound("body", 1).is_ok());
}

#[test]
fn a_budget_out_of_range_is_refused_and_does_not_panic() {
    let build = |span, per_second, share| {
        let builder = ReplayPolicy::builder();
        builder.budget(span, per_second, share).build()
    };
    assert_says(build(SPAN, 0, 0.0), "`budget` allows nothing, expected");
    assert_says(build(SPAN, 0, -0.0), "`budget` allows nothing, expected");
    for span in [0, 999, 60_001, u64::MAX].map(Duration::from_millis) {
        assert_says(build(span, 1, 0.1), "span of `budget` is out of range");
    }
    for share in [-0.1, 1_000.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_says(build(SPAN, 1, share), "share of `budget` is out of range");
    }
    for per_second in [2_147_483_647, u32::MAX] {
        assert_says(build(SPAN, per_second, 0.1), "too many per second");
    }

    for (span, per_second, share) in [
        (SPAN, 1, 0.0),
        (SPAN, 0, f32::MIN_POSITIVE),
        (Duration::from_secs(60), 2_147_483_646, f32::MIN_POSITIVE),
        (Duration::from_secs(1), 0, 1000.0),
    ] {
        assert!(build(span, per_second, share).is_ok());
    }
}

#[test]
fn the_first_error_is_the_one_that_is_told() {
    let builder = ReplayPolicy::builder().key_field("a b");
    let built = builder.budget(SPAN, 0, 0.0).key_field("fine").build();
    assert_says(built, "`key_field`");
}
