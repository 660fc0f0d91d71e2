//! `gather openapi`: the outline of the document of the shipped configuration, and that a gateway serves what is
//! printed. `api/openapi.rs` and `peers/openapi.rs` hold the document against real answers.

mod outline;

use serde_json::{Value, json};

use crate::{
    before, file,
    program::{Running, get, repository, run},
};

fn shipped() -> String {
    let file = repository("config/gather.toml");
    run(&["openapi", "-c", file.to_str().unwrap()])
        .expect(0)
        .stdout
}

#[test]
fn the_document_of_the_shipped_configuration_has_the_outline_that_was_reviewed() {
    let document: Value = serde_json::from_str(&shipped()).unwrap();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(outline::outline(&document));
}

#[test]
fn a_gateway_serves_the_very_bytes_that_are_printed() {
    let configuration = before(&["http://127.0.0.1:9/".to_owned()]);
    let (_folder, file) = file(&configuration);
    let printed = run(&["openapi", "-c", &file]).expect(0).stdout;
    let (_gateway, address) = Running::serve(&configuration);
    let served = get(address, "/openapi.json");
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert!(served.text() == printed, "not the same bytes");
    assert_ne!(printed, shipped(), "it depends on the configuration");
}

fn document(arguments: &[&str]) -> Value {
    let configuration = "upstreams.a.url = \"http://127.0.0.1:9/\"\naggregates.default = { calls = [\"a\"], compare = true }";
    let (_folder, file) = file(configuration);
    let printed = run(&[&["openapi", "-c", &file], arguments].concat()).expect(0);
    serde_json::from_str(&printed.stdout).unwrap()
}

/// The places, as pointers, at which two values differ: the one nearest to the root that one of them has not, or has as
/// another value.
fn differences(a: &Value, b: &Value, at: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<_> = a.keys().chain(b.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => differences(a, b, &at, found),
                    _ => found.push(at),
                }
            }
        }
        _ if a == b => {}
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn the_two_versions_differ_in_streams_and_nothing_else() {
    let (older, newer) = (document(&[]), document(&["--version", "3.2"]));
    assert_eq!(document(&["--version", "3.1"]), older);
    let mut found = Vec::new();
    differences(&older, &newer, "", &mut found);
    insta::assert_snapshot!(found.join("\n"), @"
    /components/pathItems
    /info/description
    /openapi
    /paths/~1aggregate/get/responses/200/content/application~1x-ndjson
    /paths/~1aggregate/get/responses/200/content/text~1event-stream
    /paths/~1aggregate~1default/get/responses/200/content/application~1x-ndjson
    /paths/~1aggregate~1default/get/responses/200/content/text~1event-stream
    ");
    assert_eq!([&older["openapi"], &newer["openapi"]], ["3.1.0", "3.2.0"]);
}

#[test]
fn version_3_2_describes_each_message_of_a_stream() {
    let document = document(&["--version=3.2"]);
    let content = &document["paths"]["/aggregate"]["get"]["responses"]["200"]["content"];
    let items = json!({
        "lines": content["application/x-ndjson"]["itemSchema"],
        "events": content["text/event-stream"]["itemSchema"],
    });
    insta::assert_snapshot!(serde_json::to_string_pretty(&items).unwrap());
}

#[test]
fn the_examples_of_streams_are_what_version_3_2_says_of_each_message() {
    let document = document(&["--version=3.2"]);
    let content = &document["paths"]["/aggregate"]["get"]["responses"]["200"]["content"];
    let messages = |media_type: &str| {
        let stream = &content[media_type];
        let text = stream["examples"]["complete"]["serializedValue"].as_str();
        (text.unwrap(), &stream["itemSchema"])
    };
    let (lines, schema) = messages("application/x-ndjson");
    for line in lines.lines() {
        holds(&document, schema, &serde_json::from_str(line).unwrap());
    }
    let (events, schema) = messages("text/event-stream");
    for event in events.split_terminator("\n\n") {
        let fields = event.lines().map(|field| field.split_once(": ").unwrap());
        let event: Value = fields.collect();
        holds(&document, schema, &event);
        let data = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
        let number = usize::from(event["event"] == "outcome");
        let schema = &schema["oneOf"][number]["properties"]["data"]["contentSchema"];
        holds(&document, schema, &data);
    }
}

fn holds(document: &Value, schema: &Value, value: &Value) {
    let whole = json!({"allOf": [schema], "unevaluatedProperties": false, "components": document["components"]});
    let validator = jsonschema::validator_for(&whole).unwrap();
    let found: Vec<_> = validator
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect();
    assert!(found.is_empty(), "{found:#?}\n{value:#}");
}

#[test]
fn another_version_is_a_mistake_on_the_command_line() {
    for version in ["3.0", "3.3", "4", "3.2.0", "", "latest"] {
        let finished = run(&["openapi", "--version", version]).expect(2);
        assert_eq!(finished.stdout, "");
        for said in ["--version <VERSION>", "3.1, 3.2"] {
            assert!(finished.stderr.contains(said), "{}", finished.stderr);
        }
    }
}

#[test]
fn a_bad_configuration_has_no_document() {
    let (_folder, file) = file("[server]\nlistne = \"127.0.0.1:0\"\n");
    let finished = run(&["openapi", "-c", &file]).expect(1);
    assert_eq!(finished.stdout, "");
    assert!(finished.stderr.contains("listne"), "{}", finished.stderr);
}
