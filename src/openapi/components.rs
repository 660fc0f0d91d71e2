//! The document's components: references to them, and the removal of unused ones. It must not know what they describe.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Returns a reference to a component.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// Removes the components that no path leads to. Not every gateway compares, or has its operational routes here.
pub(super) fn keep_what_is_used(components: &mut Value, paths: [Option<&Value>; 2]) {
    let mut used = BTreeSet::new();
    let mut open = Vec::new();
    for paths in paths.into_iter().flatten() {
        references(paths, &mut open);
    }
    while let Some(pointer) = open.pop() {
        if let Some(found) = components.pointer(&pointer) {
            let mut more = Vec::new();
            references(found, &mut more);
            more.retain(|pointer| !used.contains(pointer));
            open.extend(more);
        }
        used.insert(pointer);
    }
    let kinds = components.as_object_mut().into_iter().flatten();
    for (kind, members) in kinds {
        if let Some(members) = members.as_object_mut() {
            members.retain(|name, _| used.contains(&format!("/{kind}/{name}")));
        }
    }
}

/// Collects the pointers, from `components`, of everything that `value` refers to.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            let pointer = target.and_then(|target| target.strip_prefix("#/components"));
            found.extend(pointer.map(str::to_owned));
            for member in members.values() {
                references(member, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                references(item, found);
            }
        }
        _ => {}
    }
}
