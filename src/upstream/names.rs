//! Looks an upstream's name up, at most once at a time: a lookup occupies a thread that no timeout gets back, and a name
//! service that hangs must not take all of them from the other upstreams.

use std::{cell::RefCell, future::Future, net::SocketAddr, rc::Rc};

use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};

type Lookup = Shared<LocalBoxFuture<'static, Rc<[SocketAddr]>>>;

/// One name, and the lookup of it that is under way.
#[derive(Default)]
pub(super) struct Names(RefCell<Option<Lookup>>);

impl Names {
    /// The addresses; none where the name has none. Joins a lookup that is under way, else begins one with `look_up`.
    pub(super) async fn find<F>(&self, look_up: impl FnOnce() -> F) -> Rc<[SocketAddr]>
    where
        F: Future<Output = Rc<[SocketAddr]>> + 'static,
    {
        let lookup = {
            let mut current = self.0.borrow_mut();
            // One that has ended is of the past, whoever still waits for it.
            let under_way = current
                .take()
                .filter(|lookup| lookup.clone().now_or_never().is_none());
            let lookup = under_way.unwrap_or_else(|| look_up().boxed_local().shared());
            *current = Some(lookup.clone());
            lookup
        };
        lookup.await
    }
}

/// Asks the system.
pub(super) async fn from_system(host: String, port: u16) -> Rc<[SocketAddr]> {
    match tokio::net::lookup_host((host.as_str(), port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            tracing::debug!(host, %error, "an upstream's name was not resolved");
            Rc::from([])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_hangs_is_joined_and_not_begun_again() {
        let begun = Rc::new(Cell::new(0));
        let names = Names::default();
        let look_up = || {
            begun.set(begun.get() + 1);
            async {
                sleep(Duration::from_secs(15)).await;
                Rc::from([SocketAddr::from(([127, 0, 0, 1], 80))])
            }
        };
        for _ in 0..10 {
            let late = timeout(Duration::from_secs(1), names.find(look_up)).await;
            assert!(late.is_err());
        }
        assert_eq!(names.find(look_up).await.len(), 1);
        assert_eq!(begun.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_has_ended_is_not_taken_for_a_new_one() {
        let names = Names::default();
        let answer =
            |port| move || async move { Rc::from([SocketAddr::from(([127, 0, 0, 1], port))]) };
        assert_eq!(names.find(answer(1)).await[0].port(), 1);
        assert_eq!(names.find(answer(2)).await[0].port(), 2);
    }
}
