//! The network between the client's process and the server in this one: real sockets on the one side,
//! the server's links on the other.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::link::{Link, LinkEnd};
use crate::support::server::Server;

/// When the client's socket is told that the server has closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Goodbye {
    /// At once.
    Arrives,
    /// When the client has sent something meanwhile: until then it is on its way.
    IsOnItsWay,
}

/// Takes connections and passes them on to a server, until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    ends: watch::Receiver<Ends>,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn start(server: Server, goodbye: Goodbye) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, ends) = watch::channel(Ends::default());
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let (near, far) = Link::new().pair();
                server.accept(far);
                tokio::spawn(pass(socket, near, goodbye, sender.clone()));
            }
        });
        Self {
            address,
            ends,
            task,
        }
    }

    /// Where the client finds the server.
    pub fn uri(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Waits until so many connections have ended, and the client's sockets have been told of it, where
    /// they are to be.
    pub async fn closed(&mut self, connections: usize) {
        let all = |ends: &Ends| ends.by_client + ends.by_server >= connections;
        self.ends.wait_for(all).await.unwrap();
    }

    /// Whether the client has ended a connection before the server did.
    pub fn was_hung_up(&self) -> bool {
        self.ends.borrow().by_client > 0
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connections that have ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    by_client: usize,
    by_server: usize,
}

/// Passes bytes both ways until one side has ended. What is sent after that is answered with RST, as
/// by any socket that is closed.
async fn pass(
    mut socket: TcpStream,
    mut near: LinkEnd,
    goodbye: Goodbye,
    ends: watch::Sender<Ends>,
) {
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = socket.read(&mut up) => match read {
                Ok(len) if len > 0 => near.write_all(&up[..len]).await.unwrap(),
                _ => return ends.send_modify(|ends| ends.by_client += 1),
            },
            read = near.read(&mut down) => match read {
                Ok(len) if len > 0 => {
                    // Should it fail, there is an end to be read too.
                    let _ = socket.write_all(&down[..len]).await;
                }
                _ => break,
            },
        }
    }
    if goodbye == Goodbye::IsOnItsWay {
        ends.send_modify(|ends| ends.by_server += 1);
        // Bytes, or the end: either way the client did not wait for ours.
        let _ = socket.peek(&mut [0]).await;
    } else {
        drop(socket);
        ends.send_modify(|ends| ends.by_server += 1);
    }
}
