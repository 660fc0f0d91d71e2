//! The files of the console, a page that runs aggregates and draws them. They are part of the program. The facts that
//! the page needs of the configuration are one more file, written once at start; no upstream's address is in it. It
//! must not know how a file is served, nor how an aggregate is run: the page asks for it as any client does.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::{
    endpoint::Endpoint,
    fanout::{Completion, Need},
};

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

/// The page's path. Without a slash at its end: what it names is relative to it, so that a prefix before it does no
/// harm.
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
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// True if the page's listener has `/metrics`.
    pub metrics: bool,
    /// The upstreams that have a breaker. The metrics tell a state of every upstream, `closed` if it has no breaker.
    pub breakers: &'a [&'a str],
    /// The aggregates that can be run, in the order of their names.
    pub endpoints: &'a [Arc<Endpoint>],
}

impl Facts<'_> {
    fn json(&self) -> Value {
        let aggregates = self.endpoints.iter().map(|endpoint| aggregate(endpoint));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "metrics": self.metrics,
            "breakers": self.breakers,
            "aggregates": aggregates.collect::<Vec<_>>(),
        })
    }
}

/// Returns an aggregate as the page has to know it. `wait_for` is null if it waits for all calls.
fn aggregate(endpoint: &Endpoint) -> Value {
    let calls = endpoint.calls.iter().map(|call| {
        let after = call.after.iter();
        let after = after.filter_map(|&earlier| Some(&endpoint.calls.get(earlier)?.name));
        json!({
            "name": &*call.name,
            "upstream": &*call.upstream,
            "optional": call.need == Need::Optional,
            "after": after.map(|name| &**name).collect::<Vec<_>>(),
        })
    });
    let fields = endpoint.forward_headers.iter();
    let methods = endpoint.methods.iter().map(Method::as_str);
    let parameters = endpoint.route.iter().flat_map(|route| &route.parameters);
    let parameters = parameters.map(|parameter| &*parameter.name);
    json!({
        "name": &*endpoint.name,
        "path": endpoint.route.as_ref().map(|route| route.template()),
        "path_parameters": parameters.collect::<Vec<_>>(),
        "methods": methods.collect::<Vec<_>>(),
        "takes_body": endpoint.takes_body(),
        "parameters": endpoint.limits.parameters,
        "mode": endpoint.rules.mode.as_str(),
        "deadline_ms": endpoint.rules.deadline.as_millis() as u64,
        "concurrency": endpoint.rules.concurrency,
        "wait_for": match endpoint.rules.completion {
            Completion::All => Value::Null,
            Completion::Required => json!("required"),
            Completion::Quorum(needed) => json!(needed),
        },
        "compare": endpoint.limits.compare,
        "forward_query": endpoint.forward_query,
        "forward_headers": fields.map(|name| name.as_str()).collect::<Vec<_>>(),
        "calls": calls.collect::<Vec<_>>(),
    })
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
    #[must_use]
    pub fn new(facts: &Facts<'_>) -> Self {
        let facts = Bytes::from(facts.json().to_string());
        let embedded = FILES.iter().map(|&(path, media_type, bytes)| {
            File::new(path, media_type, Bytes::from_static(bytes))
        });
        let made = File::new("/console/aggregates", "application/json", facts);
        Self {
            files: embedded.chain([made]).collect(),
        }
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
