//! The document of aggregates with routes, methods and bodies.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use crate::{
    compose::Shape,
    endpoint::{Endpoint, Takes, fixture},
    openapi::{Surface, Version, document},
};

fn described(endpoint: Endpoint, version: Version) -> Value {
    let endpoints = [Arc::new(endpoint)];
    let surface = Surface {
        endpoints: &endpoints,
        operations: true,
        console: true,
        compression: false,
    };
    serde_json::from_slice(&document(&surface, version)).unwrap()
}

/// Returns the operations of a path, in order.
fn operations(item: &Value) -> Vec<&str> {
    let members = item.as_object().unwrap().keys().map(String::as_str);
    members.filter(|name| *name != "parameters").collect()
}

/// Returns the parameters of a path that have these names.
fn parameters<'a>(item: &'a Value, names: &[&str]) -> Vec<&'a Value> {
    let all = item["parameters"].as_array().unwrap().iter();
    all.filter(|one| names.iter().any(|name| one["name"] == *name))
        .collect()
}

#[test]
fn a_route_has_its_parameters_in_its_path_and_by_name_in_the_query() {
    let path = "/users/{id:int}/{key:uuid}/{page}";
    let endpoint = fixture::endpoint(&["GET"], Some(path), Takes::default());
    let document = described(endpoint, Version::V3_1);
    let names = ["id", "key", "page"];
    for (path, place) in [
        ("/users/{id}/{key}/{page}", "path"),
        ("/aggregate/home", "query"),
    ] {
        let item = &document["paths"][path];
        assert_eq!(operations(item), ["get", "head"], "{path}");
        let parameters = parameters(item, &names);
        let kinds = ["integer", "string", "string"];
        for ((parameter, name), kind) in parameters.iter().zip(names).zip(kinds) {
            assert_eq!(parameter["name"], name);
            assert_eq!(parameter["in"], place);
            assert_eq!(parameter["required"], true);
            assert_eq!(parameter["schema"]["type"], kind);
        }
        assert_eq!(parameters.len(), 3);
        assert_eq!(parameters[0]["schema"]["format"], "int64");
        assert_eq!(parameters[1]["schema"]["format"], "uuid");
        let bad = &item["get"]["responses"]["400"]["$ref"];
        assert_eq!(*bad, "#/components/responses/BadParameters");
    }
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"];
    let mut endpoint = fixture::endpoint(&methods, Some("/all/{id}"), Takes::default());
    endpoint.name = "default".into();
    for version in [Version::V3_1, Version::V3_2] {
        let document = described(endpoint.clone(), version);
        let mut ids = BTreeSet::new();
        let mut count = 0;
        for item in document["paths"].as_object().unwrap().values() {
            for operation in operations(item) {
                let id = item[operation]["operationId"].as_str().unwrap();
                ids.insert(id.to_owned());
                count += 1;
            }
        }
        let expected = if version == Version::V3_1 { 28 } else { 31 };
        assert_eq!((ids.len(), count), (expected, expected));
        let id = &document["paths"]["/all/{id}"]["patch"]["operationId"];
        assert_eq!(*id, "patch_route_default");
    }
}

#[test]
fn a_query_is_described_where_the_version_can_and_under_its_post() {
    let takes = Takes {
        json: true,
        ..Takes::default()
    };
    let endpoint = fixture::endpoint(&["QUERY"], Some("/search"), takes);
    for (version, expected) in [
        (Version::V3_1, &["post"][..]),
        (Version::V3_2, &["post", "query"]),
    ] {
        let document = described(endpoint.clone(), version);
        let item = &document["paths"]["/search"];
        let mut found = operations(item);
        found.sort_unstable();
        assert_eq!(found, expected);
        for operation in found {
            let operation = &item[operation];
            let body = &operation["requestBody"];
            assert_eq!(body["required"], true);
            assert_eq!(body["content"], json!({"application/json": {"schema": {}}}));
            for (status, name) in [("400", "BadBody"), ("415", "UnsupportedMediaType")] {
                let reference = format!("#/components/responses/{name}");
                assert_eq!(operation["responses"][status]["$ref"], reference);
            }
        }
        let about = item["post"]["description"].as_str().unwrap();
        assert!(about.contains("QUERY"), "{about}");
    }
}

#[test]
fn a_query_and_the_post_that_does_the_same_need_a_body_that_goes_on_as_it_came() {
    let takes = Takes {
        body: true,
        ..Takes::default()
    };
    let endpoint = fixture::endpoint(&["QUERY"], Some("/search"), takes);
    let document = described(endpoint, Version::V3_2);
    for operation in ["post", "query"] {
        let body = &document["paths"]["/search"][operation]["requestBody"];
        assert_eq!(body["required"], true, "{operation}");
    }
}

#[test]
fn only_methods_with_a_body_have_one() {
    let takes = Takes {
        body: true,
        ..Takes::default()
    };
    let methods = ["GET", "POST", "DELETE"];
    let document = described(fixture::endpoint(&methods, None, takes), Version::V3_1);
    let item = &document["paths"]["/aggregate/home"];
    for (operation, has_body) in [
        ("get", false),
        ("head", false),
        ("post", true),
        ("delete", false),
    ] {
        let body = &item[operation]["requestBody"];
        assert_eq!(body.is_object(), has_body, "{operation}");
    }
    let body = &item["post"]["requestBody"];
    assert_eq!(body["required"], false);
    let about = body["description"].as_str().unwrap();
    assert!(
        about.contains("1000 B") && about.contains("`users`"),
        "{about}"
    );
}

#[test]
fn what_references_take_says_who_takes_it() {
    let takes = Takes {
        query: vec!["since".into()],
        headers: vec![http::HeaderName::from_static("x-tenant")],
        ..Takes::default()
    };
    let mut endpoint = fixture::endpoint(&["GET"], Some("/a/{mode}"), takes);
    endpoint.forward_query.push("until".to_owned());
    let document = described(endpoint.clone(), Version::V3_1);
    let item = &document["paths"]["/a/{mode}"];
    let taken = parameters(item, &["since", "x-tenant"]);
    assert_eq!(taken.len(), 2);
    for parameter in taken {
        assert_eq!(
            parameter["description"],
            "Goes into the requests of `users`."
        );
        assert_ne!(parameter["required"], true);
    }
    let passed = parameters(item, &["until"])[0]["description"]
        .as_str()
        .unwrap();
    assert!(passed.starts_with("Passed on"), "{passed}");
    // The route's own parameter goes before Gather's of the same name.
    assert_eq!(parameters(item, &["mode"]).len(), 2);
    let by_name = &document["paths"]["/aggregate/home"];
    assert_eq!(parameters(by_name, &["mode"]).len(), 1);
    endpoint.limits.parameters = false;
    let document = described(endpoint, Version::V3_1);
    let item = &document["paths"]["/a/{mode}"];
    assert_eq!(parameters(item, &["mode", "timeout", "calls"]).len(), 1);
}

#[test]
fn a_merged_answer_has_a_member_for_each_call_and_the_fields_that_go_on() {
    let mut endpoint = fixture::endpoint(&["GET"], Some("/"), Takes::default());
    endpoint.shape = Shape::Merge;
    endpoint.response_headers = vec![http::header::ETAG, http::header::CACHE_CONTROL];
    let document = described(endpoint, Version::V3_1);
    for path in ["/", "/aggregate/home"] {
        let good = &document["paths"][path]["get"]["responses"]["200"];
        let schema = &good["content"]["application/json"]["schema"];
        let members = schema["properties"].as_object().unwrap();
        assert!(members.len() == 2 && members.contains_key("users"));
        let field = |name: &str| good["headers"][name]["$ref"].clone();
        assert_eq!(field("etag"), "#/components/headers/Passed");
        // The gateway's own goes before one of the same name.
        assert_eq!(field("cache-control"), Value::Null);
        assert_eq!(field("Cache-Control"), "#/components/headers/Cache-Control");
    }
}
