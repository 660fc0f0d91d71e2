//! Clients that ask again and again until they are dropped. It must not know what the answers mean.

use std::{
    net::SocketAddr,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::program::try_get;

/// Clients at work. Dropping it ends them.
#[derive(Default)]
pub(crate) struct Load {
    going: Vec<Sender<()>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Adds this many clients. Each sends a request, takes any answer, and pauses.
    pub(crate) fn add(
        &mut self,
        clients: usize,
        address: SocketAddr,
        target: &'static str,
        pause: Duration,
    ) {
        for _ in 0..clients {
            let (going, told) = mpsc::channel();
            self.going.push(going);
            self.clients.push(thread::spawn(move || {
                while told.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    // In some tests the gateway refuses, or is gone.
                    let _ = try_get(address, target, &[]);
                }
            }));
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.going.clear();
        for client in self.clients.drain(..) {
            // A panic's message is already on stderr.
            let _ = client.join();
        }
    }
}
