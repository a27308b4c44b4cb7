//! The layer, which does nothing.

use tower_layer::Layer;

#[derive(Debug)]
pub struct KeepAliveLayer;

#[derive(Clone, Debug)]
pub struct KeepAliveService<S>(pub S);

impl<S> Layer<S> for KeepAliveLayer {
    type Service = KeepAliveService<S>;

    fn layer(&self, inner: S) -> KeepAliveService<S> {
        KeepAliveService(inner)
    }
}
