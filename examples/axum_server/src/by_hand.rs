//! HTTP/1.1 on a loopback socket, by hand.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long anybody waits for a server.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A connection of a client.
pub struct Connection(TcpStream);

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await;
        stream
            .map(Self)
            .map_err(|error| format!("cannot connect: {error}"))
    }

    /// Whether a request is answered.
    pub async fn ask(&mut self) -> bool {
        let exchange = async {
            self.0
                .write_all(b"GET / HTTP/1.1\r\nhost: server.test\r\n\r\n")
                .await?;
            let mut response = Vec::new();
            while !response.ends_with(b"\r\n\r\nok") {
                response.push(self.0.read_u8().await?);
            }
            std::io::Result::Ok(())
        };
        matches!(timeout(PATIENCE, exchange).await, Ok(Ok(())))
    }

    /// Whether the server ends the connection.
    pub async fn ends(&mut self) -> bool {
        let end = timeout(PATIENCE, self.0.read_u8()).await;
        matches!(end, Ok(Err(_)))
    }

    /// Begins the head of a request.
    pub async fn begin(&mut self) -> Result<(), String> {
        let written = self.0.write_all(b"GET / HTTP/1.1\r\nx: ").await;
        written.map_err(|error| format!("cannot write: {error}"))
    }

    /// Goes on with the head, a byte at a time, until the server ends the connection.
    pub async fn dawdle(mut self, pause: Duration) {
        let (mut read, mut write) = self.0.split();
        let ended = read.read_u8();
        let written = async {
            while write.write_all(b"x").await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            _ = ended => {}
            () = written => {}
        }
    }
}
