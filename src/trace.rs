//! Log events, where the feature `tracing` is on; nothing otherwise.

#[cfg(feature = "tracing")]
pub(crate) use tracing::warn;

#[cfg(not(feature = "tracing"))]
macro_rules! discard {
    // Expanded in dead code, so that what an event names counts as used either way.
    (target: $target:literal, $($name:ident = ?$value:expr,)* $message:literal) => {
        if false {
            let _ = ($(&$value,)* $message);
        }
    };
}

#[cfg(not(feature = "tracing"))]
pub(crate) use discard as warn;
