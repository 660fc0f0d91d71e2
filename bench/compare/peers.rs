//! The programs that are compared. It finds and builds them, and says how to get those that are missing. It must not
//! know how they are started or measured.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    nginx::{lua_modules, repository},
    options::Options,
};

/// A program that can be measured.
pub struct Program {
    /// The name on the command line.
    pub name: String,
    /// The name in the table.
    pub title: String,
    pub version: String,
    /// The size of the program's file in bytes. `None` if the file is an interpreter's.
    pub size: Option<u64>,
    pub how: How,
}

/// The way to start a program.
pub enum How {
    Gather(PathBuf),
    /// One of bench/peers' binaries.
    Compiled(PathBuf),
    /// nginx, with the folder of its modules.
    NginxLua(PathBuf),
    /// Fastify, with the folder in which it is installed.
    Fastify(PathBuf),
    /// FastAPI, with the Python that has the packages.
    FastApi(PathBuf),
}

/// Returns the wanted programs that are available. The others are reported, with the way to get them.
pub fn find(options: &Options) -> Vec<Program> {
    let mut found = Vec::new();
    let mut take = |name: &str, program: &dyn Fn() -> Result<Program, String>| {
        if options.wants_program(name) {
            match program() {
                Ok(program) => found.push(program),
                Err(error) => eprintln!("{name} is left out: {error}"),
            }
        }
    };
    take("gather", &|| Ok(gather("gather", &options.gather)));
    let compiled = if ["hyper", "actix"]
        .iter()
        .any(|name| options.wants_program(name))
    {
        compile()
    } else {
        Ok(PathBuf::new())
    };
    for (name, title, crates) in [
        ("hyper", "hyper", &["hyper", "hyper-util", "tokio"][..]),
        ("actix", "actix-web + awc", &["actix-web", "awc", "tokio"]),
    ] {
        take(name, &|| {
            let file = compiled.clone()?.join(format!("peer-{name}"));
            Ok(Program {
                name: name.to_owned(),
                title: title.to_owned(),
                version: locked(crates),
                size: size(&file),
                how: How::Compiled(file),
            })
        });
    }
    take("nginx-lua", &nginx_lua);
    take("fastify", &fastify);
    take("fastapi", &fastapi);
    for (number, file) in options.beside.iter().enumerate() {
        found.push(gather(&format!("beside-{}", number + 1), file));
    }
    found
}

/// Returns a program's first line about itself.
pub fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    // nginx writes it on standard error, and wrk ends with status 1.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().next()?.trim().to_owned())
}

fn gather(name: &str, file: &Path) -> Program {
    Program {
        name: name.to_owned(),
        title: if name == "gather" {
            "Gather".to_owned()
        } else {
            name.to_owned()
        },
        version: version(file, "--version").unwrap_or_default(),
        size: size(file),
        how: How::Gather(file.to_owned()),
    }
}

fn size(file: &Path) -> Option<u64> {
    Some(fs::metadata(file).ok()?.len())
}

/// Builds the two Rust programs, and returns their folder.
fn compile() -> Result<PathBuf, String> {
    let folder = repository("target/peers/rust");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(repository("bench/peers/Cargo.toml"))
        .arg("--target-dir")
        .arg(&folder);
    done(cargo)?;
    Ok(folder.join("release"))
}

/// Returns the versions that bench/peers/Cargo.lock has of these packages.
fn locked(packages: &[&str]) -> String {
    let lock = fs::read_to_string(repository("bench/peers/Cargo.lock")).unwrap_or_default();
    let version = |package: &&str| {
        let start = format!("name = \"{package}\"\nversion = \"");
        let (_, rest) = lock.split_once(&start)?;
        Some(format!("{package} {}", rest.split('"').next()?))
    };
    packages
        .iter()
        .filter_map(version)
        .collect::<Vec<_>>()
        .join(", ")
}

fn nginx_lua() -> Result<Program, String> {
    let missing = "it needs nginx with Lua: apt-get install --no-install-recommends nginx-light libnginx-mod-http-lua";
    let version = version(Path::new("nginx"), "-v").ok_or(missing)?;
    let modules = lua_modules().ok_or(missing)?;
    Ok(Program {
        name: "nginx-lua".to_owned(),
        title: "nginx + Lua".to_owned(),
        version: version.replace("nginx version: ", ""),
        size: None,
        how: How::NginxLua(modules.into()),
    })
}

fn fastify() -> Result<Program, String> {
    let missing = "it needs Node 20.18.1 or newer with npm: apt-get install nodejs npm";
    let node = version(Path::new("node"), "--version").ok_or(missing)?;
    let folder = repository("target/peers/fastify");
    let files = ["package.json", "package-lock.json", "server.js"];
    if copy(&repository("bench/peers/fastify"), &folder, &files)?
        || !folder.join("node_modules").is_dir()
    {
        version(Path::new("npm"), "--version").ok_or(missing)?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--omit=dev", "--no-audit", "--no-fund"])
            .current_dir(&folder);
        done(npm)?;
    }
    let text = fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    let package = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\": \""))?;
        Some(format!("{name} {}", rest.split('"').next()?))
    };
    let packages = ["fastify", "undici"].into_iter().filter_map(package);
    Ok(Program {
        name: "fastify".to_owned(),
        title: "Fastify + undici".to_owned(),
        version: packages
            .chain([format!("Node {node}")])
            .collect::<Vec<_>>()
            .join(", "),
        size: None,
        how: How::Fastify(folder),
    })
}

fn fastapi() -> Result<Program, String> {
    let folder = repository("target/peers/fastapi");
    let python = folder.join("bin/python");
    let changed = copy(
        &repository("bench/peers/fastapi"),
        &folder,
        &["requirements.txt", "server.py"],
    )?;
    if changed || !python.is_file() {
        let missing = "it needs Python 3.10 or newer with venv: apt-get install python3-venv";
        let pythons = ["/usr/bin/python3", "python3"];
        let make = |program: &&str| {
            let mut venv = Command::new(program);
            venv.args(["-m", "venv"]).arg(&folder);
            done(venv).is_ok()
        };
        pythons
            .iter()
            .find(|program| make(program))
            .ok_or(missing)?;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ]);
        done({
            pip.arg(folder.join("requirements.txt"));
            pip
        })?;
    }
    let text = fs::read_to_string(folder.join("requirements.txt")).unwrap_or_default();
    let package = |line: &str| {
        let (name, version) = line.split_once("==")?;
        ["fastapi", "aiohttp", "uvicorn", "uvloop"]
            .contains(&name)
            .then(|| format!("{name} {version}"))
    };
    let own = version(&python, "--version").unwrap_or_default();
    Ok(Program {
        name: "fastapi".to_owned(),
        title: "FastAPI + aiohttp".to_owned(),
        version: text
            .lines()
            .filter_map(package)
            .chain([own])
            .collect::<Vec<_>>()
            .join(", "),
        size: None,
        how: How::FastApi(python),
    })
}

/// Copies the files that have changed. Returns true if others than the program itself have changed. A change of the
/// program alone needs no new installation.
fn copy(from: &Path, to: &Path, files: &[&str]) -> Result<bool, String> {
    let copied = || -> io::Result<bool> {
        fs::create_dir_all(to)?;
        let mut changed = false;
        for file in files {
            let new = fs::read(from.join(file))?;
            if fs::read(to.join(file)).ok().as_ref() != Some(&new) {
                fs::write(to.join(file), &new)?;
                changed |= !file.starts_with("server.");
            }
        }
        Ok(changed)
    };
    copied().map_err(|error| format!("{}: {error}", from.display()))
}

/// Runs a command to its end. Its output goes to standard error.
fn done(mut command: Command) -> Result<(), String> {
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
