//! A handle that knows nothing, of a connection that is understood; and the library's own error.

#[allow(dead_code, reason = "for callers")]
#[path = "../../../../../src/connection/client_error.rs"]
mod client_error;

pub use self::client_error::{ClientError, ClientErrorKind};
pub use self::handle::ConnectionHandle;

mod handle {
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
}
