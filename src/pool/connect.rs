//! Opening a connection.

use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;

use http::Uri;
use hyper::body::Body;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{self, Connection as _};
use tower_service::Service;

use super::connection::{self, Connection};
use super::host::{Permit, Pooled};
#[cfg(feature = "http2")]
use super::http2::{self, Http2};
use super::settings::PoolSettings;
use super::timeout::within;
use crate::connect::IdleAwareConnector;
use crate::connection::{ClientError, ClientErrorKind};
use crate::executor::ConnectionTask;

/// Opens a connection to the origin of `uri`, and has a task drive it. Returns whether it is new: of HTTP/2, there may be one
/// already.
pub(super) async fn connect<C, B, T>(
    mut connector: IdleAwareConnector<C>,
    uri: Uri,
    settings: &PoolSettings,
    mut permit: Permit<B>,
) -> Result<(Pooled<B>, bool), ClientError>
where
    C: Service<Uri, Response = T, Error: Into<Box<dyn Error + Send + Sync>>>,
    T: Read + Write + connect::Connection + Unpin + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let keep_alive = connector.keep_alive().clone();
    let connecting = async {
        poll_fn(|cx| connector.poll_ready(cx)).await?;
        connector.call(uri).await
    };
    let transport = within(keep_alive.clock(), settings.connect_timeout, connecting).await;
    let failed = |error: Box<dyn Error + Send + Sync>| {
        ClientError::new(ClientErrorKind::Connect).with_source(error)
    };
    let transport = transport
        .ok_or_else(|| ClientError::new(ClientErrorKind::ConnectTimeout))?
        .map_err(|error| failed(error.into()))?;
    let (handle, connected) = (transport.handle(), transport.connected());
    if connected.is_negotiated_h2() || settings.is_http2_only() {
        #[cfg(feature = "http2")]
        {
            let (sender, connection) = match settings.http2.handshake(transport).await {
                Ok(handshake) => handshake,
                Err(error) => return Err(failed(error.into()).on(handle, &connected)),
            };
            let opened = Http2::new(sender, connected, handle);
            let host = permit.host().upgrade();
            let shared = host.map_or_else(|| opened.clone(), |host| host.share(&opened));
            let is_new = shared.is(&opened);
            permit.on_connected();
            let timeout = settings.http2_idle_timeout;
            let task = http2::drive(connection, &opened, permit, keep_alive.clone(), timeout);
            keep_alive.executor().spawn(ConnectionTask::new(task));
            return Ok((Pooled::Http2(shared), is_new));
        }
        #[cfg(not(feature = "http2"))]
        return Err(failed(
            "the server chose HTTP/2, for which feature `http2` has to be enabled".into(),
        )
        .on(handle, &connected));
    }
    let (sender, connection) = match settings.http1.handshake(transport.without_yielding()).await {
        Ok(handshake) => handshake,
        Err(error) => return Err(failed(error.into()).on(handle, &connected)),
    };
    #[cfg(feature = "http2")]
    if let Some(host) = permit.host().upgrade() {
        host.on_http1();
    }
    permit.on_connected();
    let connection = connection.with_upgrades();
    let connection = Connection::new(sender, connection, connected, handle, permit);
    let task = connection::Task(Arc::clone(&connection));
    keep_alive.executor().spawn(ConnectionTask::new(task));
    Ok((Pooled::Http1(connection), true))
}
