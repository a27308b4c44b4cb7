//! The server's side of TLS, for [`ServerBuilder::tls`](crate::support::server::ServerBuilder::tls).

use std::pin::Pin;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::support::server::{Bytestream, Handshake};

impl Handshake for Arc<ServerConfig> {
    fn accept(&self, io: Bytestream) -> Pin<Box<dyn Future<Output = Option<Bytestream>> + Send>> {
        let accepting = TlsAcceptor::from(Self::clone(self)).accept(TokioIo::new(io));
        Box::pin(async move {
            let stream = accepting.await.ok()?;
            Some(Box::new(TokioIo::new(stream)) as Bytestream)
        })
    }
}
