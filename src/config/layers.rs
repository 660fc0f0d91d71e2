//! The layers of a configuration, laid one over the other: the files in their order, as the `config` crate reads them,
//! then the environment. It knows where every value comes from, and must not know what it means.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use config::{Map, Value, ValueKind};

use super::{
    environment, files,
    mistake::{KeyPath, Mistakes, Origin, Report, Step},
    syntax, written,
};

/// All layers as one tree.
#[derive(Debug)]
pub(super) struct Layers {
    /// The settings in force. Every value, and every table, knows where it comes from.
    pub(super) tree: Value,
    /// The variable that set each path.
    pub(super) variables: BTreeMap<KeyPath, String>,
    files: Vec<Origin>,
    sources: Vec<Source>,
}

/// A layer as it was written.
#[derive(Debug)]
struct Source {
    origin: String,
    text: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(config::FileFormat),
    /// A variable, and the path that it sets.
    Variable(KeyPath),
}

/// A text that stands for a file, with its name.
pub(super) struct Text<'a> {
    pub(super) origin: Origin,
    pub(super) format: config::FileFormat,
    pub(super) text: &'a str,
}

impl Layers {
    /// Reads the files and the environment. Parts that can't be read are noted in `report`.
    ///
    /// # Errors
    /// Fails with every file that can't be read or parsed, and the variables that contradict each other.
    pub(super) fn read(
        paths: &[PathBuf],
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        let mut report = Report::default();
        let mut stack = Stack::default();
        for path in paths {
            let origin = Origin {
                name: path.display().to_string(),
                directory: path.parent().unwrap_or(Path::new("")).to_owned(),
            };
            report.expect_origin(&origin.name);
            // Read first: for a directory or a missing file, that is the mistake, whatever its ending.
            let read = files::text(path)
                .and_then(|text| syntax::format_of(path).map(|format| (format, text)));
            match read {
                Ok((format, text)) => {
                    stack.add(
                        Text {
                            origin,
                            format,
                            text: &text,
                        },
                        &mut report,
                    );
                }
                Err(message) => report.add(&origin.name, &KeyPath::default(), message),
            }
        }
        stack.finish(environment, report)
    }

    /// Reads the same from one text, without files and environment.
    ///
    /// # Errors
    /// Fails if it can't be parsed.
    pub(super) fn of_text(text: Text<'_>) -> Result<Self, Mistakes> {
        let mut report = Report::default();
        let mut stack = Stack::default();
        stack.add(text, &mut report);
        stack.finish([], report)
    }

    /// Returns a report that lists mistakes in the order of these layers.
    pub(super) fn report(&self) -> Report {
        let mut report = Report::default();
        for file in &self.files {
            report.expect_origin(&file.name);
        }
        let mut variables: Vec<_> = self.variables.values().collect();
        variables.sort();
        for variable in variables {
            report.expect_origin(variable);
        }
        report
    }

    /// Returns the files, as they were named, in their order.
    pub(super) fn files(&self) -> Vec<String> {
        self.files.iter().map(|file| file.name.clone()).collect()
    }

    /// Returns the value at a path.
    pub(super) fn get(&self, path: &KeyPath) -> Option<&Value> {
        path.steps().iter().try_fold(&self.tree, child)
    }

    /// Returns the origin of the value at a path. For a missing value, it is that of the table around it.
    pub(super) fn origin(&self, path: &KeyPath) -> &str {
        let mut origin = self
            .files
            .first()
            .map_or("the environment", |file| &file.name);
        let mut node = Some(&self.tree);
        for step in path.steps() {
            node = node.and_then(|node| child(node, step));
            origin = node.and_then(Value::origin).unwrap_or(origin);
        }
        origin
    }

    /// Returns the number at a path as it was written; `None` if it has no other form, or is not a number.
    pub(super) fn written(&self, path: &KeyPath) -> Option<String> {
        let value = self.get(path)?;
        let steps = path.steps();
        let sources = self.sources.iter();
        let mut of_origin = sources.filter(|source| Some(&*source.origin) == value.origin());
        of_origin.find_map(|source| match &source.kind {
            Kind::File(format) => written::in_file(*format, &source.text, steps),
            Kind::Variable(set) => {
                written::in_variable(&source.text, steps.strip_prefix(set.steps())?)
            }
        })
    }

    /// Returns true if the value at a path is a variable's whole text, and has quotes around it.
    pub(super) fn is_quoted_variable(&self, path: &KeyPath) -> bool {
        let of_path = |source: &&Source| matches!(&source.kind, Kind::Variable(set) if set == path);
        let source = self.sources.iter().find(of_path);
        source.is_some_and(|source| environment::is_quoted(&source.text))
    }

    /// Returns the directory to which a path written at `path` is relative: the file's own, or the working directory.
    pub(super) fn directory(&self, path: &KeyPath) -> &Path {
        let origin = self.origin(path);
        let file = self.files.iter().find(|file| file.name == origin);
        file.map_or(Path::new(""), |file| &file.directory)
    }

    /// Replaces the value at a path.
    pub(super) fn replace(&mut self, path: &KeyPath, value: Value) {
        let place = path.steps().iter().try_fold(&mut self.tree, |node, step| {
            match (&mut node.kind, step) {
                (ValueKind::Table(table), Step::Key(key)) => table.get_mut(key),
                (ValueKind::Array(values), Step::Index(index)) => values.get_mut(*index),
                _ => None,
            }
        });
        if let Some(place) = place {
            *place = value;
        }
    }
}

fn child<'a>(node: &'a Value, step: &Step) -> Option<&'a Value> {
    match (&node.kind, step) {
        (ValueKind::Table(table), Step::Key(key)) => table.get(key),
        (ValueKind::Array(values), Step::Index(index)) => values.get(*index),
        _ => None,
    }
}

/// Layers that are still being piled up.
#[derive(Default)]
struct Stack {
    files: Vec<Origin>,
    sources: Vec<Source>,
    layers: Vec<Map<String, Value>>,
}

impl Stack {
    fn add(&mut self, text: Text<'_>, report: &mut Report) {
        let name = text.origin.name.clone();
        self.sources.push(Source {
            origin: name.clone(),
            text: text.text.to_owned(),
            kind: Kind::File(text.format),
        });
        match syntax::parse(text.format, &name, text.text) {
            Ok(tree) => self.layers.push(tree),
            Err(flaws) => {
                for (path, message) in flaws {
                    report.add(&name, &path, message);
                }
            }
        }
        self.files.push(text.origin);
    }

    fn finish(
        self,
        environment: impl IntoIterator<Item = (String, String)>,
        mut report: Report,
    ) -> Result<Layers, Mistakes> {
        let variables = environment::read(environment, &mut report);
        let mut sources = self.sources;
        for (path, text) in variables.texts {
            sources.push(Source {
                origin: variables.names[&path].clone(),
                text,
                kind: Kind::Variable(path),
            });
        }
        let mut tree = Value::new(None, Map::<String, Value>::new());
        for layer in self.layers {
            overlay("", &mut tree, Value::new(None, layer), false);
        }
        overlay("", &mut tree, Value::new(None, variables.tree), true);
        report.into_result(Some(tree)).map(|tree| Layers {
            tree,
            variables: variables.names,
            files: self.files,
            sources,
        })
    }
}

/// Lays a value over another: tables key by key, and other values in one piece. With `texts`, `above` may be a text
/// that stands for a table, as the environment's are.
///
/// `config`'s own builder does the same, except for two things that would confuse its users. It reads a key such as
/// `"server.listen"` as a path, and it forgets where tables come from.
fn overlay(key: &str, below: &mut Value, mut above: Value, texts: bool) {
    let ValueKind::Table(into) = &mut below.kind else {
        *below = above;
        return;
    };
    if let (ValueKind::String(text), true) = (&above.kind, texts) {
        let table = environment::toml_value(above.origin().unwrap_or_default(), text);
        above = table.unwrap_or(above);
    }
    let ValueKind::Table(from) = above.kind else {
        *below = above;
        return;
    };
    for (name, value) in from {
        if key == "headers" {
            // A header's name is the same in any case, and the environment has only one. A name that is twice in one
            // layer stays twice, and is refused later.
            into.retain(|other, old| {
                *other == name
                    || !other.eq_ignore_ascii_case(&name)
                    || old.origin() == value.origin()
            });
        }
        match into.get_mut(&name) {
            Some(old) => overlay(&name, old, value, texts),
            None => {
                into.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn text(layers: &Layers, path: &KeyPath) -> (String, String) {
        let value = layers.get(path).unwrap();
        (value.to_string(), layers.origin(path).to_owned())
    }

    #[test]
    fn a_later_layer_wins_key_by_key_and_every_value_knows_its_own() {
        let place = tempfile::tempdir().unwrap();
        let first = place.path().join("a.toml");
        let second = place.path().join("b.yaml");
        fs::write(
            &first,
            "[server]\nlisten = 'a'\nworkers = 1\n[headers]\nAccept = 'a'\n",
        )
        .unwrap();
        fs::write(&second, "server:\n  listen: b\nheaders:\n  accept: b\n").unwrap();
        let variables = [("GATHER__SERVER__GRACE".to_owned(), "c".to_owned())];
        let layers = Layers::read(&[first.clone(), second.clone()], variables).unwrap();
        let second = second.display().to_string();
        let first = first.display().to_string();
        let at = |key| text(&layers, &KeyPath::of(["server", key]));
        assert_eq!(at("listen"), ("b".to_owned(), second));
        assert_eq!(at("workers"), ("1".to_owned(), first.clone()));
        assert_eq!(
            at("grace"),
            ("c".to_owned(), "GATHER__SERVER__GRACE".to_owned())
        );
        assert_eq!(layers.origin(&KeyPath::of(["server", "drain"])), first);
        assert_eq!(
            layers.directory(&KeyPath::of(["server", "drain"])),
            place.path()
        );
        assert!(layers.get(&KeyPath::of(["headers", "Accept"])).is_none());
        assert!(layers.get(&KeyPath::of(["headers", "accept"])).is_some());
    }

    #[test]
    fn a_dotted_key_in_quotes_stays_one_key() {
        let origin = Origin {
            name: "x".to_owned(),
            directory: PathBuf::new(),
        };
        let format = config::FileFormat::Toml;
        let layers = Layers::of_text(Text {
            origin,
            format,
            text: "\"server.listen\" = 1",
        })
        .unwrap();
        assert!(layers.get(&KeyPath::of(["server.listen"])).is_some());
    }

    #[test]
    fn a_table_in_a_variable_adds_to_the_table_of_a_file() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.toml");
        fs::write(&file, "[server]\nlisten = 'a'\nworkers = 1\n").unwrap();
        let variables = [("GATHER__SERVER".to_owned(), "{ workers = 2 }".to_owned())];
        let layers = Layers::read(&[file], variables).unwrap();
        assert_eq!(text(&layers, &KeyPath::of(["server", "listen"])).0, "a");
        let workers = text(&layers, &KeyPath::of(["server", "workers"]));
        assert_eq!(workers, ("2".to_owned(), "GATHER__SERVER".to_owned()));
    }

    #[test]
    fn every_file_that_can_not_be_read_is_named() {
        let place = tempfile::tempdir().unwrap();
        let bad = place.path().join("bad.toml");
        fs::write(&bad, "a = = 1").unwrap();
        let files = [place.path().join("none.toml"), bad, PathBuf::from("x.ini")];
        let mistakes = Layers::read(&files, []).unwrap_err();
        let origins: Vec<_> = mistakes
            .iter()
            .map(|mistake| mistake.origin.clone())
            .collect();
        assert_eq!(origins, files.map(|file| file.display().to_string()));
    }
}
