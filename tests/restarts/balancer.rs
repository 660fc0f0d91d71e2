//! A small load balancer. It asks `/readyz` of each of its places in short intervals, and sends requests to the ready
//! ones in turn, on pooled connections. It never tries a request twice. It knows nothing of processes and restarts.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::{Connection, Failure};

/// The time between two questions about readiness.
const INTERVAL: Duration = Duration::from_millis(25);

/// A fixed number of places. Each may have a gateway.
pub(crate) struct Balancer {
    places: Vec<Mutex<Place>>,
    turn: AtomicUsize,
}

#[derive(Default)]
struct Place {
    address: Option<SocketAddr>,
    ready: bool,
    idle: Vec<Connection>,
}

impl Balancer {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places: (0..places).map(|_| Mutex::default()).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Sets the gateway of this place, at `address`. It gets no requests before it was seen ready.
    pub(crate) fn put(&self, place: usize, address: SocketAddr) {
        *self.places[place].lock().unwrap() = Place {
            address: Some(address),
            ..Place::default()
        };
    }

    /// Returns true if the gateway of this place was ready when it was last asked.
    pub(crate) fn is_ready(&self, place: usize) -> bool {
        self.places[place].lock().unwrap().ready
    }

    /// Watches one place for ever.
    pub(crate) async fn watch(&self, place: usize) {
        loop {
            let address = self.places[place].lock().unwrap().address;
            if let Some(address) = address {
                let ready = is_ready(address).await;
                let mut place = self.places[place].lock().unwrap();
                if place.address == Some(address) {
                    place.ready = ready;
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Sends one request to the next ready gateway.
    ///
    /// # Errors
    /// The failure, with the gateway's address. There must be a ready gateway.
    pub(crate) async fn send(&self) -> Result<(), (SocketAddr, Failure)> {
        let (place, address, kept) = self.choose();
        let sent = async {
            let connection = match kept {
                Some(kept) => kept,
                None => Connection::open(address).await?,
            };
            connection.aggregate().await
        };
        let kept = sent.await.map_err(|failure| (address, failure))?;
        let mut place = self.places[place].lock().unwrap();
        if place.address == Some(address) {
            place.idle.extend(kept);
        }
        Ok(())
    }

    fn choose(&self) -> (usize, SocketAddr, Option<Connection>) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for place in (turn..turn + self.places.len()).map(|at| at % self.places.len()) {
            let mut chosen = self.places[place].lock().unwrap();
            if let (Some(address), true) = (chosen.address, chosen.ready) {
                let kept = std::iter::from_fn(|| chosen.idle.pop()).find(Connection::is_open);
                return (place, address, kept);
            }
        }
        panic!("no gateway is ready");
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let mut tcp = TcpStream::connect(address).await?;
        tcp.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask.await.unwrap_or(false)
}
