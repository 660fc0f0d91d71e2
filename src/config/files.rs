//! Reads the files that a configuration is made of, within bounds, and says in one clear sentence why one can't be
//! read. It must not know what is in them.

use std::{fs, io, io::Read, path::Path};

/// The largest file that is read. A configuration is a few kilobytes, and a gigabyte is the wrong file.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Returns the bytes of a file, or the reason why it can't be read.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the file can't be read: permission denied".to_owned(),
        _ => format!("the file can't be read: {error}"),
    };
    if fs::metadata(path).map_err(told)?.is_dir() {
        return Err("this is a directory, expected a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(told)?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("the file is larger than 16 MiB".to_owned());
    }
    Ok(bytes)
}

/// Returns the text of a file, without a byte order mark, or the reason why it can't be read.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(bytes(path)?).map_err(|error| {
        format!(
            "not UTF-8 text, from byte {}",
            error.utf8_error().valid_up_to()
        )
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_told_from_a_directory_and_from_one_that_is_no_text() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("x.toml");
        assert_eq!(text(&file).unwrap_err(), "there is no such file");
        assert_eq!(
            text(place.path()).unwrap_err(),
            "this is a directory, expected a file"
        );
        fs::write(&file, "").unwrap();
        let below_a_file = text(&file.join("x.toml")).unwrap_err();
        assert!(
            below_a_file.starts_with("the file can't be read: "),
            "{below_a_file}"
        );
        fs::write(&file, b"abc\xff").unwrap();
        assert_eq!(text(&file).unwrap_err(), "not UTF-8 text, from byte 3");
    }

    #[test]
    fn a_huge_file_is_refused_without_being_read_to_its_end() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("x.toml");
        fs::File::create(&file)
            .unwrap()
            .set_len(MAX_FILE * 1000)
            .unwrap();
        assert_eq!(text(&file).unwrap_err(), "the file is larger than 16 MiB");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("x.toml");
        fs::write(&file, "\u{feff}a = 1").unwrap();
        assert_eq!(text(&file).unwrap(), "a = 1");
    }
}
