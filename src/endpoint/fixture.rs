//! An aggregate for tests, with one call. It must not know what is tested.

use std::sync::Arc;

use http::Method;

use super::{Endpoint, EndpointCall, Limits, ParameterKind, PathParameter, Route, Takes};
use crate::{
    compose::{CallShape, Shape},
    fanout::{Need, Rules, UpstreamId},
};

/// Makes an aggregate with these methods and this route, whose call takes these parts of a request.
pub(crate) fn endpoint(methods: &[&str], path: Option<&str>, takes: Takes) -> Endpoint {
    let methods = methods
        .iter()
        .map(|name| Method::from_bytes(name.as_bytes()));
    let forward_query = takes.query.iter().map(|name| name.to_string());
    Endpoint {
        name: "home".into(),
        rules: Rules::default(),
        limits: Limits {
            compare: false,
            max_body: 1 << 20,
            max_request_body: 1000,
            parameters: true,
        },
        forward_headers: takes.headers.clone(),
        forward_query: forward_query.collect(),
        calls: vec![EndpointCall {
            name: "users".into(),
            id: UpstreamId(0),
            upstream: "users".into(),
            need: Need::Required,
            after: Box::default(),
            shape: CallShape::default(),
            takes,
        }],
        deadline_headers: Arc::default(),
        pass_status: Vec::new(),
        route: path.map(route),
        methods: methods.collect::<Result<_, _>>().unwrap(),
        shape: Shape::default(),
        response_headers: Vec::new(),
    }
}

/// Makes a route of its path, `/users/{id:int}/home`.
pub(crate) fn route(path: &str) -> Route {
    let inside = path.split('{').skip(1);
    let parameters = inside.filter_map(|rest| rest.split('}').next());
    let parameters = parameters.map(|written| {
        let (name, kind) = written.split_once(':').unwrap_or((written, ""));
        PathParameter {
            name: name.into(),
            kind: match kind {
                "int" => ParameterKind::Int,
                "uuid" => ParameterKind::Uuid,
                _ => ParameterKind::Text,
            },
        }
    });
    Route {
        path: path.into(),
        parameters: parameters.collect(),
    }
}
