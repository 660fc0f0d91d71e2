//! An upstream with a capacity: a number of slots, each taken for a fixed time, and an endless queue before them. As
//! most servers, it finishes every request that it has begun to read, even if its client has left. It must not know
//! Gather.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Builder,
    sync::Semaphore,
};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 6\r\n\r\n\"pong\"";

/// An upstream that runs on a thread of its own until the process ends.
pub struct Upstream {
    address: SocketAddr,
    slots: Arc<Semaphore>,
    all: usize,
}

impl Upstream {
    pub fn start(slots: usize, service: Duration) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            socket.listen(4096).unwrap()
        };
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            slots: Arc::new(Semaphore::new(slots)),
            all: slots,
        };
        let shared = Arc::clone(&upstream.slots);
        thread::spawn(move || runtime.block_on(serve(listener, shared, service)));
        upstream
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until all requests in the queue are done.
    pub async fn until_idle(&self) {
        let all = u32::try_from(self.all).unwrap();
        // The queue is fair, so this comes after all requests in it.
        let _all = self.slots.acquire_many(all).await.unwrap();
    }
}

async fn serve(listener: TcpListener, slots: Arc<Semaphore>, service: Duration) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio::spawn(converse(tcp, Arc::clone(&slots), service));
    }
}

/// Answers requests one after another on one connection. An error means that the client has left.
async fn converse(mut tcp: TcpStream, slots: Arc<Semaphore>, service: Duration) {
    tcp.set_nodelay(true).unwrap();
    let mut request = Vec::new();
    loop {
        request.clear();
        while !request.ends_with(b"\r\n\r\n") {
            match tcp.read_buf(&mut request).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
        let slot = slots.acquire().await.unwrap();
        tokio::time::sleep(service).await;
        drop(slot);
        if tcp.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}
