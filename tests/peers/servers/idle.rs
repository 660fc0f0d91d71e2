//! POSTs at the moment when a server closes the connections that they would use. It must not know the server, nor how
//! long it keeps connections.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use super::seen::Lost;
use crate::program::{SOON, get};

/// The number of upstreams that are the same server. Each has connections of its own, and all are asked at once.
pub(super) const LANES: usize = 40;

/// Times between the close of one connection and the use of the others, which were used just after it. The server
/// closes those within some milliseconds too.
const PAUSES_MS: [u64; 5] = [0, 1, 2, 4, 8];

/// The number of POSTs that meet the close.
pub(super) const POSTS: usize = LANES * PAUSES_MS.len();

/// Returns true if the server closes after each answer, and the POSTs that were lost.
pub(super) fn posts_around_the_close(server: SocketAddr, gateway: SocketAddr) -> (bool, Lost) {
    let mut closes_each = false;
    let mut lost = Lost::new();
    for pause in PAUSES_MS {
        let mut kept = Kept::post(server);
        closes_each = kept.says_close;
        // Their connections are new, or as old as the round before, and are idle from now on.
        lost.extend(post_on_all_lanes(gateway));
        kept.wait_for_the_close();
        thread::park_timeout(Duration::from_millis(pause));
        lost.extend(post_on_all_lanes(gateway));
    }
    (closes_each, lost)
}

fn post_on_all_lanes(gateway: SocketAddr) -> Lost {
    let json = get(gateway, "/aggregate/policies").json();
    let results = json["results"]
        .as_array()
        .unwrap_or_else(|| panic!("{json}"));
    assert_eq!(results.len(), LANES, "{json}");
    let lost = results
        .iter()
        .filter(|result| result["ok"] != true || result["body"]["bytes"] != 1);
    lost.map(ToString::to_string).collect()
}

/// A connection of our own that tells when the server closes idle connections.
struct Kept {
    tcp: TcpStream,
    says_close: bool,
}

impl Kept {
    /// Opens a connection and makes one POST on it, which is answered.
    fn post(server: SocketAddr) -> Self {
        let mut tcp = TcpStream::connect(server).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        let request =
            format!("POST /take HTTP/1.1\r\nHost: {server}\r\nContent-Length: 1\r\n\r\nx");
        tcp.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut piece = [0; 1024];
        while !answer.ends_with(b"}") && !answer.ends_with(b"\r\n0\r\n\r\n") {
            let read = tcp.read(&mut piece).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..read]);
        }
        let says_close = String::from_utf8_lossy(&answer)
            .to_ascii_lowercase()
            .contains("\r\nconnection: close");
        Self { tcp, says_close }
    }

    fn wait_for_the_close(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        let open = self
            .tcp
            .read_to_end(&mut rest)
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(!open, "the server doesn't close within {SOON:?}");
    }
}
