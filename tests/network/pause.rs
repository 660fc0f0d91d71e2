//! A process that was stopped and goes on. All its timers are over before it has seen the bytes that came meanwhile.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::{
    program::{SOON, eventually, get},
    service::{PONG, start},
};

/// Makes a listener with a full queue, and the connections that fill it.
fn full() -> (TcpListener, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    socket.listen(1).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let queued: Vec<_> = std::iter::from_fn(connect).take(64).collect();
    assert!(queued.len() < 64, "a queue of one takes any number");
    (listener, queued)
}

/// Returns true if a connection to this port waits for its first answer, as the kernel shows it.
fn waits(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(2).is_some_and(|field| field.ends_with(&remote)) && fields[3] == SYN_SENT
    })
}

const SYN_SENT: &str = "02";

#[test]
fn a_connection_that_was_made_during_a_pause_is_no_failure() {
    let (listener, queued) = full();
    let port = listener.local_addr().unwrap().port();
    let configuration = format!(
        "[upstreams.one]\nurl = \"http://127.0.0.1:{port}/\"\nconnect_timeout = \"600ms\"\ntimeout = \"20s\"\n\
         [aggregates.default]\ncalls = [\"one\"]\ndeadline = \"30s\"\n"
    );
    let started = start(&configuration, |command| command);
    let address = started.address;
    let asking = thread::spawn(move || get(address, "/aggregate").json());
    eventually("a connection that waits", || waits(port).then_some(()));
    started.gateway.signal("STOP");
    // There is room now. The kernel tries again by itself, after the gateway's own time for it.
    let others: Vec<_> = queued.iter().map(|one| one.local_addr().unwrap()).collect();
    drop(queued);
    listener.set_nonblocking(true).unwrap();
    let mut connection = eventually("the gateway's connection", || {
        let (connection, peer) = listener.accept().ok()?;
        (!others.contains(&peer)).then_some(connection)
    });
    started.gateway.signal("CONT");
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    assert!(connection.read(&mut [0; 1024]).unwrap() > 0);
    connection.write_all(PONG.as_bytes()).unwrap();
    let json = asking.join().unwrap();
    assert_eq!(json["results"][0]["ok"], true, "{json}");
}
