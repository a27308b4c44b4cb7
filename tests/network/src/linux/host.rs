//! A host at one end of the link: a network namespace with a TUN device.

use std::fs;
use std::net::Ipv4Addr;

use nix::sched::{CloneFlags, unshare};
use rtnetlink::LinkUnspec;
use tun_rs::{AsyncDevice, DeviceBuilder};

/// The client's address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The server's address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// The loopback device's index, in every namespace.
const LOOPBACK: u32 = 1;

/// Takes this thread into a new network namespace, and gives the TUN device there.
///
/// The processes that this thread starts from now on run in that namespace. The kernel removes it, and
/// the device with it, when the last of them has ended and the device is dropped.
pub async fn enter(address: Ipv4Addr) -> Result<AsyncDevice, String> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| format!("cannot make a network namespace: {error}"))?;
    // Of this namespace. BBR, which some machines have by default, leaves a queue empty.
    fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "reno")
        .map_err(|error| format!("cannot set TCP's congestion control: {error}"))?;
    let device = DeviceBuilder::new()
        .ipv4(address, 24, None)
        .mtu(1500)
        // No packet is to be lost here for want of room, whatever the rate of the link.
        .tx_queue_len(10_000)
        .build_async()
        .map_err(|error| format!("cannot make a TUN device: {error}"))?;
    bring_up_loopback()
        .await
        .map_err(|error| format!("cannot bring up the loopback device: {error}"))?;
    Ok(device)
}

/// A host reaches its own address over loopback.
async fn bring_up_loopback() -> Result<(), String> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let up = LinkUnspec::new_with_index(LOOPBACK).up().build();
    let set = handle.link().set(up).execute().await;
    connection.abort();
    set.map_err(|error| error.to_string())
}
