//! Many origins behind one HTTP forward proxy, which closes all their connections.

use futures_util::future::join_all;
use http_keepalive::{KeepAlivePolicy, Learn};
use tokio::time::sleep;

use super::origin::{Origin, Traits};
use super::plan::Plan;
use super::{MILLISECOND, RTT, SECOND, keep_alive};
use crate::support::client::{exchange, guarded, post};

const HOSTS: u32 = 20;

/// Each host is asked twice, the second time just as the server closes. Returns how many requests failed.
async fn lost(learn: Learn, is_proxy: bool) -> usize {
    let traits = Traits {
        is_proxy,
        ..Traits::default()
    };
    let origin = Origin::with(traits, || Plan::fin(SECOND));
    let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
    let client = guarded(&keep_alive, origin.connector());
    let ask_twice = async |host: u32| {
        let uri = format!("http://host{host}.test/");
        // One host after the other, and again while the next ones are waiting for their turn.
        sleep(300 * MILLISECOND * host).await;
        exchange(&client, post(&uri, "")).await.unwrap();
        sleep(SECOND - RTT / 2).await;
        exchange(&client, post(&uri, "")).await.is_err()
    };
    let lost = join_all((0..HOSTS).map(ask_twice)).await;
    let proxies = keep_alive.origins().into_iter();
    let proxies = proxies.filter(|known| known.origin.scheme() == "proxy");
    assert_eq!(proxies.count(), usize::from(is_proxy));
    lost.iter().filter(|is_lost| **is_lost).count()
}

#[tokio::test(start_paused = true)]
async fn what_a_proxy_does_is_known_of_all_hosts_behind_it() {
    for learn in [Learn::Shorten, Learn::Full] {
        let lost = lost(learn, true).await;
        assert!(lost <= 2, "{learn:?}: {lost}");
    }

    // The controls: without learning, and where each host is a server of its own.
    assert_eq!(lost(Learn::Off, true).await, HOSTS as usize);
    assert_eq!(lost(Learn::Shorten, false).await, HOSTS as usize);
}
