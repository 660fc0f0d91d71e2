//! Finds circles of imports between the files of `src`. A file that names something of another one depends on it. What a
//! file passes on (`pub use`) counts for the file that it comes from.
//!
//! A file may name what its own folder's root defines, such as `super::Status`: the two are one module. So no arrow goes
//! from a file to the root above it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, shipped};

/// The path of a module from the crate's root.
type Module = Vec<String>;

/// The imports of one file.
struct Imports {
    /// Each name that a `use` makes, and the path that it stands for.
    names: BTreeMap<String, Module>,
    /// Every path that the file names.
    paths: Vec<Module>,
}

/// The files that each file depends on.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

fn graph(sources: &[Source]) -> Graph {
    let files: BTreeMap<Module, Imports> = sources
        .iter()
        .map(|source| {
            let path = source.path.trim_start_matches("src/");
            let module = path.trim_end_matches(".rs").split('/');
            let module: Module = module.map(str::to_owned).collect();
            let imports = imports(&module, &source.code().collect::<Vec<_>>().join("\n"));
            (module, imports)
        })
        .filter(|(module, _)| module != &["lib"] && module != &["main"])
        .collect();
    let depends = |module: &Module, imports: &Imports| {
        let named = imports.paths.iter();
        named
            .filter_map(|path| file_of(path, &files, 0))
            .filter(|file| !module.starts_with(file))
            .collect()
    };
    files
        .iter()
        .map(|(module, imports)| (module.clone(), depends(module, imports)))
        .collect()
}

/// Returns the file that defines the item at `path`.
fn file_of(path: &[String], files: &BTreeMap<Module, Imports>, depth: usize) -> Option<Module> {
    let length = (1..=path.len())
        .rev()
        .find(|&end| files.contains_key(&path[..end]))?;
    let (module, item) = path.split_at(length);
    // A name that comes from elsewhere. The bound is for names that stand for themselves.
    let passed_on = item.first().and_then(|name| files[module].names.get(name));
    let elsewhere = passed_on.filter(|_| depth < 8).and_then(|target| {
        let target: Module = target.iter().chain(&item[1..]).cloned().collect();
        file_of(&target, files, depth + 1)
    });
    Some(elsewhere.unwrap_or_else(|| module.to_vec()))
}

fn imports(module: &Module, code: &str) -> Imports {
    let mut imports = Imports {
        names: BTreeMap::new(),
        paths: Vec::new(),
    };
    let (trees, rest) = uses(code);
    for tree in &trees {
        for path in expand(tree) {
            let (path, name) = match path.split_once(" as ") {
                Some((path, name)) => (path, Some(name)),
                None => (&*path, None),
            };
            let mut path = absolute(module, path);
            path.retain(|segment| segment != "self");
            let name = name.map(str::to_owned).or_else(|| path.last().cloned());
            imports.names.extend(name.map(|name| (name, path.clone())));
            imports.paths.push(path);
        }
    }
    for word in paths(&rest) {
        let first = word.split("::").next().unwrap_or_default();
        let is_child = rest.contains(&format!("mod {first};"));
        if is_child || ["crate", "self", "super"].contains(&first) {
            imports.paths.push(absolute(module, word));
        }
    }
    imports
}

/// Parts the trees of all `use` items from the rest of the code.
fn uses(code: &str) -> (Vec<String>, String) {
    let (mut trees, mut rest) = (Vec::new(), String::new());
    let mut is_open = false;
    for line in code.lines() {
        let item = line.trim();
        let public = item.strip_prefix("pub");
        let private = public.map(|item| item.trim_start_matches(|next| next != ' ').trim_start());
        let begun = private.unwrap_or(item).strip_prefix("use ");
        if let Some(tree) = begun {
            trees.push(tree.trim_end_matches(';').to_owned());
        } else if let Some(tree) = trees.last_mut().filter(|_| is_open) {
            tree.push_str(item.trim_end_matches(';'));
        } else {
            rest.push_str(line);
            rest.push('\n');
        }
        is_open = (is_open || begun.is_some()) && !item.ends_with(';');
    }
    (trees, rest)
}

/// Returns the paths of a tree such as `a::{b, c::{d, e}}`.
fn expand(tree: &str) -> Vec<String> {
    let Some((before, group)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let mut depth = 0;
    let branches = group.split(|next: char| {
        match next {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        next == ',' && depth == 0
    });
    branches
        .filter(|branch| !branch.trim().is_empty())
        .flat_map(expand)
        .map(|path| format!("{}{path}", before.trim()))
        .collect()
}

/// Returns the words of a text that are paths, such as `super::Status`.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|next: char| !next.is_alphanumeric() && !['_', ':'].contains(&next));
    words.filter(|word| word.contains("::"))
}

/// Returns the path from the crate's root of a path that `module` names.
fn absolute(module: &Module, path: &str) -> Module {
    let mut segments = path.trim().split("::").peekable();
    let mut base = module.clone();
    while let Some(&first) = segments.peek() {
        match first {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        segments.next();
    }
    base.extend(segments.map(str::to_owned));
    base
}

/// Returns the files of a circle, if there is one.
fn circle(graph: &Graph) -> Option<Vec<Module>> {
    let mut done = BTreeSet::new();
    let mut way = Vec::new();
    graph
        .keys()
        .find_map(|module| follow(module, graph, &mut way, &mut done))
}

fn follow(
    module: &Module,
    graph: &Graph,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    if let Some(start) = way.iter().position(|passed| passed == module) {
        return Some(way[start..].to_vec());
    }
    if !done.insert(module.clone()) {
        return None;
    }
    way.push(module.clone());
    let next = graph.get(module).into_iter().flatten();
    let found = next
        .into_iter()
        .find_map(|next| follow(next, graph, way, done));
    way.pop();
    found
}

fn shown(circle: &[Module]) -> String {
    let files = circle.iter().map(|module| module.join("::"));
    files.collect::<Vec<_>>().join(" -> ")
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let graph = graph(&shipped());
    let arrows: usize = graph.values().map(BTreeSet::len).sum();
    assert!(arrows > 800, "only {arrows} imports were seen");
    let circle = circle(&graph);
    assert!(circle.is_none(), "{}", shown(&circle.unwrap_or_default()));
}

#[test]
fn a_circle_is_seen_however_it_is_written() {
    let found = |files: &[(&str, &str)]| {
        let sources = files.iter().map(|(path, text)| Source {
            path: format!("src/{path}.rs"),
            text: (*text).to_owned(),
        });
        let mut circle = circle(&graph(&sources.collect::<Vec<_>>()))?;
        circle.sort();
        Some(shown(&circle))
    };
    let root = ("a", "mod b;\nmod c;\npub use c::{self, Item as Thing};");
    let a_circle = Some("a::b -> a::c".to_owned());
    for b in [
        "use super::c::Item;",
        "use crate::{\n    x::Y,\n    a::{Thing, d},\n};",
        "fn f() -> super::Thing {}",
        "use super::Thing;",
    ] {
        let files = [root, ("a/b", b), ("a/c", "use super::b;")];
        assert_eq!(found(&files), a_circle, "{b}");
    }
    let down = [root, ("a/b", "use super::Thing;"), ("a/c", "")];
    assert_eq!(found(&down), None);
    let root = ("a", "mod b;\nstruct Own;\nfn f() { b::g() }");
    assert_eq!(found(&[root, ("a/b", "use super::Own;")]), None);
    let parts = [("a", "use crate::b::B;"), ("b", "fn f(a: crate::a::A) {}")];
    assert_eq!(found(&parts).as_deref(), Some("a -> b"));
    let long = [
        ("a", "use crate::b;"),
        ("b", "use crate::c;"),
        ("c", "use crate::b;"),
    ];
    assert_eq!(found(&long).as_deref(), Some("b -> c"));
}
