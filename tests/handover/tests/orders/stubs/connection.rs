//! A handle that knows nothing, of a connection that is understood.

#[derive(Clone, Debug)]
pub struct ConnectionHandle;

impl ConnectionHandle {
    pub fn follow(&self) -> Self {
        Self
    }

    pub fn is_followed(&self) -> bool {
        true
    }

    pub fn id(&self) -> u64 {
        0
    }
}
