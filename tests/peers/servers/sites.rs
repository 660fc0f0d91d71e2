//! Servers that have only files and scripts, and no application, and that must be told their port. It must not know
//! what they are asked.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::program::{APPS, Started, answers, version};
use crate::{
    needed,
    program::{Running, eventually, free_address, repository, which},
};

/// The number of attempts at a port that another process takes before the server does.
const ATTEMPTS: usize = 5;

/// The names under which Apache and lighttpd run `cgi.sh`, one file each.
const SCRIPTS: [&str; 7] = [
    "nothing",
    "take",
    "moody",
    "stream",
    "broken",
    "broken_length",
    "broken_json",
];

/// Debian's folder for the modules that `apache2` loads.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

pub(super) fn apache(files: &Path) -> Started {
    let found = which("apache2").filter(|_| Path::new(APACHE_MODULES).is_dir());
    let program = needed("Apache (Debian: apache2-bin)", found)?;
    let version = version(&program, "-v");
    let version = version
        .trim_start_matches("Server version: ")
        .replace('/', " ");
    let root = site(files);
    let place = files.display();
    let scripts = SCRIPTS.join("|");
    let (running, address) = at_a_free_port(|address| {
        // This file is left over from a failed attempt at another port.
        let _ = fs::remove_file(files.join("pid"));
        let text = format!(
            "ServerName localhost
             Listen {address}
             ServerRoot {place}
             DefaultRuntimeDir {place}
             PidFile {place}/pid
             ErrorLog {place}/error.log
             DocumentRoot {root}
             # What a server started by root becomes.
             User www-data
             Group www-data
             LoadModule mpm_event_module {APACHE_MODULES}/mod_mpm_event.so
             LoadModule authz_core_module {APACHE_MODULES}/mod_authz_core.so
             LoadModule mime_module {APACHE_MODULES}/mod_mime.so
             LoadModule cgid_module {APACHE_MODULES}/mod_cgid.so
             TypesConfig /dev/null
             KeepAliveTimeout 2
             ServerLimit 1
             StartServers 1
             # With fewer than it is asked at a time, it closes kept connections before their time.
             ThreadsPerChild 64
             MaxRequestWorkers 64
             <Location /json>
                 ForceType application/json
             </Location>
             <Location /text>
                 ForceType text/plain
             </Location>
             <LocationMatch \"^/({scripts})$\">
                 SetHandler cgi-script
                 Options +ExecCGI
             </LocationMatch>
            ",
            root = root.display()
        );
        let file = files.join("apache.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(&program);
        command.args(["-D", "FOREGROUND", "-f"]).arg(file);
        command
    });
    Some((version, running, address))
}

pub(super) fn lighttpd(files: &Path) -> Started {
    let program = needed("lighttpd", which("lighttpd"))?;
    let version = version(&program, "-v");
    let version = version
        .split(" (")
        .next()
        .unwrap_or_default()
        .replace('/', " ");
    let root = site(files);
    let scripts = SCRIPTS.join("|");
    let (running, address) = at_a_free_port(|address| {
        let text = format!(
            r#"
server.modules = ("mod_cgi")
server.bind = "{ip}"
server.port = {port}
server.document-root = "{root}"
server.max-keep-alive-idle = 2
# Without it a script's answer is sent when the script has ended.
server.stream-response-body = 1
mimetype.assign = ("json" => "application/json", "text" => "text/plain")
$HTTP["url"] =~ "^/({scripts})$" {{ cgi.assign = ("" => "") }}
"#,
            ip = address.ip(),
            port = address.port(),
            root = root.display()
        );
        let file = files.join("lighttpd.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(&program);
        command.arg("-D").arg("-f").arg(file);
        command
    });
    Some((version, running, address))
}

/// Makes files and scripts for a server without an application. Another user may have to read them.
fn site(files: &Path) -> PathBuf {
    let root = files.join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("json"), r#"{"user": 1, "name": "Ada"}"#).unwrap();
    fs::write(root.join("text"), "pong").unwrap();
    let script = repository(APPS).join("cgi.sh");
    for name in SCRIPTS {
        fs::copy(&script, root.join(name)).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(files, fs::Permissions::from_mode(0o755)).unwrap();
    root
}

/// Starts a program that can't be asked which port it got. If another process was faster, the program ends and gets
/// another port.
fn at_a_free_port(command: impl Fn(SocketAddr) -> Command) -> (Running, SocketAddr) {
    let mut refused = String::new();
    for _ in 0..ATTEMPTS {
        let address = free_address();
        let mut running = Running::start_group(&command(address));
        let listens = eventually("the server", || {
            let ended = !running.is_running();
            // The answer decides, as the other process may be the one that listens.
            let listens = answers(address);
            (ended || listens).then_some(!ended)
        });
        if listens {
            return (running, address);
        }
        refused = running.lines().join("\n");
    }
    panic!("the server listens on no port: {refused}");
}
