//! The lines of a head that say how long its connection is kept. It must not know which connections are kept.

use std::time::Duration;

/// The line besides `Keep-Alive`. It says that the field is for this connection alone (RFC 9110, section 7.6.1).
pub(super) const KEPT: &str = "connection: keep-alive\r\n";

/// Returns the last lines of a head that tells how long its connection is kept, in whole seconds.
pub(super) fn lines(idle: Duration) -> String {
    let seconds = idle.as_secs();
    format!("{KEPT}keep-alive: timeout={seconds}\r\n\r\n")
}
