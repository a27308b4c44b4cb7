//! What a failed request says of its cause.

use std::error::Error;
use std::io;

/// All errors in the chain of sources, those that `io::Error` carries included.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        chain.push(error);
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match carried {
            Some(carried) => Some(carried as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    chain
}

/// The first error of a type in the chain.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).into_iter().find_map(<dyn Error>::downcast_ref)
}

/// What all errors in the chain say.
pub fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
    chain(error).iter().map(ToString::to_string).collect()
}
