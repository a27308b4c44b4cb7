//! Proxies that connect to one server, whatever name they are told: SOCKS 4 and 5, and HTTP CONNECT.
//! They speak as much of their protocols as a client needs that asks for a name without a password.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy speaks.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Socks4,
    Socks5,
    Connect,
}

/// A proxy on a socket of its own.
#[derive(Debug)]
pub struct Proxy {
    kind: Kind,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy whose connections all lead to `server`.
    pub async fn start(kind: Kind, server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let names = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let names = Arc::clone(&names);
                tokio::spawn(async move {
                    let name = match kind {
                        Kind::Socks4 => socks4(&mut client).await,
                        Kind::Socks5 => socks5(&mut client).await,
                        Kind::Connect => connect(&mut client).await,
                    };
                    names.lock().unwrap().push(name.unwrap());
                    let mut origin = TcpStream::connect(server).await.unwrap();
                    // Ends when both sides have; how does not matter here.
                    let _ = copy_bidirectional(&mut client, &mut origin).await;
                });
            }
        });
        Self {
            kind,
            address,
            asked,
        }
    }

    /// Where it listens, as the connectors want to be told.
    pub fn uri(&self) -> Uri {
        let scheme = match self.kind {
            Kind::Socks4 => "socks4",
            Kind::Socks5 => "socks5",
            Kind::Connect => "http",
        };
        format!("{scheme}://{}", self.address).parse().unwrap()
    }

    /// The names it was asked to connect to, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// SOCKS 4a: version, command, port, an address that is none, a user, a name.
async fn socks4(client: &mut TcpStream) -> io::Result<String> {
    let mut head = [0; 8];
    client.read_exact(&mut head).await?;
    assert_eq!(head[..2], [4, 1], "a request to connect");
    until_nul(client).await?;
    let name = until_nul(client).await?;
    client.write_all(&[0, 90, 0, 0, 0, 0, 0, 0]).await?;
    Ok(name)
}

/// RFC 1928, without authentication, for a name.
async fn socks5(client: &mut TcpStream) -> io::Result<String> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).await?;
    client.write_all(&[5, 0]).await?;

    let mut head = [0; 5];
    client.read_exact(&mut head).await?;
    assert_eq!(head[..4], [5, 1, 0, 3], "a request to connect to a name");
    let mut name = vec![0; head[4].into()];
    client.read_exact(&mut name).await?;
    client.read_u16().await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(String::from_utf8(name).unwrap())
}

/// RFC 9110 §9.3.6.
async fn connect(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").expect("a CONNECT");
    let (name, _) = target.split_once(':').expect("a host and a port");
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    Ok(name.to_owned())
}

async fn until_nul(client: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        match client.read_u8().await? {
            0 => return Ok(String::from_utf8(text).unwrap()),
            byte => text.push(byte),
        }
    }
}
