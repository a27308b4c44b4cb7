//! A response body that is the same piece over and over.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body of so many pieces, each a frame of its own.
#[derive(Clone, Debug)]
pub struct Repeated {
    pub piece: Bytes,
    pub pieces: u64,
    /// Whether it says how long it is: then it is sent with a `Content-Length`, else chunked.
    pub is_sized: bool,
}

impl Body for Repeated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.pieces.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.pieces = left;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_sized {
            SizeHint::with_exact(self.pieces * self.piece.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
