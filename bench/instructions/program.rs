//! The programs that counting needs: valgrind, and the gateway as it is shipped. cargo builds the gateway without the
//! features that tests add to its libraries. It must not know what is counted.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// The way to build the gateway.
#[derive(Debug, Clone, Copy)]
pub enum Build {
    /// The build that is shipped.
    Release,
    /// A build with the same instructions, and with the names of functions.
    Profiling,
}

/// Builds the gateway and returns its path. A build that is up to date is not repeated.
pub fn build(build: Build) -> anyhow::Result<PathBuf> {
    let profile = match build {
        Build::Release => "release",
        Build::Profiling => "profiling",
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Build scripts would take cargo's variables for this bench as a change. Everything would be built again, and once
    // more without the bench.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let output = cargo
        .args(["build", "--locked", "--bin", "gather", "--profile", profile])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "the gateway could not be built");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .ok_or_else(|| anyhow::anyhow!("cargo does not say where the gateway is"))
}

/// Returns the version of valgrind, or an error that says how to get it.
pub fn valgrind() -> anyhow::Result<String> {
    let missing = "valgrind is missing, which counts the instructions: `apt-get install valgrind`";
    version(&["valgrind", "--version"]).ok_or_else(|| anyhow::anyhow!(missing))
}

/// Returns everything that a count depends on besides the code: compiler, C library, valgrind, processor.
pub fn circumstances() -> anyhow::Result<String> {
    let unknown = || "unknown".to_owned();
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(format!(
        "{}, {}, {}, {}",
        version(&["rustc", "--version"]).unwrap_or_else(unknown),
        version(&["getconf", "GNU_LIBC_VERSION"]).unwrap_or_else(unknown),
        valgrind()?,
        processor.map_or_else(unknown, |(_, name)| name.to_owned()),
    ))
}

/// Returns the first line that a command prints.
fn version(command: &[&str]) -> Option<String> {
    let output = Command::new(command[0]).args(&command[1..]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .next()
        .map(str::to_owned)
        .filter(|_| output.status.success())
}
