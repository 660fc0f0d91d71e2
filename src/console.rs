//! The files of the console, a page that runs aggregates and draws them. They are part of the program. The facts that the
//! page needs of the configuration are one more file, written once at start; no upstream's address is in it. It must not
//! know how a file is served, nor how an aggregate is run: the page asks for it as any client does.

use bytes::Bytes;
use serde::Serialize;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// A file of the folder by its name.
macro_rules! file {
    ($name:literal, $media_type:expr) => {
        (
            concat!("/console/", $name),
            $media_type,
            include_bytes!(concat!("console/", $name)),
        )
    };
}

/// The page's path. Without a slash at its end: what it names is relative to it, so that a prefix before it does no harm.
const PAGE: &str = "/console";

/// The files of the page: path, media type, bytes.
const FILES: &[(&str, &str, &[u8])] = &[
    (PAGE, HTML, include_bytes!("console/index.html")),
    file!("console.css", STYLE),
    file!("icon.svg", PICTURE),
    file!("answer.js", SCRIPT),
    file!("app.js", SCRIPT),
    file!("choice.js", SCRIPT),
    file!("curl.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("exchange.js", SCRIPT),
    file!("exposition.js", SCRIPT),
    file!("forbidden.js", SCRIPT),
    file!("forwarded.js", SCRIPT),
    file!("form.js", SCRIPT),
    file!("history.js", SCRIPT),
    file!("json.js", SCRIPT),
    file!("lines.js", SCRIPT),
    file!("live.js", SCRIPT),
    file!("records.js", SCRIPT),
    file!("run.js", SCRIPT),
    file!("scale.js", SCRIPT),
    file!("series.js", SCRIPT),
    file!("waterfall.js", SCRIPT),
];

/// The page's knowledge of the gateway.
#[derive(Debug, Serialize)]
pub struct Facts<'a> {
    /// The program's version.
    pub version: &'static str,
    /// True if this listener has `/metrics`.
    pub metrics: bool,
    /// The upstreams that have a breaker. The metrics tell a state of every upstream, closed where there is none.
    pub breakers: Vec<&'a str>,
    /// The aggregates that can be run, in the order of their names.
    pub aggregates: Vec<Listed<'a>>,
}

/// An aggregate as the page has to know it.
#[derive(Debug, Serialize)]
pub struct Listed<'a> {
    /// Its name.
    pub name: &'a str,
    /// The mode that it has where a request names none.
    pub mode: &'static str,
    /// The time for all calls together, in milliseconds.
    pub deadline_ms: u128,
    /// The most calls at a time.
    pub concurrency: usize,
    /// The condition that ends it; none where it waits for all calls.
    pub wait_for: Option<Waits>,
    /// True if `mode=compare` is allowed.
    pub compare: bool,
    /// The query parameters that some of its calls pass on, each once.
    pub forward_query: Vec<String>,
    /// The header fields that some of its calls pass on, each once.
    pub forward_headers: Vec<String>,
    /// Its calls, in plan order.
    pub calls: Vec<ListedCall<'a>>,
}

/// The end of its wait, where that is not that all calls have settled.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Waits {
    /// A word: `required`.
    Word(&'static str),
    /// So many successes.
    Successes(usize),
}

/// One call of it.
#[derive(Debug, Serialize)]
pub struct ListedCall<'a> {
    /// Its name in the answer.
    pub name: &'a str,
    /// The upstream that it calls.
    pub upstream: &'a str,
    /// True if the aggregate can do without it.
    pub optional: bool,
}

/// The console's files, ready to be sent.
#[derive(Debug)]
pub struct Console {
    files: Vec<File>,
}

/// One file of the console.
#[derive(Debug)]
pub(crate) struct File {
    path: &'static str,
    /// The value of its `Content-Type`.
    pub(crate) media_type: &'static str,
    /// A text that changes with the file's bytes, for its `ETag`.
    pub(crate) tag: String,
    /// Its contents.
    pub(crate) bytes: Bytes,
}

impl File {
    fn new(path: &'static str, media_type: &'static str, bytes: Bytes) -> Self {
        Self {
            path,
            media_type,
            tag: format!("{:016x}", digest(&bytes)),
            bytes,
        }
    }
}

impl Console {
    /// The files, and `facts` as one of them.
    ///
    /// # Errors
    /// When `facts` can't be written as JSON.
    pub fn new(facts: &Facts<'_>) -> serde_json::Result<Self> {
        let facts = Bytes::from(serde_json::to_vec(facts)?);
        let embedded = FILES.iter().map(|&(path, media_type, bytes)| {
            File::new(path, media_type, Bytes::from_static(bytes))
        });
        let made = File::new("/console/aggregates", "application/json", facts);
        Ok(Self {
            files: embedded.chain([made]).collect(),
        })
    }

    /// Finds the file at this path.
    pub(crate) fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// FNV-1a. It has to differ between releases, not to withstand anybody.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn folder() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console");
        let files = fs::read_dir(folder).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            // It tells Node, for the tests, that the scripts are modules.
            .filter(|name| name != "package.json")
            .collect()
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let served: BTreeSet<_> = FILES
            .iter()
            .map(|(path, ..)| match *path {
                PAGE => "index.html".to_owned(),
                path => path.strip_prefix("/console/").unwrap().to_owned(),
            })
            .collect();
        assert_eq!(served, folder());
    }

    #[test]
    fn nothing_of_it_names_another_host_or_turns_text_into_markup() {
        for (path, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            // The one address is the name of a format and asked by nobody.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for forbidden in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                "document.write",
                "style=",
                "onclick",
            ] {
                assert!(!text.contains(forbidden), "{path} has {forbidden}");
            }
        }
    }

    #[test]
    fn what_a_script_imports_is_there() {
        let folder = folder();
        let mut imports = 0;
        for (path, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            for rest in text.split("from \"./").skip(1) {
                let name = rest.split('"').next().unwrap();
                assert!(folder.contains(name), "{path} imports {name}");
                imports += 1;
            }
        }
        assert!(imports > FILES.len() / 2, "{imports}");
    }
}
