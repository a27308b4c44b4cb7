//! What a link promises.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::support::link::{Link, LinkEnd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

const OWD: Duration = Duration::from_millis(40);

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

async fn read(end: &mut LinkEnd) -> Vec<u8> {
    let mut buf = vec![0; 1 << 20];
    let n = end.read(&mut buf).await.unwrap();
    buf.truncate(n);
    buf
}

#[tokio::test(start_paused = true)]
async fn bytes_and_fin_arrive_after_the_latency() {
    let (mut client, mut server) = Link::new().latency(OWD).pair();
    let start = Instant::now();
    tokio::spawn(async move {
        client.write_all(b"one").await.unwrap();
        tokio::time::sleep(Duration::from_millis(7)).await;
        client.write_all(b"two").await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
        drop(client);
    });
    assert_eq!(read(&mut server).await, b"one");
    assert_eq!(ms(start), 40.0);
    assert_eq!(read(&mut server).await, b"two");
    assert_eq!(ms(start), 47.0);
    assert_eq!(read(&mut server).await, b"");
    assert_eq!(ms(start), 50.0);
    assert_eq!(read(&mut server).await, b"");
    // Still accepted.
    server.write_all(&vec![0; 8 << 20]).await.unwrap();
    assert_eq!(ms(start), 50.0);
}

#[tokio::test(start_paused = true)]
async fn bandwidth_spreads_what_a_write_took_at_once() {
    let (mut client, mut server) = Link::new().latency(OWD).bandwidth(200_000).pair();
    let start = Instant::now();
    server.write_all(&vec![1; 400_000]).await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(ms(start), 0.0);
    assert_eq!(
        server.write(b"x").await.unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );

    client.read_exact(&mut vec![0; 200_000]).await.unwrap();
    // With the rest of the segment that the last byte is in.
    assert!((1040.0..1050.0).contains(&ms(start)));
    client.read_exact(&mut vec![0; 200_000]).await.unwrap();
    assert_eq!(ms(start), 2040.0);
    assert_eq!(read(&mut client).await, b"");
    assert_eq!(ms(start), 2040.0);
    // The other direction is not limited.
    client.write_all(&vec![1; 400_000]).await.unwrap();
    server.read_exact(&mut vec![0; 400_000]).await.unwrap();
    assert_eq!(ms(start), 2080.0);
}

#[tokio::test(start_paused = true)]
async fn a_segment_arrives_in_one_piece() {
    let link = Link::new().latency(OWD).bandwidth(200_000);
    for (segment, first) in [(20_000, 140.0), (50_000, 290.0), (1 << 20, 540.0)] {
        let (mut client, mut server) = link.segment(segment).pair();
        let start = Instant::now();
        server.write_all(&vec![1; 100_000]).await.unwrap();

        client.read_u8().await.unwrap();
        assert_eq!(ms(start), first);
        client.read_exact(&mut vec![0; 99_999]).await.unwrap();
        assert_eq!(ms(start), 540.0);
    }
}

#[tokio::test(start_paused = true)]
async fn bandwidth_up_limits_requests() {
    let (mut client, mut server) = Link::new().bandwidth_up(100_000).pair();
    let start = Instant::now();
    client.write_all(&vec![1; 100_000]).await.unwrap();
    server.read_exact(&mut vec![0; 100_000]).await.unwrap();
    assert_eq!(ms(start), 1000.0);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_holds_the_writer() {
    let (mut client, mut server) = Link::new().latency(OWD).buffer(1000).pair();
    let start = Instant::now();
    assert_eq!(client.write(&[7; 3000]).await.unwrap(), 1000);
    let writer = tokio::spawn(async move {
        client.write_all(&[8; 500]).await.unwrap();
        (client, ms(start))
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!writer.is_finished());
    server.read_exact(&mut [0; 200]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!writer.is_finished());
    server.read_exact(&mut [0; 800]).await.unwrap();
    let (client, at) = writer.await.unwrap();
    assert_eq!(at, 101.0);
    drop(server);
    // A writer that waits is released by the reader's end.
    drop(client);
    let (mut client, server) = Link::new().buffer(10).pair();
    client.write_all(&[0; 10]).await.unwrap();
    let writer = tokio::spawn(async move { client.write_all(&[0; 100]).await });
    tokio::time::sleep(OWD).await;
    assert!(!writer.is_finished());
    drop(server);
    writer.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reset_overtakes_what_was_sent_before_it() {
    let (mut client, mut server) = Link::new().latency(OWD).bandwidth(1000).pair();
    let start = Instant::now();
    let reader = tokio::spawn(async move {
        let e = client.read(&mut [0; 10]).await.unwrap_err();
        (client, e.kind(), ms(start))
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    server.write_all(&[0; 4000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    server.reset();
    let (mut client, kind, at) = reader.await.unwrap();
    assert_eq!((kind, at), (ErrorKind::ConnectionReset, 50.0));
    client.write_all(b"swallowed").await.unwrap();
    assert!(client.read(&mut [0; 10]).await.is_err());
}

/// A reader is polled when its bytes arrive, not when they leave.
#[tokio::test(start_paused = true)]
async fn a_reader_is_not_woken_early() {
    let (mut client, mut server) = Link::new().latency(OWD).pair();
    let start = Instant::now();
    let polls = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = polls.clone();
    let reader = tokio::spawn(async move {
        loop {
            let mut space = [0; 64];
            let n = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut space);
                seen.lock().unwrap().push(ms(start));
                let poll = Pin::new(&mut client).poll_read(cx, &mut buf);
                poll.map(|r| r.map(|()| buf.filled().len()))
            })
            .await
            .unwrap();
            if n == 0 {
                break;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    server.write_all(b"a").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    server.write_all(b"b").await.unwrap();
    tokio::time::sleep(Duration::from_millis(89)).await;
    drop(server);
    reader.await.unwrap();
    assert_eq!(*polls.lock().unwrap(), [0.0, 50.0, 50.0, 51.0, 51.0, 140.0]);
}

/// What arrives when, of one byte a millisecond; in milliseconds after it was sent.
async fn delays(link: Link) -> Vec<f64> {
    let (mut client, mut server) = link.pair();
    let start = Instant::now();
    let reader = tokio::spawn(async move {
        let mut delays = Vec::new();
        while let Ok(byte) = client.read_u8().await {
            delays.push(ms(start) - f64::from(byte));
        }
        delays
    });
    for byte in 0..200 {
        server.write_u8(byte).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(server);
    reader.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn jitter_delays_without_reordering_the_same_way_for_the_same_seed() {
    let link = Link::new().latency(OWD).jitter(OWD / 2);

    let late = delays(link.seed(1)).await;

    assert_eq!(late.len(), 200);
    assert!(late.iter().all(|late| (40.0..=60.0).contains(late)));
    assert!(late.windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(late, delays(link.seed(1)).await);
    assert_ne!(late, delays(link.seed(2)).await);
    assert_eq!(delays(link.jitter(Duration::ZERO)).await, [40.0; 200]);
}

#[tokio::test(start_paused = true)]
async fn spikes_are_rare_and_hold_up_what_follows() {
    let link = Link::new().latency(OWD).jitter(OWD).spikes(50);

    let late = delays(link).await;

    let most = late.iter().copied().fold(0.0, f64::max);
    let spikes = late.iter().filter(|&&late| late == most).count();
    let usual = late.iter().filter(|&&late| late <= 50.0).count();
    assert_eq!(most, 80.0);
    assert!((1..20).contains(&spikes), "{spikes}");
    assert!(usual > 50, "{usual}");
}

#[tokio::test(start_paused = true)]
async fn what_was_written_arrives_when_the_link_says() {
    let link = Link::new().latency(OWD).jitter(OWD).bandwidth_up(1_000);
    let (mut client, mut server) = link.pair();
    let start = Instant::now();
    assert_eq!(client.arrival(), None);
    client.write_all(b"first").await.unwrap();

    let arrival = client.arrival().unwrap();

    server.read_u8().await.unwrap();
    assert_eq!(ms(start), ((arrival - start).as_secs_f64() * 1000.0).ceil());
    drop(server);
    client.write_all(b"lost").await.unwrap();
    assert!(
        client.arrival().unwrap() >= Instant::now() + OWD,
        "it would have arrived"
    );
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_held_passes_everything_later() {
    for link in [Link::new(), Link::new().latency(OWD)] {
        let (mut client, mut server) = link.pair();
        let start = Instant::now();
        client.write_all(b"a").await.unwrap();
        server.read_u8().await.unwrap();
        server.write_all(b"before").await.unwrap();
        tokio::task::yield_now().await;
        let held = link.one_way() > Duration::ZERO;

        client.line().hold_until(start + Duration::from_secs(1));
        server.write_all(b"during").await.unwrap();
        drop(server);

        let came = if held { "beforeduring" } else { "before" };
        assert_eq!(read(&mut client).await, came.as_bytes());
        if !held {
            assert_eq!(ms(start), 0.0, "it was there already");
            assert_eq!(read(&mut client).await, b"during");
        }
        assert_eq!(ms(start), 1000.0);
        assert_eq!(read(&mut client).await, b"");
        assert_eq!(ms(start), 1000.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_held_keeps_a_reset_back_and_what_follows_is_in_time_again() {
    let (mut client, mut server) = Link::new().latency(OWD).pair();
    let start = Instant::now();
    client.line().hold_until(start + Duration::from_millis(500));
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.write_all(b"after").await.unwrap();
    assert_eq!(read(&mut client).await, b"after");
    assert_eq!(ms(start), 540.0);

    client.line().hold_until(start + Duration::from_secs(1));
    server.reset();

    assert!(client.read_u8().await.is_err());
    assert_eq!(ms(start), 1000.0);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_cut_passes_nothing_and_takes_what_fits_the_buffer() {
    let (mut client, mut server) = Link::new().latency(OWD).buffer(10).pair();
    server.write_all(b"there").await.unwrap();
    tokio::time::sleep(OWD).await;
    server.write_all(b"not").await.unwrap();

    client.line().cut();

    assert_eq!(read(&mut client).await, b"there");
    assert_eq!(client.write(&[0; 11]).await.unwrap(), 10);
    let hour = Duration::from_secs(3600);
    let blocked = tokio::time::timeout(hour, client.write(&[0; 1])).await;
    assert!(blocked.is_err());
    server.reset();
    let heard = tokio::time::timeout(hour, client.read_u8()).await;
    assert!(heard.is_err(), "neither bytes nor RST");

    let (mut client, server) = Link::new().pair();
    client.line().cut();
    drop(server);
    let heard = tokio::time::timeout(hour, client.read_u8()).await;
    assert!(heard.is_err(), "nor FIN");
}
