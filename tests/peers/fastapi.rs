//! The classic in its own language: FastAPI services that block for two seconds, served by uvicorn.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    compared, needed,
    program::{Running, get, repository, which},
};

fn python() -> Option<PathBuf> {
    python_with("a Python with fastapi and uvicorn", "fastapi, uvicorn")
}

/// Returns a Python that has these modules: the one that `GATHER_TEST_PYTHON` names, or else the system's.
pub(crate) fn python_with(what: &str, modules: &str) -> Option<PathBuf> {
    let named = std::env::var_os("GATHER_TEST_PYTHON").map(PathBuf::from);
    let python = named.or_else(|| which("python3"));
    let has_all = |python: &PathBuf| {
        Command::new(python)
            .args(["-c", &format!("import {modules}")])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    needed(what, python.filter(has_all))
}

fn services(python: &Path) -> (Running, SocketAddr) {
    let mut command = Command::new(python);
    command
        .args(["-m", "uvicorn", "--app-dir"])
        .arg(repository("tests/peers"))
        .args([
            "pings:app",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-access-log",
        ])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null());
    let uvicorn = Running::start(command);
    let address = uvicorn.line(|line| {
        let rest = line.split_once("running on http://")?.1;
        rest.split(' ').next()?.parse().ok()
    });
    (uvicorn, address)
}

#[test]
fn three_services_that_block_take_6_s_in_a_row_and_2_s_together() {
    let Some(python) = python() else { return };
    let (_services, address) = services(&python);
    let url = |number| format!("http://{address}/ping_{number}");
    let (_gateway, address) = Running::serve(&compared(&[
        ("ping_1", url(1)),
        ("ping_2", url(2)),
        ("ping_3", url(3)),
    ]));
    let answer = get(address, "/aggregate?mode=compare");
    let json = answer.json();
    for mode in ["sequential", "concurrent"] {
        assert_eq!(json[mode]["outcome"], "complete", "{json}");
        for call in 0..3 {
            assert_eq!(json[mode]["results"][call]["body"], "pong", "{json}");
        }
    }
    let elapsed = |mode: &str| json[mode]["elapsed_ms"].as_f64().unwrap();
    assert!(elapsed("sequential") >= 5900.0, "{json}");
    assert!(elapsed("concurrent") >= 1950.0, "{json}");
    assert!(elapsed("concurrent") < 3500.0, "{json}");
    assert!(json["speedup"].as_f64().unwrap() > 2.0, "{json}");
}
