//! Cases that run together in one test: each of them mostly waits.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt;
use futures_util::future::join_all;

/// Makes a test of cases.
macro_rules! together {
    ($name:ident: $($(#[$condition:meta])* $case:ident),+ $(,)?) => {
        #[tokio::test]
        async fn $name() {
            let mut cases = crate::together::Cases::default();
            $(
                $(#[$condition])*
                cases.add(stringify!($case), $case());
            )+
            cases.run().await;
        }
    };
}
pub(crate) use together;

type Case = Pin<Box<dyn Future<Output = ()>>>;

/// What is run.
#[derive(Default)]
pub struct Cases {
    cases: Vec<(&'static str, Case)>,
}

impl Cases {
    pub fn add(&mut self, name: &'static str, case: impl Future<Output = ()> + 'static) {
        self.cases.push((name, Box::pin(case)));
    }

    /// Runs them all to their ends, and names those that failed.
    pub async fn run(self) {
        let results = join_all(self.cases.into_iter().map(|(name, case)| async move {
            let result = AssertUnwindSafe(case).catch_unwind().await;
            println!("{name}: {}", if result.is_ok() { "ok" } else { "FAILED" });
            result.err().map(|_| name)
        }));
        let failed: Vec<_> = results.await.into_iter().flatten().collect();
        assert!(failed.is_empty(), "failed: {failed:#?}");
    }
}
