//! A request with values from every source, for tests and fuzz targets. It must not know what is checked.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Item, Known, Scope};
use crate::{
    exchange::{ClientBody, ClientContext},
    fanout::{Body, CallResult, Earlier, Failure, FailureKind, Reply},
    pick::quote,
};

/// The calls of the aggregate: `users` has answered with JSON, `notes` with text, `broken` has failed, `unasked` was
/// omitted.
pub(crate) const CALLS: [&str; 4] = ["users", "notes", "broken", "unasked"];

/// The references to one text in each source.
pub(crate) const SOURCES: [&str; 8] = [
    "path.v",
    "query.v",
    "headers.v",
    "body.v",
    "users.body.v",
    "users.headers.v",
    "notes.body",
    "item.v",
];

/// The names that [`Values`] has values for.
#[derive(Debug)]
pub(crate) struct Names {
    path: Vec<Arc<str>>,
    calls: Vec<Arc<str>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            path: vec!["v".into()],
            calls: CALLS.map(Arc::from).to_vec(),
        }
    }

    pub(crate) fn known(&self) -> Known<'_> {
        Known {
            path: &self.path,
            calls: &self.calls,
            own: None,
            own_result: false,
            in_each: true,
            has_body: true,
            has_client: true,
        }
    }
}

/// The values of one request.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) client: ClientContext,
    pub(crate) results: Vec<CallResult>,
    item: Vec<u8>,
}

impl Values {
    /// Makes a request of a JSON value, which is the body of the client, the answer of `users` and the element.
    pub(crate) fn of_json(json: &[u8]) -> Self {
        let json = Bytes::copy_from_slice(json);
        let client = ClientContext {
            body: Some(ClientBody {
                bytes: json.clone(),
                content_type: None,
                is_json: true,
            }),
            ..ClientContext::new(HeaderValue::from_static("id"))
        };
        let failed = |kind| Err(Failure::new(kind, "because"));
        let results = [
            Ok(Reply::new(StatusCode::OK, Body::Json(json.clone()))),
            Ok(Reply::new(StatusCode::OK, Body::Empty)),
            failed(FailureKind::Connect),
            failed(FailureKind::Omitted),
        ];
        Self {
            client,
            results: results.map(result).into(),
            item: json.to_vec(),
        }
    }

    /// Makes a request that has this text in every source. A field that can't hold it isn't there.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut json = b"{\"v\":".to_vec();
        quote(text, &mut json);
        json.push(b'}');
        let mut values = Self::of_json(&json);
        values.client.path.push(text.to_owned());
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let pair = ("v".to_owned(), format!("v={encoded}"));
        values.client.query.push(pair);
        values.set_field(text.as_bytes());
        values.set_note(text);
        values
    }

    /// Sets the field `v` of the client and of `users`.
    pub(crate) fn set_field(&mut self, value: &[u8]) {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return;
        };
        let field = (HeaderName::from_static("v"), value);
        self.client.headers = vec![field.clone()];
        if let Ok(reply) = &mut self.results[0].result {
            reply.fields = Some([field].into_iter().collect());
        }
    }

    fn set_note(&mut self, text: &str) {
        let body = Body::Text {
            content_type: None,
            text: Bytes::copy_from_slice(text.as_bytes()),
        };
        self.results[1].result = Ok(Reply::new(StatusCode::OK, body));
    }

    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            client: &self.client,
            earlier: Earlier::over(&self.results, None),
            own: None,
            item: Some(Item {
                index: 3,
                json: &self.item,
            }),
        }
    }
}

fn result(result: Result<Reply, Failure>) -> CallResult {
    CallResult::new("call", Duration::ZERO, Duration::ZERO, result)
}
