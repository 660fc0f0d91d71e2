//! The configuration: layers of files and environment → `Raw` structs that mirror the file → the checked [`Config`].
//! Only this code knows serde's view of the settings and the environment. It must not know how they are used. It
//! reports every mistake in one go, with its file and key path.

mod aggregates;
mod call_values;
mod calls;
mod check;
mod checked;
mod composition;
mod decode;
mod default_files;
mod defaults;
mod descriptor_needs;
mod descriptors;
mod effective;
mod effective_calls;
mod environment;
mod explained;
mod files;
mod headers;
mod hints;
mod inheritance;
mod layers;
mod lints;
mod listed;
mod loops;
mod masking;
mod memory;
mod memory_limit;
mod mistake;
mod names;
mod order;
mod pass_status;
mod policies;
mod policy_values;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod quantities;
mod raw;
mod repeats;
mod review;
mod routes;
mod schema;
mod spelling;
mod stray;
mod surroundings;
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

use std::path::PathBuf;

pub use self::{
    checked::{
        Admin, Aggregate, Call, Config, Log, LogFormat, LogLevel, Process, Server, Services,
        TlsFiles, Tracing,
    },
    default_files::{DEFAULT_FILES, NoConfiguration, default_files},
    descriptors::{Descriptors, RAISE, TooFew},
    explained::{Explained, explained},
    memory::{Bytes, Most, most},
    mistake::{Mistake, Mistakes},
    order::order,
    surroundings::Surroundings,
};
use self::{
    layers::{Layers, Text},
    mistake::{KeyPath, Origin, Report},
    review::Review,
};
use crate::upstream::Roots;

/// Loads a configuration from files (TOML, YAML or JSON, by their endings), each over the one before. The variables of
/// `environment` that begin with `GATHER__` go over all of them. Reads the files that it names, too. With
/// `surroundings`, for a configuration of this process, it also warns of oddities in them and in the other variables.
///
/// # Errors
/// Fails with every mistake that was found. If a file can't be read or parsed at all, only such mistakes of all files.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
    surroundings: Option<&Surroundings>,
) -> Result<Config, Mistakes> {
    let environment: Vec<_> = environment.into_iter().collect();
    let stray = match surroundings {
        Some(_) => stray::find(&environment),
        None => Vec::new(),
    };
    match Layers::read(files, environment) {
        Ok(layers) => finish(layers, surroundings, &stray),
        Err(mistakes) => {
            let mut warnings = Report::default();
            note(&stray, &mut warnings);
            Err(mistakes.beside(warnings.into_found().collect()))
        }
    }
}

/// Notes the variables that set nothing.
fn note(stray: &[(String, String)], warnings: &mut Report) {
    for (variable, message) in stray {
        warnings.add(variable, &KeyPath::default(), message);
    }
}

/// Loads a configuration from TOML that is not a file, such as a built-in one. `origin` names it in mistakes. Paths in
/// it are relative to the working directory. Variables `GATHER__…` are not used.
///
/// # Errors
/// Fails with every mistake that was found.
pub fn load_text(origin: &str, toml: &str) -> Result<Config, Mistakes> {
    let origin = Origin {
        name: origin.to_owned(),
        directory: PathBuf::new(),
    };
    let format = ::config::FileFormat::Toml;
    let layers = Layers::of_text(Text {
        origin,
        format,
        text: toml,
    })?;
    finish(layers, None, &[])
}

/// Returns the roots that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, for a command without a configuration; `None` if
/// neither is set.
///
/// # Errors
/// Fails with every reason why a variable names no roots.
pub fn roots() -> Result<Option<Roots>, Mistakes> {
    match trust::Variables::of_the_process().roots() {
        Ok(named) => Ok(named.map(|named| named.roots)),
        Err(remarks) => Err(remarks.into_iter().map(Mistake::from).collect()),
    }
}

fn finish(
    mut layers: Layers,
    surroundings: Option<&Surroundings>,
    stray: &[(String, String)],
) -> Result<Config, Mistakes> {
    let mut report = layers.report();
    let decoded = decode::decode(&mut layers, &mut report);
    let mut warnings = layers.report();
    let mut review = Review {
        layers: &layers,
        refused: &decoded.refused,
        inherited: &decoded.inherited,
        report: &mut report,
        warnings: &mut warnings,
    };
    let config = decoded.raw.and_then(|raw| check::check(raw, &mut review));
    // Oddities that only follow from a mistake are not reported.
    let mut descriptors = None;
    if let Some(config) = config.as_ref().filter(|_| review.report.len() == 0) {
        let limit = surroundings.and_then(|surroundings| surroundings.open_files);
        descriptors = limit.map(|limit| Descriptors::within(limit, config));
        lints::look(config, surroundings, descriptors.as_ref(), &mut review);
    }
    note(stray, &mut warnings);
    let warnings = warnings.into_found().collect();
    match report.into_result(config) {
        Ok(config) => Ok(Config {
            warnings,
            descriptors: descriptors.and_then(Result::ok),
            ..config
        }),
        Err(mistakes) => Err(mistakes.beside(warnings)),
    }
}

/// Returns the JSON Schema (draft 2020-12) of a configuration file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schema::of_the_file()
}

/// Writes the configuration in force as a TOML file: complete, with the defaults, and without secrets. Header values
/// (except those of a few harmless headers), bodies and the values in URLs' queries are `***`. The file loads again.
#[must_use]
pub fn effective(config: &Config) -> String {
    // Raw structs hold nothing that TOML can't.
    toml::to_string(&effective::raw(config)).unwrap_or_default()
}
