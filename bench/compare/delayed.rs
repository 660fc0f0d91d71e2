//! An upstream that takes its time. It is a process of its own, for which the bench starts itself again. Each answer
//! has the time for which it was held. It must not know who asks.
//!
//! `GET /held` answers `{"held_us":…}` after the delay, and `GET /delay/MILLISECONDS` sets the delay. `GET /most`
//! returns the most requests that were held at the same time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    runtime,
    time::sleep,
};

/// The number of connections that may wait to be accepted. The kernel may have a lower bound.
const BACKLOG: u32 = 4096;

#[derive(Default)]
struct State {
    /// The delay in milliseconds.
    delay: AtomicU64,
    held: AtomicU64,
    most: AtomicU64,
}

/// Prints the address and serves until the process is killed.
pub fn serve() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        println!("{}", listener.local_addr()?);
        let state = Arc::new(State::default());
        loop {
            let (tcp, _) = listener.accept().await?;
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                // The client may leave at any time.
                let _ = converse(tcp, &state).await;
            });
        }
    })
}

async fn converse(mut tcp: TcpStream, state: &State) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut head = Vec::with_capacity(512);
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if tcp.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let began = Instant::now();
        let text = String::from_utf8_lossy(&head);
        let path = text.split(' ').nth(1).unwrap_or_default();
        let body = if let Some(delay) = path.strip_prefix("/delay/") {
            state
                .delay
                .store(delay.parse().unwrap_or_default(), Relaxed);
            state.most.store(0, Relaxed);
            "{}".to_owned()
        } else if path == "/most" {
            state.most.load(Relaxed).to_string()
        } else {
            let held = state.held.fetch_add(1, Relaxed) + 1;
            state.most.fetch_max(held, Relaxed);
            let delay = state.delay.load(Relaxed);
            if delay > 0 {
                sleep(Duration::from_millis(delay)).await;
            }
            state.held.fetch_sub(1, Relaxed);
            format!("{{\"held_us\":{}}}", began.elapsed().as_micros())
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        tcp.write_all(answer.as_bytes()).await?;
    }
}
