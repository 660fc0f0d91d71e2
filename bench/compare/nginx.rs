//! nginx as a child of a bench: its command, its configuration from a template, and a port for it. It must not know
//! what it serves.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

/// Returns a file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Makes a command for nginx with this configuration and nothing of the system's.
pub fn nginx(place: &str, file: PathBuf) -> Command {
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p", place, "-c"]).arg(file);
    command
}

/// Returns a template of this repository with its `{name}`s replaced.
pub fn filled(template: &str, values: &[(&str, &str)]) -> io::Result<String> {
    let mut text = fs::read_to_string(repository(template))?;
    for (name, value) in values {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    Ok(text)
}

/// Returns an address that was free a moment ago, for programs that can't tell which port they took.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Returns the folder of nginx's modules, if Lua is among them.
pub fn lua_modules() -> Option<&'static str> {
    let modules = [
        "/usr/lib/nginx/modules",
        "/usr/share/nginx/modules",
        "/usr/lib64/nginx/modules",
    ];
    let is_there = |folder: &&str| Path::new(folder).join("ngx_http_lua_module.so").is_file();
    modules.into_iter().find(is_there)
}
