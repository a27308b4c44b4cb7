//! What a server has executed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::gaps::Gap;

/// The requests that a server has executed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Log {
    executed: Arc<Mutex<Executed>>,
}

/// The connections on which each request came, once for each time that it was executed.
type Executed = BTreeMap<(Gap, Visit), Vec<SocketAddr>>;

/// Which of the two requests it is: 1 before the gap, 2 after it.
pub type Visit = u8;

impl Log {
    pub fn executed(&self, gap: Gap, visit: Visit, connection: SocketAddr) {
        let mut executed = self.executed.lock().unwrap();
        executed.entry((gap, visit)).or_default().push(connection);
    }

    /// How often the request was executed.
    pub fn times(&self, gap: Gap, visit: Visit) -> usize {
        self.connections(gap, visit).len()
    }

    /// Whether the second request was executed on the connection of the first.
    pub fn is_reused(&self, gap: Gap) -> bool {
        let first = self.connections(gap, 1);
        let second = self.connections(gap, 2);
        second.iter().any(|connection| first.contains(connection))
    }

    fn connections(&self, gap: Gap, visit: Visit) -> Vec<SocketAddr> {
        let executed = self.executed.lock().unwrap();
        executed.get(&(gap, visit)).cloned().unwrap_or_default()
    }
}
