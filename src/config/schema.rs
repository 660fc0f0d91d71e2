//! The JSON Schema of the configuration file, from the raw structs. It must not know values.

use serde_json::Value;

use super::raw::RawConfig;

/// Returns the schema (draft 2020-12) of a file.
pub(super) fn of_the_file() -> Value {
    let mut schema = schemars::schema_for!(RawConfig).to_value();
    deny_null(&mut schema);
    schema
}

/// Removes "or null" from optional keys: an absent key is fine and a null is refused.
fn deny_null(node: &mut Value) {
    match node {
        Value::Array(values) => values.iter_mut().for_each(deny_null),
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = choices.as_mut_slice() {
                    let only = std::mem::take(only);
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(deny_null);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(file: &Value) -> bool {
        jsonschema::validator_for(&of_the_file())
            .unwrap()
            .is_valid(file)
    }

    fn with(upstream: Value, aggregate: Value) -> Value {
        json!({"upstreams": {"users": upstream}, "aggregates": {"default": aggregate}})
    }

    #[test]
    fn the_schema_takes_what_is_right_and_refuses_what_the_loader_refuses() {
        assert!(takes(&with(
            json!({"url": "http://a", "timeout": "1m 30s", "max_body": "1.5MiB", "success": ["2xx", "404"],
                   "max_in_flight": 3, "method": "POST", "headers": {"a": "b"}, "tls": {"ca": "x"}}),
            json!({"calls": ["users", {"upstream": "users", "name": "b", "pass_status": [401, 599]}], "mode": "async", "wait_for": 2}),
        )));
        assert!(takes(&with(
            json!({"url": "http://a"}),
            json!({"path": "/a/{b:int}", "methods": ["GET", "QUERY"], "shape": {"value": "users.body"}, "parameters": false,
                   "calls": [{"upstream": "users", "path": "/{path.b}", "query": {"a": ["{path.b}", 1, true], "c": -1},
                              "method": "QUERY", "json": {"a": [null, 1.5]}, "each": "{a.body}", "tolerate": "10%",
                              "fallback": 5, "answer": false, "keep": ["a"]}]}),
        )));
        for (upstream, aggregate) in [
            (json!({"ulr": "http://a"}), json!({})),
            (json!({}), json!({"methods": ["HEAD"]})),
            (json!({}), json!({"methods": []})),
            (json!({}), json!({"shape": "merged"})),
            (json!({}), json!({"shape": {"valeu": "a"}})),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "query": {"a": 1.5}}]}),
            ),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "headers": {"a": 1}}]}),
            ),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "tolerate": -1}]}),
            ),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "max": 0}]}),
            ),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "keep": []}]}),
            ),
            (json!({"timeout": 5}), json!({})),
            (json!({"timeout": "5"}), json!({})),
            (json!({"timeout": null}), json!({})),
            (json!({"max_body": 5}), json!({})),
            (json!({"max_body": "512"}), json!({})),
            (json!({"max_in_flight": 0}), json!({})),
            (json!({"max_in_flight": 1.5}), json!({})),
            (json!({"success": ["ok"]}), json!({})),
            (json!({"method": "get"}), json!({})),
            (json!({"tls": ["x"]}), json!({})),
            (json!({}), json!({"calls": []})),
            (json!({}), json!({"calls": [1]})),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "pass_status": ["401"]}]}),
            ),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "pass_status": [399]}]}),
            ),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "pass_status": [401, 407]}]}),
            ),
            (
                json!({}),
                json!({"calls": [{"upstream": "users", "pass_status": [401, 401]}]}),
            ),
            (json!({}), json!({"mode": "parallel"})),
            (json!({}), json!({"wait_for": "2"})),
        ] {
            assert!(
                !takes(&with(upstream.clone(), aggregate.clone())),
                "{upstream} {aggregate}"
            );
        }
        assert!(!takes(&json!({"upstreams": {"Users": {}}})));
        assert!(!takes(&json!({"defaults": {"url": "http://a"}})));
        assert!(!takes(&json!({"server": {"listen": 8080}})));
    }

    #[test]
    fn the_keys_with_references_and_with_expressions_are_marked() {
        let schema = of_the_file();
        let keys = schema["$defs"]["Call"]["properties"].as_object().unwrap();
        let marked = |mark: &str| -> Vec<_> {
            let marked = keys.iter().filter(|(_, key)| key["x-gather"] == mark);
            marked.map(|(key, _)| key.as_str()).collect()
        };
        assert_eq!(marked("expression"), ["expect", "select", "when"]);
        let references = ["each", "form", "headers", "json", "path", "query"];
        assert_eq!(marked("references"), references);
        let value = &schema["$defs"]["ShapeValue"]["properties"]["value"];
        assert_eq!(value["x-gather"], "expression");
    }

    #[test]
    fn every_setting_is_described() {
        fn undescribed(path: &str, node: &Value, found: &mut Vec<String>) {
            if let Some(properties) = node.get("properties").and_then(Value::as_object) {
                for (key, property) in properties {
                    let described = property.get("description").is_some();
                    if !described {
                        found.push(format!("{path}.{key}"));
                    }
                }
            }
            if let Some(object) = node.as_object() {
                object
                    .iter()
                    .for_each(|(key, value)| undescribed(key, value, found));
            }
        }
        let mut found = Vec::new();
        undescribed("", &of_the_file(), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}
