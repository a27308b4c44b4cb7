//! What follows from what was found of a URL: an outcome, a sentence, and an exit status.
//!
//! What a server's timeout is was decided before.

use std::time::Duration;

use http::uri::{Scheme, Uri};

use super::report::{
    ActiveRequest, ActiveResult, Address, End, IdleEnd, Options, Outcome, Report, Response,
    Seconds, Target, Timeout,
};
use super::text::{excerpt, measured, printable, set};

/// Timeouts that differ by no more are the same: the network and both sides' timers take that much.
const SAME: Duration = Duration::from_millis(200);

/// How many times are named in a sentence.
const NAMED: usize = 4;

/// What follows for the exit status.
pub(super) fn outcome(target: &Target, options: &Options) -> Outcome {
    let addresses = &target.addresses;
    if addresses
        .iter()
        .any(|address| is_too_short(address, options.at_least))
    {
        Outcome::TooShort
    } else if addresses.iter().all(|address| address.response.is_none()) {
        Outcome::Failed
    } else if addresses
        .iter()
        // One that cannot be reached from here, such as IPv6, tells nothing of the others.
        .filter(|address| address.response.is_some())
        .all(|address| is_answered(address, options.at_least))
    {
        Outcome::Answered
    } else {
        Outcome::NothingFound
    }
}

fn is_too_short(address: &Address, at_least: Option<Seconds>) -> bool {
    if address.hint_contradicted || address.sooner_than_required {
        return true;
    }
    at_least.is_some_and(|at_least| {
        is_not_kept(address)
            || address
                .active
                .iter()
                .any(|request| is_lost(request) && request.idle < at_least)
    })
}

fn is_answered(address: &Address, at_least: Option<Seconds>) -> bool {
    address.timeout.is_some() || is_not_kept(address) || is_long_enough(address, at_least)
}

/// Whether connections were open for as long as they have to be: not if another one was closed before.
fn is_long_enough(address: &Address, at_least: Option<Seconds>) -> bool {
    let Some(at_least) = at_least else {
        return false;
    };
    address.open_after.is_some_and(|open| open >= at_least)
        && ended(address).all(|end| end.idle >= at_least)
}

/// Whether the server keeps no connection, as it says or without a word.
fn is_not_kept(address: &Address) -> bool {
    let response = address.response.as_ref();
    let limit = address.requests.and_then(|requests| requests.limit);
    response.is_some_and(|response| !response.persistent || limit == Some(1))
}

/// Whether a request was not answered because its connection had been idle.
fn is_lost(request: &ActiveRequest) -> bool {
    match request.result {
        ActiveResult::Answered { .. } => false,
        ActiveResult::Failed { .. } | ActiveResult::Silence | ActiveResult::Closed => true,
    }
}

/// Whether a request was not answered, though the server closes later.
fn is_unexpected(address: &Address, request: &ActiveRequest) -> bool {
    match request.result {
        // What is closed in order is closed by the timer.
        ActiveResult::Answered { .. } | ActiveResult::Closed => false,
        ActiveResult::Failed { .. } | ActiveResult::Silence => address
            .timeout
            .is_none_or(|timeout| request.idle < timeout.seconds),
    }
}

/// The idle connections that were not ended by this side.
fn ended(address: &Address) -> impl Iterator<Item = &IdleEnd> {
    address.idle.iter().filter(|idle| idle.end != End::Open)
}

/// Whether the addresses behind a name have different timeouts.
pub(super) fn addresses_differ(addresses: &[Address]) -> bool {
    let timeouts = || addresses.iter().filter_map(|address| address.timeout);
    let Some(least) = timeouts().map(|timeout| timeout.seconds.0).min() else {
        return false;
    };
    // Where an address has a timeout, its connections were not open for longer.
    let is_open_for_longer = |address: &Address| {
        address.timeout.is_none() && address.open_after.is_some_and(|open| open.0 > least)
    };
    timeouts().any(|timeout| timeout.seconds.0.saturating_sub(least) > SAME)
        || addresses.iter().any(is_open_for_longer)
}

/// The exit status: that of the worst outcome.
pub(super) fn exit_status(report: &Report) -> u8 {
    let outcomes = || report.targets.iter().map(|target| target.outcome);
    [Outcome::TooShort, Outcome::Failed, Outcome::NothingFound]
        .into_iter()
        .find(|&worst| outcomes().any(|outcome| outcome == worst))
        .map_or(0, status)
}

/// The exit status of one outcome.
pub(super) fn status(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Answered => 0,
        Outcome::NothingFound => 1,
        Outcome::TooShort => 2,
        Outcome::Failed => 3,
    }
}

/// The address with the shortest timeout, and that.
pub(super) fn shortest(target: &Target) -> Option<(&Address, Timeout)> {
    target
        .addresses
        .iter()
        .filter_map(|address| address.timeout.map(|timeout| (address, timeout)))
        .min_by_key(|(_, timeout)| timeout.seconds)
}

/// For how long connections are sure to be usable: until the shortest timeout, or for as long as they were seen open
/// if none ended, but no longer than a request was answered after where one after a longer time was not.
pub(super) fn usable(target: &Target) -> Option<Duration> {
    let answered = target
        .addresses
        .iter()
        .filter(|address| address.response.is_some());
    let times: Option<Vec<_>> = answered.map(usable_at).collect();
    times?.into_iter().min()
}

fn usable_at(address: &Address) -> Option<Duration> {
    let kept = match address.timeout {
        Some(timeout) => timeout.seconds.0,
        None if is_not_kept(address) || ended(address).next().is_some() => return None,
        None => address.open_after?.0,
    };
    let lost = address
        .active
        .iter()
        .filter(|request| is_unexpected(address, request));
    let Some(lost) = lost.map(|request| request.idle).min() else {
        return Some(kept);
    };
    let answered = address
        .active
        .iter()
        .filter(|request| !is_lost(request) && request.idle < lost);
    let longest = answered
        .map(|request| request.idle.0)
        .max()
        .unwrap_or_default();
    Some(longest.min(kept))
}

/// What was found, in a sentence, and remarks where it would be misread without them.
///
/// It holds nothing that must not be printed: what a peer sent is escaped.
pub(super) fn sentence(target: &Target, options: &Options) -> String {
    let host = name(&target.url);
    let is_proxy = is_of_proxy(target, options);
    let name = if is_proxy {
        format!("The proxy before {host}")
    } else {
        host.clone()
    };
    if target
        .addresses
        .iter()
        .all(|address| address.response.is_none())
    {
        return format!("{name} could not be measured: {}.", failure(target));
    }
    let mut sentence = match shortest(target) {
        Some((address, timeout)) => timed(&name, target, address, timeout),
        None => untimed(&name, target),
    };
    for remark in [
        contradicted(target),
        required(target, options),
        lost(target),
        unlike(target),
        if is_proxy {
            Some(format!("{host} may keep connections for another time."))
        } else {
            answerer(target)
        },
    ] {
        sentence.extend(remark.map(|remark| format!(" {remark}")));
    }
    sentence
}

/// Whether the connections end at a forward proxy: to an `https` server they lead through it.
fn is_of_proxy(target: &Target, options: &Options) -> bool {
    let uri = target.url.parse::<Uri>().ok();
    options.http_proxy && uri.is_some_and(|uri| uri.scheme() == Some(&Scheme::HTTP))
}

/// What people call the server: its host, and its port if the URL names one.
fn name(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    authority.map_or_else(
        || excerpt(url),
        |authority| match authority.port() {
            Some(port) => format!("{}:{port}", excerpt(authority.host())),
            None => excerpt(authority.host()),
        },
    )
}

/// Why there was no exchange.
fn failure(target: &Target) -> String {
    let errors = || {
        target
            .addresses
            .iter()
            .filter_map(|address| address.error.as_deref())
    };
    let reason = target
        .error
        .as_deref()
        .or_else(|| errors().next())
        .unwrap_or("no exchange was possible");
    let reason = excerpt(reason);
    match target.addresses.len() {
        0 | 1 => reason,
        addresses => format!("{reason} (none of {addresses} addresses answered)"),
    }
}

/// The sentence about a server with a timeout.
fn timed(name: &str, target: &Target, address: &Address, timeout: Timeout) -> String {
    let after = span(timeout);
    let said = said(address, timeout);
    if !addresses_differ(&target.addresses) {
        return format!("{name} closes idle connections after {after}{said}.");
    }
    let at = printable(&address.address);
    format!(
        "{name} closes idle connections after {after} at {at}{said}; its addresses differ{}.",
        longest(target)
    )
}

/// One time, or the first and the last of a timer that is not exact.
fn span(timeout: Timeout) -> String {
    let Timeout { seconds, last, .. } = timeout;
    if last.0.saturating_sub(seconds.0) > SAME {
        format!("{} to {}", measured(seconds.0), measured(last.0))
    } else {
        measured(seconds.0)
    }
}

/// How long connections are kept where they are kept longest.
fn longest(target: &Target) -> String {
    let open = target
        .addresses
        .iter()
        .filter(|address| address.timeout.is_none())
        .filter_map(|address| Some((address.open_after?, address, "was still open after")));
    let timed = target
        .addresses
        .iter()
        .filter_map(|address| Some((address.timeout?.seconds, address, "closes after")));
    timed
        .chain(open)
        .max_by_key(|(time, ..)| *time)
        .map(|(time, address, what)| {
            let at = printable(&address.address);
            format!(": {at} {what} {}", measured(time.0))
        })
        .unwrap_or_default()
}

/// Whether the server keeps its word.
fn said(address: &Address, timeout: Timeout) -> String {
    let Some((hint, asked)) = said_timeout(address) else {
        return " without saying so".to_owned();
    };
    if address.hint_contradicted {
        format!(", though it says {}{asked}", set(hint))
    } else if timeout.seconds.0.saturating_sub(hint) > SAME {
        format!(", later than the {} that it says{asked}", set(hint))
    } else {
        format!(", as it says{asked}")
    }
}

/// The timeout that the server says, and on what condition: the one that it does not keep, if there is one.
fn said_timeout(address: &Address) -> Option<(Duration, &'static str)> {
    let asked = " if it is asked to keep them";
    let hints = [(address.hint, ""), (address.hint_if_asked, asked)];
    let said = |is_contradicted: bool| {
        hints.into_iter().find_map(|(hint, condition)| {
            let hint = hint.filter(|hint| hint.contradicted || !is_contradicted)?;
            Some((hint.timeout?.0, condition))
        })
    };
    said(true).or_else(|| said(false))
}

/// The sentence about a server without a timeout that is known.
fn untimed(name: &str, target: &Target) -> String {
    let addresses = || {
        target
            .addresses
            .iter()
            .filter(|address| address.response.is_some())
    };
    if addresses().all(is_not_kept) {
        return format!("{name} does not keep connections: it closes after each response.");
    }
    let ends: Vec<_> = addresses().flat_map(ended).map(|end| end.idle.0).collect();
    if let Some(&first) = ends.first() {
        // What ended once at each address tells nothing.
        let is_told = addresses().any(|address| ended(address).nth(1).is_some());
        return if is_told {
            format!(
                "{name}: idle connections ended after {}, which is no timer.",
                times(&ends)
            )
        } else {
            format!(
                "{name}: an idle connection ended after {}, and no other one tells whether that is a timer.",
                measured(first)
            )
        };
    }
    // Where connections are not kept, none is open.
    let open = addresses()
        .filter(|address| !is_not_kept(address))
        .map(|address| address.open_after)
        .min()
        .flatten();
    let were_watched = addresses().any(|address| !address.idle.is_empty());
    match open {
        Some(open) if were_watched => format!(
            "{name} kept idle connections open for all of the {} that they were watched.",
            set(rounded(open.0))
        ),
        Some(open) => format!(
            "{name} kept a connection that was idle for {}.",
            measured(open.0)
        ),
        None => format!("{name} answers, but nothing was found of its idle timeout."),
    }
}

/// Times in a sentence: a few in their order, or the least and the greatest.
fn times(times: &[Duration]) -> String {
    if times.len() > NAMED {
        let [least, most] =
            [times.iter().min(), times.iter().max()].map(|time| time.copied().unwrap_or_default());
        return format!("{} to {}", measured(least), measured(most));
    }
    let mut times: Vec<_> = times.iter().copied().map(measured).collect();
    match times.pop() {
        Some(last) if !times.is_empty() => format!("{} and {last}", times.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// To a tenth of a second, cut off.
fn rounded(time: Duration) -> Duration {
    let tenths = time.as_millis().checked_div(100).unwrap_or_default();
    Duration::from_millis(
        u64::try_from(tenths)
            .unwrap_or(u64::MAX)
            .saturating_mul(100),
    )
}

/// That connections have to be kept for longer.
fn required(target: &Target, options: &Options) -> Option<String> {
    let at_least = options.at_least?;
    let is_short = |address: &Address| is_not_kept(address) || address.sooner_than_required;
    if !target.addresses.iter().any(is_short) {
        return None;
    }
    let required = set(at_least.0);
    let lacking = shortest(target).map(|(_, timeout)| at_least.0.saturating_sub(timeout.seconds.0));
    // Both may read alike otherwise.
    Some(match lacking {
        Some(lacking) if lacking > Duration::ZERO && lacking < SAME => {
            format!(
                "That is less than the {required} required, by {}.",
                measured(lacking)
            )
        }
        _ => format!("That is less than the {required} required."),
    })
}

/// That a hint is wrong which the sentence does not name.
fn contradicted(target: &Target) -> Option<String> {
    let named = shortest(target).map(|(address, _)| address);
    let is_named = |address: &Address| named.is_some_and(|named| std::ptr::eq(named, address));
    let address = target
        .addresses
        .iter()
        .find(|address| address.hint_contradicted && !is_named(address))?;
    let it = match target.addresses.len() {
        0 | 1 => "It".to_owned(),
        _ => format!("At {} it", printable(&address.address)),
    };
    Some(match said_timeout(address) {
        Some((hint, asked)) => format!("{it} says {}{asked}, and closes sooner.", set(hint)),
        None => format!("{it} closes sooner than it says."),
    })
}

/// That requests were not answered, though the server closes later.
fn lost(target: &Target) -> Option<String> {
    let request = target
        .addresses
        .iter()
        .flat_map(|address| {
            address
                .active
                .iter()
                .filter(move |request| is_unexpected(address, request))
        })
        .min_by_key(|request| request.idle)?;
    let idle = measured(request.idle.0);
    Some(match request.result {
        ActiveResult::Silence => format!(
            "A request after {idle} of idle time got neither an answer nor an error: something on the way has \
             forgotten the connection."
        ),
        _ => format!("A request after {idle} of idle time failed."),
    })
}

/// That not all addresses are alike in that they answer, or keep connections.
fn unlike(target: &Target) -> Option<String> {
    let addresses = target.addresses.len();
    let count = |of: fn(&Address) -> bool| target.addresses.iter().filter(|a| of(a)).count();
    let failed = count(|address| address.response.is_none());
    let not_kept = count(is_not_kept);
    let unlike = |n: usize, what: &str| {
        (n > 0 && n < addresses).then(|| format!("{n} of {addresses} addresses {what}"))
    };
    let remarks: Vec<_> = [
        unlike(failed, "could not be measured"),
        // Those that failed are not among those that could keep connections.
        unlike(not_kept, "closed after each response")
            .filter(|_| not_kept.saturating_add(failed) < addresses),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!remarks.is_empty()).then(|| format!("{}.", remarks.join(", ")))
}

/// That the answer is one which another server than the one meant may have given.
fn answerer(target: &Target) -> Option<String> {
    let response = target
        .addresses
        .iter()
        .find_map(|address| address.response.as_ref())?;
    let Response {
        status, location, ..
    } = response;
    let this = match shortest(target) {
        Some(_) => "this is the timeout",
        None => "this is the doing",
    };
    match status {
        300..=399 => {
            let to = location
                .as_deref()
                .map(|location| format!(" to {}", excerpt(location)))
                .unwrap_or_default();
            Some(format!(
                "It redirects ({status}{to}): {this} of the server that redirects."
            ))
        }
        401 | 403 | 404 | 500.. => Some(format!(
            "It answers {status}: {this} of what answers so, which may be a proxy before the server."
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Hint, Requests, samples};
    use super::*;

    fn seconds(seconds: f64) -> Seconds {
        Seconds(Duration::from_secs_f64(seconds))
    }

    fn options(at_least: Option<f64>) -> Options {
        Options {
            at_least: at_least.map(seconds),
            ..samples::options()
        }
    }

    fn response(status: u16) -> Option<Response> {
        Some(Response {
            status,
            server: None,
            via: None,
            location: None,
            persistent: true,
        })
    }

    fn answers() -> Address {
        Address {
            address: "192.0.2.1:443".to_owned(),
            response: response(200),
            ..Address::default()
        }
    }

    fn closes(after: f64) -> Address {
        Address {
            timeout: Some(Timeout {
                seconds: seconds(after),
                last: seconds(after),
                open: seconds(after - 0.01),
            }),
            open_after: Some(seconds(after - 0.01)),
            ..answers()
        }
    }

    /// A target that has to keep connections for so long, if for any time.
    fn required(mut addresses: Vec<Address>, at_least: Option<f64>) -> Target {
        for address in &mut addresses {
            let timeout = address
                .timeout
                .map(|timeout| timeout.seconds.0.as_secs_f64());
            address.sooner_than_required = timeout
                .zip(at_least)
                .is_some_and(|(timeout, at_least)| timeout + 0.1 < at_least);
        }
        target(addresses)
    }

    fn says(timeout: f64, address: Address) -> Address {
        Address {
            hint: Some(Hint {
                timeout: Some(seconds(timeout)),
                max: None,
                contradicted: false,
            }),
            ..address
        }
    }

    fn not_as_said(mut address: Address) -> Address {
        address.hint_contradicted = true;
        let hints = [&mut address.hint, &mut address.hint_if_asked];
        for hint in hints.into_iter().flatten() {
            hint.contradicted = true;
        }
        address
    }

    fn at(address: &str, found: Address) -> Address {
        Address {
            address: address.to_owned(),
            ..found
        }
    }

    fn stays_open(for_: f64) -> Address {
        Address {
            open_after: Some(seconds(for_)),
            idle: vec![idle(for_, End::Open)],
            ..answers()
        }
    }

    fn idle(after: f64, end: End) -> IdleEnd {
        IdleEnd {
            connection: 1,
            idle: seconds(after),
            open: seconds(after - 0.01),
            end,
        }
    }

    fn ends(after: &[f64]) -> Address {
        Address {
            idle: after.iter().map(|&after| idle(after, End::Fin)).collect(),
            open_after: after
                .iter()
                .copied()
                .reduce(f64::max)
                .map(|after| seconds(after - 0.01)),
            ..answers()
        }
    }

    fn not_kept() -> Address {
        let mut address = answers();
        address.response.as_mut().unwrap().persistent = false;
        address
    }

    fn failed(error: &str) -> Address {
        Address {
            error: Some(error.to_owned()),
            ..Address::default()
        }
    }

    fn active(after: f64, result: ActiveResult, mut address: Address) -> Address {
        address.active.push(ActiveRequest {
            connection: 1,
            idle: seconds(after),
            result,
        });
        address
    }

    fn answers_with(status: u16, location: Option<&str>, address: Address) -> Address {
        Address {
            response: Some(Response {
                location: location.map(str::to_owned),
                ..response(status).unwrap()
            }),
            ..address
        }
    }

    fn target(addresses: Vec<Address>) -> Target {
        samples::target("", addresses)
    }

    const RESET: ActiveResult = ActiveResult::Failed { end: End::Reset };

    #[test]
    fn outcomes() {
        use Outcome::{Answered, Failed, NothingFound, TooShort};
        for (n, (addresses, at_least, expected)) in [
            (vec![], None, Failed),
            (vec![failed("refused")], None, Failed),
            (vec![failed("refused")], Some(5.0), Failed),
            (vec![closes(5.0)], None, Answered),
            (vec![closes(5.0), closes(60.0)], None, Answered),
            (vec![closes(5.0), failed("no route")], None, Answered),
            (vec![closes(5.0), stays_open(130.0)], None, NothingFound),
            (vec![not_kept()], None, Answered),
            (vec![not_kept(), closes(5.0)], None, Answered),
            (vec![stays_open(130.0)], None, NothingFound),
            (vec![ends(&[3.1, 9.7])], None, NothingFound),
            (vec![answers()], None, NothingFound),
            // The hint.
            (vec![not_as_said(says(60.0, closes(5.0)))], None, TooShort),
            (
                vec![closes(5.0), not_as_said(says(60.0, closes(5.0)))],
                None,
                TooShort,
            ),
            // What is required.
            (vec![closes(5.0)], Some(5.0), Answered),
            (vec![closes(5.0)], Some(5.1), Answered),
            (vec![closes(5.0)], Some(5.101), TooShort),
            (vec![closes(60.0), closes(5.0)], Some(60.0), TooShort),
            (vec![not_kept()], Some(1.0), TooShort),
            (vec![stays_open(130.0)], Some(60.0), Answered),
            (vec![stays_open(130.0)], Some(130.0), Answered),
            (vec![stays_open(130.0)], Some(131.0), NothingFound),
            (vec![stays_open(130.0), answers()], Some(60.0), NothingFound),
            (vec![ends(&[3.1, 9.7])], Some(8.0), NothingFound),
            // Requests on idle connections.
            (vec![active(4.0, RESET, closes(5.0))], None, Answered),
            (vec![active(4.0, RESET, closes(9.0))], Some(4.5), TooShort),
            (vec![active(4.5, RESET, closes(9.0))], Some(4.5), Answered),
            (
                vec![active(4.0, ActiveResult::Silence, stays_open(9.0))],
                Some(4.5),
                TooShort,
            ),
            (
                vec![active(
                    4.0,
                    ActiveResult::Answered { status: 200 },
                    stays_open(9.0),
                )],
                Some(4.5),
                Answered,
            ),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(
                outcome(&required(addresses, at_least), &options(at_least)),
                expected,
                "case {n}"
            );
        }
    }

    #[test]
    fn addresses_differ_by_more_than_measuring_does() {
        for (n, (addresses, expected)) in [
            (vec![], false),
            (vec![closes(5.0)], false),
            (vec![closes(5.0), closes(5.2)], false),
            (vec![closes(5.21), closes(5.0)], true),
            (vec![closes(5.0), closes(5.15), closes(5.3)], true),
            (vec![closes(5.0), stays_open(4.9)], false),
            (vec![closes(5.0), stays_open(130.0)], true),
            (vec![stays_open(1.0), stays_open(130.0)], false),
            (vec![closes(5.0), failed("refused")], false),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(addresses_differ(&addresses), expected, "case {n}");
        }
    }

    #[test]
    fn the_exit_status_is_that_of_the_worst_outcome() {
        use Outcome::{Answered, Failed, NothingFound, TooShort};
        for (outcomes, expected) in [
            (&[][..], 0),
            (&[Answered, Answered], 0),
            (&[Answered, NothingFound], 1),
            (&[Failed, NothingFound, Answered], 3),
            (&[Answered, Failed], 3),
            (&[Failed, TooShort, NothingFound], 2),
            (&[TooShort], 2),
        ] {
            let targets = outcomes.iter().map(|&outcome| Target {
                outcome,
                ..target(vec![])
            });
            let report = samples::report(targets.collect());
            assert_eq!(exit_status(&report), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn connections_are_usable_for_as_long_as_was_seen() {
        let answered = ActiveResult::Answered { status: 200 };
        for (addresses, expected) in [
            (vec![closes(5.0)], Some(5.0)),
            (
                vec![closes(60.0), closes(5.0), failed("no route")],
                Some(5.0),
            ),
            (vec![closes(60.0), stays_open(30.0)], Some(30.0)),
            (vec![closes(60.0), not_kept()], None),
            (vec![ends(&[3.1, 9.7])], None),
            (
                vec![active(4.0, ActiveResult::Silence, stays_open(9.0))],
                Some(0.0),
            ),
            (
                vec![active(
                    3.0,
                    answered,
                    active(4.0, ActiveResult::Silence, stays_open(9.0)),
                )],
                Some(3.0),
            ),
            (vec![active(5.5, RESET, closes(5.0))], Some(5.0)),
        ] {
            let expected = expected.map(Duration::from_secs_f64);
            assert_eq!(
                usable(&target(addresses.clone())),
                expected,
                "{addresses:?}"
            );
        }
    }

    #[test]
    fn sentences() {
        let redirects = Some("https://example.org/\x1b[2J");
        for (addresses, at_least, expected) in [
            (
                vec![says(5.0, closes(5.0))],
                None,
                "example.org closes idle connections after 5.0 s, as it says.",
            ),
            (
                vec![not_as_said(says(60.0, closes(5.0)))],
                None,
                "example.org closes idle connections after 5.0 s, though it says 60 s.",
            ),
            (
                vec![says(5.0, closes(6.0))],
                None,
                "example.org closes idle connections after 6.0 s, later than the 5 s that it says.",
            ),
            (
                vec![closes(5.0)],
                None,
                "example.org closes idle connections after 5.0 s without saying so.",
            ),
            (
                vec![Address {
                    hint_if_asked: says(5.0, answers()).hint,
                    ..closes(5.0)
                }],
                None,
                "example.org closes idle connections after 5.0 s, as it says if it is asked to keep them.",
            ),
            (
                vec![closes(5.0)],
                Some(60.0),
                "example.org closes idle connections after 5.0 s without saying so. That is less than the 60 s \
                 required.",
            ),
            (
                vec![closes(4.898)],
                Some(5.0),
                "example.org closes idle connections after 4.9 s without saying so. That is less than the 5 s \
                 required, by 102.0 ms.",
            ),
            (
                vec![not_kept()],
                Some(5.0),
                "example.org does not keep connections: it closes after each response. That is less than the 5 s \
                 required.",
            ),
            (
                vec![at("192.0.2.2:443", closes(60.0)), closes(5.0)],
                None,
                "example.org closes idle connections after 5.0 s at 192.0.2.1:443 without saying so; its addresses \
                 differ: 192.0.2.2:443 closes after 60.0 s.",
            ),
            (
                vec![closes(5.0), at("192.0.2.2:443", stays_open(130.0))],
                None,
                "example.org closes idle connections after 5.0 s at 192.0.2.1:443 without saying so; its addresses \
                 differ: 192.0.2.2:443 was still open after 130.0 s.",
            ),
            (
                vec![stays_open(130.02)],
                None,
                "example.org kept idle connections open for all of the 130 s that they were watched.",
            ),
            (
                vec![active(
                    30.0,
                    ActiveResult::Answered { status: 200 },
                    Address {
                        open_after: Some(seconds(30.0)),
                        ..answers()
                    },
                )],
                None,
                "example.org kept a connection that was idle for 30.0 s.",
            ),
            (
                vec![answers()],
                None,
                "example.org answers, but nothing was found of its idle timeout.",
            ),
            (
                vec![not_kept()],
                None,
                "example.org does not keep connections: it closes after each response.",
            ),
            (
                vec![not_kept(), closes(5.0)],
                None,
                "example.org closes idle connections after 5.0 s without saying so. 1 of 2 addresses closed \
                 after each response.",
            ),
            (
                vec![not_kept(), stays_open(130.0), failed("refused")],
                None,
                "example.org kept idle connections open for all of the 130 s that they were watched. 1 of 3 addresses \
                 could not be measured, 1 of 3 addresses closed after each response.",
            ),
            (
                vec![ends(&[3.1, 9.7])],
                None,
                "example.org: idle connections ended after 3.1 s and 9.7 s, which is no timer.",
            ),
            (
                vec![ends(&[3.1, 9.7, 1.5, 20.0, 7.0])],
                None,
                "example.org: idle connections ended after 1.5 s to 20.0 s, which is no timer.",
            ),
            (
                vec![ends(&[3.1])],
                None,
                "example.org: an idle connection ended after 3.1 s, and no other one tells whether that is a timer.",
            ),
            (
                vec![ends(&[3.1]), at("192.0.2.2:443", ends(&[9.7]))],
                None,
                "example.org: an idle connection ended after 3.1 s, and no other one tells whether that is a timer.",
            ),
            (
                vec![not_as_said(says(60.0, ends(&[3.1, 9.7])))],
                None,
                "example.org: idle connections ended after 3.1 s and 9.7 s, which is no timer. It says 60 s, and \
                 closes sooner.",
            ),
            (
                vec![
                    closes(5.0),
                    at("192.0.2.2:443", not_as_said(says(60.0, closes(5.1)))),
                ],
                None,
                "example.org closes idle connections after 5.0 s without saying so. At 192.0.2.2:443 it says 60 s, and \
                 closes sooner.",
            ),
            (
                vec![active(30.0, ActiveResult::Silence, stays_open(130.0))],
                None,
                "example.org kept idle connections open for all of the 130 s that they were watched. A request after \
                 30.0 s of idle time got neither an answer nor an error: something on the way has forgotten the \
                 connection.",
            ),
            (
                vec![active(4.0, RESET, closes(5.0))],
                None,
                "example.org closes idle connections after 5.0 s without saying so. A request after 4.0 s of idle time \
                 failed.",
            ),
            (
                vec![active(5.0, RESET, closes(5.0))],
                None,
                "example.org closes idle connections after 5.0 s without saying so.",
            ),
            (
                vec![answers_with(301, redirects, closes(5.0))],
                None,
                "example.org closes idle connections after 5.0 s without saying so. It redirects (301 to \
                 https://example.org/\\u{1b}[2J): this is the timeout of the server that redirects.",
            ),
            (
                vec![answers_with(404, None, closes(5.0))],
                None,
                "example.org closes idle connections after 5.0 s without saying so. It answers 404: this is the \
                 timeout of what answers so, which may be a proxy before the server.",
            ),
            (
                vec![answers_with(503, None, stays_open(130.0))],
                None,
                "example.org kept idle connections open for all of the 130 s that they were watched. It answers 503: \
                 this is the doing of what answers so, which may be a proxy before the server.",
            ),
            (
                vec![failed("connection refused")],
                None,
                "example.org could not be measured: connection refused.",
            ),
            (
                vec![failed("connection refused"), failed("no route")],
                None,
                "example.org could not be measured: connection refused (none of 2 addresses answered).",
            ),
        ] {
            let target = required(addresses, at_least);
            assert_eq!(sentence(&target, &options(at_least)), expected);
        }
    }

    #[test]
    fn connections_to_a_proxy_are_its_own() {
        let options = Options {
            http_proxy: true,
            ..options(None)
        };
        let to = |url: &str, addresses| Target {
            url: url.to_owned(),
            ..target(addresses)
        };
        for (target, expected) in [
            (
                to(
                    "http://example.org/",
                    vec![answers_with(404, None, closes(5.0))],
                ),
                "The proxy before example.org closes idle connections after 5.0 s without saying so. example.org may \
                 keep connections for another time.",
            ),
            (
                to("http://example.org/", vec![failed("connection refused")]),
                "The proxy before example.org could not be measured: connection refused.",
            ),
            (
                to("https://example.org/", vec![closes(5.0)]),
                "example.org closes idle connections after 5.0 s without saying so.",
            ),
        ] {
            assert_eq!(sentence(&target, &options), expected);
        }
    }

    #[test]
    fn a_limit_of_requests_is_no_finding_of_the_timeout() {
        let address = Address {
            requests: Some(Requests {
                answered: 100,
                limit: Some(100),
                announced: true,
            }),
            ..answers()
        };
        assert_eq!(
            outcome(&target(vec![address]), &options(None)),
            Outcome::NothingFound
        );
    }

    #[test]
    fn the_host_is_named_without_what_may_be_secret() {
        for (url, expected) in [
            ("https://example.org/", "example.org"),
            (
                "http://user:password@example.org:8080/?key=1",
                "example.org:8080",
            ),
            ("http://[2001:db8::1]/", "[2001:db8::1]"),
            ("no\nurl", "no\\nurl"),
        ] {
            assert_eq!(name(url), expected);
        }
    }

    #[test]
    fn a_host_that_is_not_known_is_the_reason() {
        let target = Target {
            error: Some("the host is not known".to_owned()),
            ..target(vec![])
        };
        assert_eq!(
            sentence(&target, &options(None)),
            "example.org could not be measured: the host is not known."
        );
        assert_eq!(outcome(&target, &options(None)), Outcome::Failed);
    }
}
