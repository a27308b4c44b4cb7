//! A recorder of the facade `metrics` that can be read at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// The name of a metric, and its labels.
pub type Key = (String, BTreeMap<String, String>);

/// What was recorded so far.
pub struct Recorded {
    snapshotter: Snapshotter,
    metrics: Mutex<BTreeMap<Key, Value>>,
}

#[derive(Clone, Debug, Default)]
struct Value {
    /// Of a counter or gauge.
    sum: f64,
    /// Of a histogram.
    values: Vec<f64>,
    unit: Option<metrics::Unit>,
    is_described: bool,
}

impl Recorded {
    pub fn by(recorder: &DebuggingRecorder) -> Self {
        Self {
            snapshotter: recorder.snapshotter(),
            metrics: Mutex::default(),
        }
    }

    fn read(&self) -> BTreeMap<Key, Value> {
        let mut metrics = self.metrics.lock().unwrap();
        // A snapshot sets everything back: it has what was recorded since the last one.
        for (key, unit, description, value) in self.snapshotter.snapshot().into_vec() {
            let (_, key) = key.into_parts();
            let labels = key.labels();
            let labels = labels.map(|label| (label.key().to_owned(), label.value().to_owned()));
            let metric = metrics.entry((key.name().to_owned(), labels.collect()));
            let metric = metric.or_default();
            metric.unit = unit;
            metric.is_described = description.is_some();
            match value {
                DebugValue::Counter(more) => metric.sum += more as f64,
                DebugValue::Gauge(more) => metric.sum += more.into_inner(),
                DebugValue::Histogram(more) => {
                    metric
                        .values
                        .extend(more.into_iter().map(|value| value.into_inner()));
                }
            }
        }
        metrics.clone()
    }

    /// Metrics by that name, whose labels have that one.
    fn named(&self, name: &str, label: Option<(&str, &str)>) -> impl Iterator<Item = Value> {
        let metrics = self.read().into_iter();
        let named = metrics.filter(move |((its, labels), _)| {
            its == name
                && label.is_none_or(|(key, value)| labels.get(key).is_some_and(|v| v == value))
        });
        named
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Open connections: those that are idle, and those that are active.
    pub fn open(&self) -> [i64; 2] {
        ["idle", "active"].map(|state| {
            let state = Some(("http.connection.state", state));
            let open = self.named("http.client.open_connections", state);
            open.map(|gauge| gauge.sum as i64).sum()
        })
    }

    /// The sum of counters.
    pub fn count(&self, name: &str, label: Option<(&str, &str)>) -> u64 {
        let counters = self.named(name, label);
        counters.map(|counter| counter.sum as u64).sum()
    }

    /// What histograms got, in seconds.
    pub fn values(&self, name: &str) -> Vec<f64> {
        let histograms = self.named(name, None);
        histograms.flat_map(|histogram| histogram.values).collect()
    }

    /// The address and port of each origin that there are metrics of.
    pub fn servers(&self) -> BTreeSet<(String, String)> {
        let keys = self.read().into_keys();
        keys.map(|(_, labels)| {
            let [address, port] = ["server.address", "server.port"];
            (labels[address].clone(), labels[port].clone())
        })
        .collect()
    }

    /// Each metric: its name, its unit, its labels but for the server's, and whether it is described.
    pub fn all(&self) -> BTreeMap<String, (Option<metrics::Unit>, BTreeSet<String>, bool)> {
        let mut all = BTreeMap::new();
        for ((name, labels), value) in self.read() {
            let labels = labels.into_keys();
            let labels = labels
                .filter(|label| !label.starts_with("server."))
                .collect();
            all.insert(name, (value.unit, labels, value.is_described));
        }
        all
    }
}
