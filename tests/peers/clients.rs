//! Clients that are generated from the OpenAPI document, as users make them. They are the commands and programs of
//! `docs/clients.md`, word for word, and those of `tests/clients`, which cover every possible answer. Each is compiled,
//! or checked by mypy, by the strictest rules, and makes its calls to a real gateway.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    fastapi::python_with,
    markdown, needed,
    program::{Running, repository, which},
    upstream::{Behaviour, Response, Upstream},
};

/// The longest wait. It is enough for compilers on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(180);

/// The address of the gateway in documents and programs.
const WRITTEN: &str = "http://127.0.0.1:8080";

/// Starts the services of the page, and one whose JSON has characters that some programs take for a line's end.
fn upstream() -> Upstream {
    Upstream::start(|request| match request.path().split('?').next() {
        Some("/users") => {
            let asked = request.query().unwrap_or_default();
            Response::json(format!(r#"{{"id": 1, "asked": "{asked}"}}"#)).into()
        }
        // This answers later than the users, so that the order of arrival is known.
        Some("/orders") => {
            Behaviour::from(Response::text("none yet")).after(Duration::from_millis(300))
        }
        Some("/odd") => Response::json("\"a\u{2028}b\"").into(),
        _ => Response::new(503).into(),
    })
}

/// Returns the blocks of the page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let blocks = markdown::blocks(page).into_iter();
    let found: Vec<_> = blocks
        .filter(|block| block.language == language)
        .map(|block| block.text)
        .collect();
    assert!(!found.is_empty(), "no block of {language}");
    found
}

/// A folder with a configuration and programs, and the gateway and the upstream that they are for.
struct Workplace {
    files: tempfile::TempDir,
    page: String,
    section: String,
    gateway: String,
    _running: (Running, Upstream),
}

impl Workplace {
    /// Makes a workplace for the section of the page with this heading.
    fn new(heading: &str) -> Self {
        let page = fs::read_to_string(repository("docs/clients.md")).unwrap();
        let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap().to_owned();
        let upstream = upstream();
        let mut configuration = blocks(&page, "toml").concat();
        for name in ["users", "orders", "stock"] {
            let written = format!("http://{name}:8080/");
            assert!(configuration.contains(&written), "{configuration}");
            configuration = configuration.replace(&written, &upstream.url(&format!("/{name}")));
        }
        writeln!(
            configuration,
            "\n[upstreams.odd]\nurl = \"{}\"\n\n[aggregates.both]\ncalls = [\"users\", \"odd\"]\ncompare = true",
            upstream.url("/odd")
        )
        .unwrap();
        let (running, address) = Running::serve(&configuration);
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("gather.toml"), configuration).unwrap();
        Self {
            files,
            page,
            section,
            gateway: format!("http://{address}"),
            _running: (running, upstream),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Writes a program that asks this gateway.
    fn program(&self, name: &str, text: &str) {
        assert!(text.contains(WRITTEN), "{name} asks nobody");
        fs::write(self.path(name), text.replace(WRITTEN, &self.gateway)).unwrap();
    }

    /// Writes the section's programs: each has its name in its first line, as a comment.
    fn programs(&self, language: &str, comment: &str) {
        for block in blocks(&self.section, language) {
            let name = block.lines().next().unwrap().strip_prefix(comment);
            self.program(name.unwrap(), &block);
        }
    }

    /// A file of `tests/clients`.
    fn own_program(&self, name: &str) {
        let text = fs::read_to_string(repository("tests/clients").join(name)).unwrap();
        self.program(name, &text);
    }

    /// Makes a command of this name that does something else.
    fn command(&self, name: &str, line: &str) {
        let folder = self.path("bin");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\nexec {line} \"$@\"\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the commands of the page and of its section, except those that install something, and then `more`. Their
    /// output must contain the page's output, in order.
    fn run(&self, more: &str) {
        let (before, _) = self.page.split_once("\n## ").unwrap();
        let lines = [blocks(before, "sh"), blocks(&self.section, "sh")].concat();
        let script: String = lines
            .iter()
            .flat_map(|block| block.lines())
            .filter(|line| !line.contains(" install "))
            .chain(more.lines())
            .flat_map(|line| [line, "\n"])
            .collect();
        self.command("gather", env!("CARGO_BIN_EXE_gather"));
        let own = self.path("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path: OsString =
            std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-e", "-x", "-c", &script])
            .current_dir(self.files.path())
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .env("npm_config_offline", "true")
            .env("npm_config_update_notifier", "false")
            .stdin(Stdio::null());
        let output = assert_cmd::Command::from_std(command)
            .timeout(PATIENCE)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (written, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{written}\n{errors}");
        // A generator warns of the parts that it leaves out.
        assert!(!errors.contains("arning"), "{errors}");
        let mut rest = &*written;
        for said in blocks(&self.section, "text") {
            let at = rest.find(&said);
            let at = at.unwrap_or_else(|| panic!("no\n{said}in\n{written}"));
            rest = &rest[at + said.len()..];
        }
        assert!(rest.ends_with("all as the types say\n"), "{written}");
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let packages = repository("tests/clients/node_modules");
    needed(
        &format!("{name} (npm ci --prefix tests/clients)"),
        packages.join(name).exists().then_some(packages),
    )
}

#[test]
fn a_client_by_openapi_typescript_compiles_strictly_and_makes_its_calls() {
    let Some(_) = needed("Node.js (`node`)", which("node")) else {
        return;
    };
    let Some(packages) = installed("openapi-typescript") else {
        return;
    };
    let place = Workplace::new("TypeScript");
    symlink(packages, place.path("node_modules")).unwrap();
    fs::write(place.path("package.json"), r#"{"type": "module"}"#).unwrap();
    place.programs("ts", "// ");
    place.own_program("calls.ts");
    place.run(
        "npx tsc --strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --target es2022 --module nodenext calls.ts
         node calls.js",
    );
}

#[test]
fn a_client_by_openapi_python_client_passes_mypy_strictly_and_makes_its_calls() {
    let Some(python) = python_with(
        "a Python with openapi-python-client and mypy (pip install -r tests/clients/requirements.txt)",
        "openapi_python_client, mypy, httpx, attrs",
    ) else {
        return;
    };
    let place = Workplace::new("Python");
    let python = shell_word(&python);
    place.command("python", &python);
    place.command("mypy", &format!("{python} -m mypy"));
    place.command(
        "openapi-python-client",
        &format!("{python} -m openapi_python_client"),
    );
    place.programs("python", "# ");
    place.own_program("calls.py");
    place.run("mypy --strict gather_client calls.py\npython calls.py");
}

/// Returns a path as a shell takes it.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display())
}
