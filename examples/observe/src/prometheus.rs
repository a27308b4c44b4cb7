//! The metrics in Prometheus's text format, over HTTP.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{ExporterFuture, PrometheusBuilder, PrometheusRecorder};

/// Upper bounds of the buckets of durations, in seconds: around idle timeouts.
const BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0];

/// Serves the metrics of this process. To be called before they are made.
pub fn install(address: SocketAddr) -> Result<(), String> {
    let (recorder, exporter) = exporter(address)?;
    tokio::spawn(exporter);
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())
}

/// A recorder, and what serves its metrics. It listens already.
pub fn exporter(address: SocketAddr) -> Result<(PrometheusRecorder, ExporterFuture), String> {
    PrometheusBuilder::new()
        .with_http_listener(address)
        .set_buckets(&BUCKETS)
        .and_then(PrometheusBuilder::build)
        .map_err(|error| format!("cannot serve metrics on {address}: {error}"))
}
