//! Requests that are made from values, for the tests of this folder: short ways to write them, and a plain reading of
//! the bytes that are sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use super::{Composed, Content, Request, Settings, recipe::Recipe};
use crate::{
    exchange::{Allowance, ClientBody, ClientContext},
    fanout::{AttemptId, Earlier, Failure},
    values::{
        FormTemplate, HeaderTemplate, Item, JsonTemplate, Known, PathTemplate, QueryTemplate, Scope,
    },
};

/// The names that the tests may use: the parameter `id`, the calls `users` and `own`, and everything else.
pub(super) fn known<R>(use_them: impl FnOnce(&Known<'_>) -> R) -> R {
    use_them(&Known {
        path: &["id".into()],
        calls: &["users".into(), "own".into()],
        own: Some(1),
        own_result: true,
        in_each: true,
        has_body: true,
        has_client: true,
    })
}

pub(super) fn path(text: &str) -> PathTemplate {
    known(|known| PathTemplate::parse("", text, known)).unwrap()
}

pub(super) fn query(name: &str, text: &str) -> QueryTemplate {
    known(|known| QueryTemplate::parse(name, text, known)).unwrap()
}

pub(super) fn header(name: &'static str, text: &str) -> (HeaderName, HeaderTemplate) {
    let template = known(|known| HeaderTemplate::parse(text, known)).unwrap();
    (HeaderName::from_static(name), template)
}

pub(super) fn json(text: &str) -> Option<Content> {
    let value = serde_json::from_str(text).unwrap();
    let template = known(|known| JsonTemplate::parse(&value, known)).unwrap();
    Some(Content::Json(template))
}

pub(super) fn form(name: &str, value: &str) -> Option<Content> {
    let pairs = [(name.to_owned(), value.to_owned())];
    let template = known(|known| FormTemplate::parse(&pairs, known)).unwrap();
    Some(Content::Form(template))
}

/// Returns a request of this method for `/base?fixed=1`, with these parts that vary.
pub(super) fn request(method: Method, composed: Composed) -> Request {
    let composed = Composed {
        call: 1,
        ..composed
    };
    Request {
        method,
        composed: Some(Arc::new(composed)),
        ..Settings::of("http://users/base?fixed=1").request
    }
}

/// Returns a client whose route has this value, with room for bodies.
pub(super) fn client(id: &str) -> ClientContext {
    ClientContext {
        path: vec![id.to_owned()],
        allowance: Allowance::new(1 << 20),
        ..ClientContext::new(HeaderValue::from_static("the-id"))
    }
}

/// Returns a client whose body is this JSON.
pub(super) fn with_body(json: impl Into<Bytes>) -> ClientContext {
    ClientContext {
        body: Some(ClientBody {
            bytes: json.into(),
            content_type: Some(HeaderValue::from_static("application/json; a=b")),
            is_json: true,
        }),
        ..client("42")
    }
}

/// A request as a server reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) method: String,
    /// As it was sent.
    pub(super) target: String,
    /// The segments of the path, decoded.
    pub(super) segments: Vec<Vec<u8>>,
    /// The pairs of the query, decoded.
    pub(super) pairs: Vec<(String, String)>,
    /// The fields, in order.
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Sent {
    /// Reads a request plainly. It must be whole, and nothing may follow.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let size = request.parse(bytes).unwrap().unwrap();
        assert_eq!(request.version, Some(1));
        let fields: Vec<_> = request
            .headers
            .iter()
            .map(|field| (field.name.to_owned(), field.value.to_vec()))
            .collect();
        let target = request.path.unwrap().to_owned();
        assert!(
            target
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#'),
            "{target}"
        );
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let segments = path.strip_prefix('/').unwrap().split('/');
        let sent = Self {
            method: request.method.unwrap().to_owned(),
            segments: segments
                .map(|segment| percent_encoding::percent_decode_str(segment).collect())
                .collect(),
            pairs: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            fields,
            body: bytes[size..].to_vec(),
            target,
        };
        let length = sent
            .only("content-length")
            .map(|length| length.parse().unwrap());
        assert_eq!(length.unwrap_or(0), sent.body.len());
        assert_eq!(sent.only("transfer-encoding"), None);
        assert_eq!(sent.only("host"), Some("users"));
        assert_eq!(sent.only("x-request-id"), Some("the-id"));
        sent
    }

    fn all(&self, name: &str) -> Vec<&[u8]> {
        let fields = self.fields.iter().filter(|(own, _)| own == name);
        fields.map(|(_, value)| &**value).collect()
    }

    /// Returns the value of a field that is there at most once.
    pub(super) fn only(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} is there {} times", all.len());
        all.first().map(|value| std::str::from_utf8(value).unwrap())
    }

    /// Changes the value of a field.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let mut fields = self.fields.iter_mut();
        let field = fields.find(|(own, _)| own == name).expect("the field");
        field.1 = value.into();
    }

    /// Changes the body and its length.
    pub(super) fn set_body(&mut self, body: Vec<u8>) {
        self.set("content-length", &body.len().to_string());
        self.body = body;
    }

    /// Returns the names of the fields, in order.
    pub(super) fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| &**name).collect()
    }
}

/// Returns the request that is sent for this client, for an element if there is one.
pub(super) fn sent(
    request: &Request,
    client: &ClientContext,
    item: Option<&[u8]>,
) -> Result<Sent, Failure> {
    let address = Settings::of("http://users").service.address;
    let recipe = Recipe::new(&address, request, None).expect("some part varies");
    let rendered = recipe.render(&Scope {
        client,
        earlier: Earlier::NONE,
        own: None,
        item: item.map(|json| Item { index: 7, json }),
    })?;
    let (bytes, rest) = rendered.bytes(client, AttemptId::ONLY);
    assert_eq!(rendered.bytes(client, AttemptId::ONLY).0, bytes);
    Ok(Sent::read(&[&bytes, rest].concat()))
}
