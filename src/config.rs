//! The configuration: layers of files and environment → `Raw` structs that mirror the file → the checked
//! [`Config`]. The only code that knows serde's view of the settings and the environment; it must not know what
//! is done with them. Every mistake is told in one go, with its file and key path.

mod aggregates;
mod calls;
mod check;
mod checked;
mod decode;
mod defaults;
mod descriptors;
mod effective;
mod environment;
mod files;
mod headers;
mod lanes;
mod layers;
mod loops;
mod memory;
mod memory_limit;
mod mistake;
mod pass_status;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod quantities;
mod raw;
mod review;
mod schema;
mod syntax;
#[cfg(test)]
mod tests;
mod tls;
mod tracing;
mod trust;
mod upstreams;
mod urls;
mod values;
mod written;
mod yaml;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use self::{
    checked::{
        Admin, Aggregate, Call, Config, Log, LogFormat, LogLevel, Server, TlsFiles, Tracing,
    },
    descriptors::Descriptors,
    memory::{Bytes, Most, most},
    mistake::{Mistake, Mistakes},
};
use self::{
    layers::{Layers, Text},
    mistake::{Origin, Report},
    review::Review,
};
use crate::upstream::Roots;

/// Where a configuration is looked for when none is named, in this order.
pub const DEFAULT_FILES: [&str; 2] = ["config/gather.toml", "/etc/gather/gather.toml"];

/// Loads a configuration from files (TOML, YAML or JSON, by their endings), each over the one before, and the
/// variables of `environment` that begin with `GATHER__` over all of them. Reads the files that it names, too.
///
/// # Errors
/// Every mistake that was found. When a file can't be read or parsed at all, only such mistakes of all files.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Mistakes> {
    finish(Layers::read(files, environment)?)
}

/// Loads a configuration from TOML that is no file, such as a built-in one. `origin` names it in mistakes; paths
/// in it are relative to the working directory. No variable `GATHER__…` plays a part.
///
/// # Errors
/// Every mistake that was found.
pub fn load_text(origin: &str, toml: &str) -> Result<Config, Mistakes> {
    let origin = Origin {
        name: origin.to_owned(),
        directory: PathBuf::new(),
    };
    let format = ::config::FileFormat::Toml;
    finish(Layers::of_text(Text {
        origin,
        format,
        text: toml,
    })?)
}

/// The roots that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, for a command without a configuration; `None` where neither is set.
///
/// # Errors
/// What makes a variable name no roots.
pub fn roots() -> Result<Option<Roots>, Mistakes> {
    match trust::Variables::of_the_process().roots() {
        Ok(named) => Ok(named.map(|named| named.roots)),
        Err(remarks) => Err(remarks.into_iter().map(Mistake::from).collect()),
    }
}

fn finish(mut layers: Layers) -> Result<Config, Mistakes> {
    let mut report = layers.report();
    let decoded = decode::decode(&mut layers, &mut report);
    let mut warnings = Report::default();
    let mut review = Review {
        layers: &layers,
        refused: &decoded.refused,
        report: &mut report,
        warnings: &mut warnings,
    };
    let config = decoded.raw.and_then(|raw| check::check(raw, &mut review));
    let mut config = report.into_result(config)?;
    config.warnings.extend(warnings.into_found());
    Ok(config)
}

/// There is no configuration where one is looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no configuration: neither {} nor {} exists; name a file with -c", DEFAULT_FILES[0], DEFAULT_FILES[1])]
pub struct NoConfiguration;

/// The files to load when none is named: the first of [`DEFAULT_FILES`] that exists.
///
/// # Errors
/// When none of them does.
pub fn default_files() -> Result<Vec<PathBuf>, NoConfiguration> {
    first_of(&DEFAULT_FILES.map(Path::new)).ok_or(NoConfiguration)
}

/// The first file that is there. One that can't be looked at is there as well: loading it says why.
fn first_of(files: &[&Path]) -> Option<Vec<PathBuf>> {
    let is_there = |file: &Path| match file.metadata() {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    let file = files.iter().find(|file| is_there(file))?;
    Some(vec![file.to_path_buf()])
}

/// The JSON Schema (draft 2020-12) of a configuration file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schema::of_the_file()
}

/// What is in force, as a TOML file: complete, with the defaults, and without a secret: header values (but those
/// of a few harmless headers), bodies and the values in URLs' queries are `***`. It loads again.
#[must_use]
pub fn effective(config: &Config) -> String {
    // Raw structs hold nothing that TOML can't.
    toml::to_string(&effective::raw(config)).unwrap_or_default()
}
