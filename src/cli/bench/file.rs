//! The report's file. It is written as a whole or not at all, and the command checks beforehand that it can be written.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// The file that receives the report. An older file of that name is replaced.
#[derive(Debug)]
pub(super) struct Destination {
    /// The path, with links resolved if the file exists.
    path: PathBuf,
    /// A temporary file in the same folder, so that a rename can put it in place.
    draft: PathBuf,
}

impl Destination {
    /// Checks that a report can be written there, and leaves everything as it is.
    pub(super) fn check(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let path = match fs::canonicalize(path) {
            Ok(path) => {
                if !path.is_file() {
                    bail!("can't write {shown}: it is no ordinary file; name another with --html");
                }
                let writable = OpenOptions::new().append(true).open(&path);
                writable.with_context(|| unwritable(&path))?;
                path
            }
            Err(_) => path.to_owned(),
        };
        let Some(name) = path.file_name() else {
            bail!("can't write {shown}: it names no file");
        };
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(format!(".{}.tmp", std::process::id()));
        let draft = path.with_file_name(draft);
        create(&draft)
            .and_then(|_| fs::remove_file(&draft))
            .with_context(|| unwritable(&path))?;
        Ok(Self { path, draft })
    }

    /// Writes the draft, then renames it to the report's path.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        let written = create(&self.draft)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&self.draft, &self.path));
        if written.is_err() {
            // A partial draft is of no use. The first error says why there is no report.
            let _ = fs::remove_file(&self.draft);
        }
        written.with_context(|| unwritable(&self.path))
    }
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn unwritable(path: &Path) -> String {
    format!(
        "can't write {}; name another file with --html",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checking_leaves_all_as_it_was_and_writing_replaces_it_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("report.html");
        let entries = || fs::read_dir(place.path()).unwrap().count();
        Destination::check(&path).unwrap();
        assert_eq!(entries(), 0);
        fs::write(&path, "before").unwrap();
        let destination = Destination::check(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        destination.write("after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(entries(), 1, "no draft is left");
    }

    #[test]
    fn a_link_stays_one_and_what_it_points_to_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (path, link) = (place.path().join("report"), place.path().join("link"));
        fs::write(&path, "before").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        Destination::check(&link).unwrap().write("after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
    }

    #[test]
    fn what_is_no_file_or_in_no_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        for path in [
            place.path().to_owned(),
            place.path().join("nowhere/report.html"),
            PathBuf::from("/dev/null"),
            PathBuf::from("/"),
            PathBuf::from(".."),
        ] {
            let error = Destination::check(&path).unwrap_err();
            assert!(format!("{error:#}").contains("can't write"), "{error:#}");
        }
    }
}
