#!/usr/bin/env bash
# An answer that came in time becomes a timeout, if the process was paused until its time was over.
#
# One would guess: a timeout of 2 s never fires if the answer is in the socket after 0.6 s. A process may be paused
# (SIGSTOP, `docker pause`, a frozen virtual machine). It finds the answer when it goes on, because its event loop looks
# at the sockets before or together with the timers.
#
# What happens: tokio, asyncio and Node report a timeout. The pause ends epoll_wait with EINTR. All three loops take
# that for "nothing is ready" and then run their timers, which are overdue. The bytes are still in the socket: tokio's
# next read has all of them. A client that blocks in recv with a timeout (httpx without async) has its answer.
#
# Why a gateway cares: after a pause every call in flight fails, of all upstreams at once. A circuit breaker that counts
# timeouts opens for healthy services. A timer that fires long after its time has to look at its socket once more.
#
# Versions: tokio 1.54.1, undici 7.30.2 on Node 20.20.2, asyncio of CPython 3.11.7, httpx 0.28.1; Linux with epoll.
# Needs python3 with venv, node 20.18.1 or newer with npm, and cargo. Seen on 2026-11-28:
#
#   tokio    timeout, and the next read has 40 bytes
#   undici   timeout
#   asyncio  timeout
#   httpx    an answer of 2 bytes
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/python -m pip install --quiet --disable-pip-version-check httpx==0.28.1
npm install --silent --no-audit --no-fund --no-save undici@7.30.2 >/dev/null

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "paused"
version = "0.0.0"
edition = "2021"

[dependencies]
tokio = { version = "=1.54.1", features = ["rt", "net", "time", "io-util", "macros"] }
TOML
cat >src/main.rs <<'RUST'
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    println!("sent");
    let mut answer = [0; 512];
    match timeout(Duration::from_secs(2), tcp.read(&mut answer)).await {
        Ok(_) => println!("an answer"),
        Err(_) => {
            let size = tcp.read(&mut answer).await.unwrap();
            println!("timeout, and the next read has {size} bytes");
        }
    }
}
RUST
cargo build --quiet

cat >client.mjs <<'JAVASCRIPT'
import { fetch } from "undici";
console.log("sent");
try {
  const answer = await fetch(`http://127.0.0.1:${process.argv[2]}/`, { signal: AbortSignal.timeout(2000) });
  console.log(`an answer of ${(await answer.text()).length} bytes`);
} catch (error) {
  console.log(error.name === "TimeoutError" ? "timeout" : String(error));
}
process.exit(0);
JAVASCRIPT

cat >with_asyncio.py <<'PYTHON'
import asyncio
import sys


async def ask():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    print("sent", flush=True)
    return await reader.readuntil(b"ok")


async def main():
    try:
        print("an answer of", len(await asyncio.wait_for(ask(), 2)), "bytes")
    except TimeoutError:
        print("timeout")


asyncio.run(main())
PYTHON

cat >with_httpx.py <<'PYTHON'
import sys

import httpx

print("sent", flush=True)
try:
    answer = httpx.get(f"http://127.0.0.1:{sys.argv[1]}/", timeout=2)
    print("an answer of", len(answer.content), "bytes")
except httpx.TimeoutException:
    print("timeout")
PYTHON

# Answers 0.6 s after a request; pauses each client from 0.3 s to 3.3 s after it has sent one.
cat >pause.py <<'PYTHON'
import signal
import socket
import subprocess
import sys
import threading
import time

listener = socket.create_server(("127.0.0.1", 0))
port = str(listener.getsockname()[1])
kept = []


def answer(connection):
    connection.recv(4096)
    time.sleep(0.6)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    kept.append(connection)


def serve():
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=serve, daemon=True).start()
for name, command in [
    ("tokio", ["target/debug/paused"]),
    ("undici", ["node", "client.mjs"]),
    ("asyncio", [sys.executable, "with_asyncio.py"]),
    ("httpx", [sys.executable, "with_httpx.py"]),
]:
    client = subprocess.Popen([*command, port], stdout=subprocess.PIPE, text=True)
    client.stdout.readline()
    time.sleep(0.3)
    client.send_signal(signal.SIGSTOP)
    time.sleep(3)
    client.send_signal(signal.SIGCONT)
    print(f"{name:8}", client.stdout.read().strip())
    client.wait()
PYTHON
python/bin/python pause.py | tee seen
cat >expected <<'TEXT'
tokio    timeout, and the next read has 40 bytes
undici   timeout
asyncio  timeout
httpx    an answer of 2 bytes
TEXT
diff expected seen && echo "as it was on 2026-11-28"
