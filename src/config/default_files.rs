//! The files that are read if none is named. It must not know what is in them.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::Mistake;

/// The paths of a configuration if none is named, in the order in which they are tried.
pub const DEFAULT_FILES: [&str; 3] = [
    "gather.toml",
    "config/gather.toml",
    "/etc/gather/gather.toml",
];

/// The other endings that a named file may have.
const OTHER_ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// No default file exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no configuration: none of {}, {} and {} exists; {}",
    DEFAULT_FILES[0], DEFAULT_FILES[1], DEFAULT_FILES[2], what_to_do(.passed_over)
)]
pub struct NoConfiguration {
    /// Files that exist and are read only if they are named.
    passed_over: Vec<PathBuf>,
}

fn what_to_do(passed_over: &[PathBuf]) -> String {
    match passed_over.first() {
        Some(file) => format!("{0} exists, but has to be named: -c {0}", file.display()),
        None => "name a file with -c".to_owned(),
    }
}

/// Returns the file to load if none is named: the first of [`DEFAULT_FILES`] that exists. Also returns a warning for
/// each file that is easily taken for it and is not read.
///
/// # Errors
/// Fails if none of them exists.
pub fn default_files() -> Result<(PathBuf, Vec<Mistake>), NoConfiguration> {
    look(&DEFAULT_FILES.map(Path::new))
}

fn look(files: &[&Path]) -> Result<(PathBuf, Vec<Mistake>), NoConfiguration> {
    let others = files
        .iter()
        .flat_map(|file| OTHER_ENDINGS.map(|ending| file.with_extension(ending)));
    let passed_over: Vec<_> = others.filter(|file| file.is_file()).collect();
    let Some(&first) = files.iter().find(|file| is_there(file)) else {
        return Err(NoConfiguration { passed_over });
    };
    let warning = |file: PathBuf| Mistake {
        origin: file.display().to_string(),
        path: String::new(),
        message: format!(
            "is not read, as {} is there; name the files to read with -c",
            first.display()
        ),
    };
    Ok((
        first.to_owned(),
        passed_over.into_iter().map(warning).collect(),
    ))
}

/// Returns true if a file exists, even if it can't be looked at: loading it says why.
fn is_there(file: &Path) -> bool {
    let none = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    match file.metadata() {
        Ok(_) => true,
        Err(error) => !none.contains(&error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_file_that_is_there_is_taken_and_without_one_all_places_are_named() {
        let place = tempfile::tempdir().unwrap();
        let all = ["a.toml", "config/a.toml", "c.toml"].map(|name| place.path().join(name));
        let all = all.each_ref().map(PathBuf::as_path);
        // `config` is a file of another program.
        fs::write(place.path().join("config"), "").unwrap();
        let error = look(&all).unwrap_err().to_string();
        for name in DEFAULT_FILES {
            assert!(error.contains(name), "{error}");
        }
        assert!(error.ends_with("name a file with -c"), "{error}");
        fs::write(all[2], "").unwrap();
        assert_eq!(look(&all), Ok((all[2].to_owned(), Vec::new())));
        fs::write(all[0], "").unwrap();
        assert_eq!(look(&all), Ok((all[0].to_owned(), Vec::new())));
    }

    #[test]
    fn a_file_with_another_ending_is_told_and_never_read_unnamed() {
        let place = tempfile::tempdir().unwrap();
        let [first, second] = ["a.toml", "b.toml"].map(|name| place.path().join(name));
        let all = [first.as_path(), &second];
        let yaml = place.path().join("a.yaml");
        fs::write(&yaml, "").unwrap();
        let error = look(&all).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("-c {}", yaml.display())),
            "{error}"
        );
        fs::write(&second, "").unwrap();
        let (taken, warnings) = look(&all).unwrap();
        assert_eq!(taken, second);
        let [warning] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        assert_eq!(warning.origin, yaml.display().to_string());
        assert!(warning.message.contains(&second.display().to_string()));
    }
}
