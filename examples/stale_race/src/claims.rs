//! What is to hold of each run, of the clients and on the links that ran.

use crate::args::name;
use crate::clients::ClientName;
use crate::common::Claim;
use crate::report::LinkReport;
use crate::scenario::LinkName;

use ClientName::{
    HttpKeepalive, HttpKeepaliveLearned, HttpKeepaliveMargin100Ms, HyperUtil, HyperUtilMinus1s,
    Reqwest,
};
use LinkName::{Changing, Far, Fast, Silent, Slow};

/// What is to hold on each link.
pub fn of(links: &[LinkReport]) -> Vec<Claim> {
    links.iter().flat_map(of_link).collect()
}

fn of_link(report: &LinkReport) -> Vec<Claim> {
    let link = report.scenario.link;
    let of = |client: ClientName| report.clients.iter().find(|ran| ran.client == client);
    let failed = |client| of(client).map(|ran| ran.tally.failed);
    let ratio = |client| of(client).map(|ran| report.ratio(ran));

    let mut claims = Vec::new();
    let mut claim = |client: ClientName, text: &str, holds: Option<bool>| {
        let text = format!("{}, {}: {text}", name(&link), name(&client));
        claims.extend(holds.map(|holds| Claim::new(text, holds)));
    };

    // Each user is a process, which finds a shorter timeout at the price of two requests at most.
    let most = if link == Changing { 2 } else { 0 };
    for client in [
        HttpKeepalive,
        HttpKeepaliveMargin100Ms,
        HttpKeepaliveLearned,
    ] {
        let lost = of(client).map(|ran| ran.most_of_one_user);
        let text = format!("no user loses more than {most} requests");
        claim(client, &text, lost.map(|lost| lost <= most));
    }
    // All its users are one process, some of whose connections keep the longer timeout, and refute the shorter one.
    let learned = failed(HttpKeepaliveLearned);
    let (most, text) = match failed(HyperUtil) {
        Some(plain) if link == Changing => (plain / 2, "it loses half of hyper-util's at most"),
        _ => (0, "it loses no request"),
    };
    claim(
        HttpKeepaliveLearned,
        text,
        learned.map(|failed| failed <= most),
    );

    if link != Fast {
        for client in [HyperUtil, Reqwest] {
            claim(
                client,
                "it loses requests",
                failed(client).map(|failed| failed > 0),
            );
        }
    }
    if matches!(link, Slow | Changing) {
        let lost = failed(HyperUtilMinus1s);
        claim(
            HyperUtilMinus1s,
            "it loses requests",
            lost.map(|failed| failed > 0),
        );
    }

    let short = ratio(HttpKeepaliveMargin100Ms);
    let learned = ratio(HttpKeepaliveLearned);
    let opens_at_most =
        |most: f64| format!("it opens {most} times as many connections as the oracle at most");
    if matches!(link, Fast | Far | Slow) {
        let text = opens_at_most(1.1);
        claim(
            HttpKeepaliveMargin100Ms,
            &text,
            short.map(|ratio| ratio <= 1.1),
        );
    }
    if matches!(link, Far | Slow) {
        claim(
            HttpKeepaliveLearned,
            &opens_at_most(1.1),
            learned.map(|ratio| ratio <= 1.1),
        );
    }
    if link == Silent {
        // It takes two closes, which is half of a short run.
        claim(
            HttpKeepaliveLearned,
            &opens_at_most(1.25),
            learned.map(|ratio| ratio <= 1.25),
        );
    }
    if matches!(link, Silent | Changing) {
        let spared = learned.zip(short).map(|(learned, short)| learned < short);
        claim(
            HttpKeepaliveLearned,
            "what it learns spares it connections",
            spared,
        );
    }
    claims
}
