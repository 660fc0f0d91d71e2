//! The outline of an OpenAPI document, short enough for a review: each path with its parameters, each operation with
//! its answers, and each schema with its properties. Texts, bounds, examples and header fields are left out.
//!
//! It must not know what Gather's own document says.

use std::fmt::Write as _;

use serde_json::Value;

/// Returns the outline of a whole document. Optional parameters and properties end with `?`.
pub(crate) fn outline(document: &Value) -> String {
    let mut text = String::new();
    for (path, item) in members(&document["paths"]) {
        writeln!(text, "{path}").unwrap();
        for parameter in item["parameters"].as_array().into_iter().flatten() {
            let parameter = resolved(document, parameter);
            let name = name(parameter["name"].as_str().unwrap(), &parameter["required"]);
            let place = parameter["in"].as_str().unwrap();
            writeln!(text, "  {place} {name}: {}", shape(&parameter["schema"])).unwrap();
        }
        for (method, operation) in members(item).filter(|(name, _)| *name != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            writeln!(text, "  {} {id}", method.to_uppercase()).unwrap();
            for (content, statuses) in answers(document, operation) {
                writeln!(text, "    {}: {content}", statuses.join(", ")).unwrap();
            }
        }
    }
    for (name, schema) in members(&document["components"]["schemas"]) {
        writeln!(text, "{name}{}", parts(schema)).unwrap();
    }
    text
}

/// Returns what an operation answers with, and the statuses of each, in the order of the first of them.
fn answers<'a>(document: &Value, operation: &'a Value) -> Vec<(String, Vec<&'a str>)> {
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    for (status, response) in members(&operation["responses"]) {
        let content = members(&resolved(document, response)["content"])
            .map(|(media_type, content)| format!("{media_type} {}", shape(&content["schema"])))
            .collect::<Vec<_>>()
            .join("; ");
        match answers.iter_mut().find(|(known, _)| *known == content) {
            Some((_, statuses)) => statuses.push(status),
            None => answers.push((content, vec![status])),
        }
    }
    for (content, _) in &mut answers {
        if content.is_empty() {
            "no body".clone_into(content);
        }
    }
    answers
}

/// Returns a component's schema: what it consists of, then its own properties or its values, one a line.
fn parts(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("\n  {value}")).collect();
    }
    let (mut base, mut own) = (Vec::new(), String::new());
    let all = schema["allOf"].as_array();
    for part in all.map_or(std::slice::from_ref(schema), Vec::as_slice) {
        if part["properties"].is_null() {
            base.push(shape(part));
        }
        for (name, shape) in properties(part) {
            write!(own, "\n  {name}: {shape}").unwrap();
        }
    }
    match base.is_empty() {
        true => own,
        false => format!(": {}{own}", base.join(" & ")),
    }
}

/// Returns a schema in one line.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    for (key, between) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
        if let Some(parts) = schema[key].as_array() {
            return parts.iter().map(shape).collect::<Vec<_>>().join(between);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return values.join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if !schema["items"].is_null() {
        return format!("[{}]", shape(&schema["items"]));
    }
    let properties: Vec<_> = properties(schema)
        .map(|(name, shape)| format!("{name}: {shape}"))
        .collect();
    match &schema["type"] {
        Value::String(kind) if kind == "object" => format!("{{{}}}", properties.join(", ")),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" | ")
        }
        _ => "any".to_owned(),
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (String, String)> {
    members(&schema["properties"]).map(|(property, inner)| {
        let required = schema["required"].as_array();
        let is_required = required.is_some_and(|names| names.iter().any(|name| name == property));
        (name(property, &is_required.into()), shape(inner))
    })
}

fn name(name: &str, required: &Value) -> String {
    match required == true {
        true => name.to_owned(),
        false => format!("{name}?"),
    }
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// Returns the component that a value refers to, or the value.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str();
    reference.map_or(value, |at| document.pointer(&at[1..]).unwrap())
}
