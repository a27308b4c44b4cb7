//! HTTP clients over the kernel's TCP, through a link whose quality is known.
//!
//! ```text
//! cargo run --release -p network
//! cargo run --release -p network -- --check
//! cargo run --release -p network -- --scenario far --scenario relay
//! cargo run --release -p network -- --json
//! ```
//!
//! It needs Linux, root, `/dev/net/tun`, nginx and HAProxy. Where root or the device is missing it says
//! so and ends well, unless the environment has `CI`: then that is a failure.
//!
//! # What runs
//!
//! For each client in each scenario there are two network namespaces with a TUN device in each. Between
//! the devices packets are forwarded with a delay, jitter, loss, a rate with one queue for all
//! connections, and a middlebox that forgets idle connections. nginx and a server on hyper, with the same
//! idle timeout T, run in one namespace. The client runs in the other one, in a process of its own. Its
//! users make requests, half of them POST, with gaps from 0.1 T to 1.2 T. Where a middlebox forgets sooner
//! than servers close, T is the middlebox's. No request is sent again.
//!
//! The namespaces have no name and the devices are not persistent, so the kernel removes both with the
//! last process that uses them. Every process is killed by the kernel when the one that started it ends,
//! and every file is on a tmpfs in a mount namespace of its process. So nothing is left behind, however
//! the program ends.
//!
//! # What is counted
//!
//! *Lost* is every request that failed, for whatever reason. *Opened* is how often the client connected.
//! *Fewest* is how often a client has to connect that knows T and the round trip, and loses nothing: once
//! for each user, and after each gap of at least `T − round trip`.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: needs Linux");
}
