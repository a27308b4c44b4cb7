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
use crate::connect::{IdleAwareConnector, IdleAwareIo};
use crate::connection::{ClientError, ClientErrorKind};
use crate::executor::ConnectionTask;
use crate::keep_alive::KeepAlive;

/// Opens a connection to the origin of `uri`, and has a task drive it.
pub(super) async fn connect<C, B, T>(
    mut connector: IdleAwareConnector<C>,
    uri: Uri,
    settings: &PoolSettings,
    permit: Permit<B>,
) -> Result<Pooled<B>, ClientError>
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
    let transport = transport
        .ok_or_else(|| ClientError::new(ClientErrorKind::ConnectTimeout))?
        .map_err(|error| ClientError::new(ClientErrorKind::Connect).with_source(error))?;
    let (handle, connected) = (transport.handle(), transport.connected());
    handshake(transport, settings, permit, &keep_alive)
        .await
        .map_err(|error| {
            ClientError::new(ClientErrorKind::Connect)
                .with_source(error)
                .on(handle, &connected)
        })
}

/// Begins to speak HTTP.
async fn handshake<T, B>(
    transport: IdleAwareIo<T>,
    settings: &PoolSettings,
    mut permit: Permit<B>,
    keep_alive: &KeepAlive,
) -> Result<Pooled<B>, Box<dyn Error + Send + Sync>>
where
    T: Read + Write + connect::Connection + Unpin + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let connected = transport.connected();
    let handle = transport.handle();
    if connected.is_negotiated_h2() || settings.is_http2_only() {
        #[cfg(feature = "http2")]
        {
            let (mut sender, connection) = settings.http2.handshake(transport).await?;
            permit.on_connected();
            let http2 = Http2::new(sender.clone(), connected, handle);
            let host = permit.host();
            let task = http2::drive(
                connection,
                http2.downgrade(),
                permit,
                keep_alive.clone(),
                settings.http2_idle_timeout,
            );
            keep_alive.executor().spawn(ConnectionTask::new(task));
            sender.ready().await?;
            let shared = host.upgrade().map(|host| host.share(&http2));
            return Ok(Pooled::Http2(shared.unwrap_or(http2)));
        }
        #[cfg(not(feature = "http2"))]
        return Err("the server chose HTTP/2, for which feature `http2` has to be enabled".into());
    }
    let (sender, connection) = settings
        .http1
        .handshake(transport.without_yielding())
        .await?;
    #[cfg(feature = "http2")]
    if let Some(host) = permit.host().upgrade() {
        host.on_http1();
    }
    permit.on_connected();
    let connection = connection.with_upgrades();
    let connection = Connection::new(sender, connection, connected, handle, permit);
    let task = connection::Task(Arc::clone(&connection));
    keep_alive.executor().spawn(ConnectionTask::new(task));
    Ok(Pooled::Http1(connection))
}
