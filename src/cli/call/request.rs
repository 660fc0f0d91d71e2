//! The request that `gather call` sends, as options name its parts. It must not know the answer.

use std::{fs, io::Read as _};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, header};

use crate::{
    cli::{client::Sent, shaped},
    fanout::Fields,
};

/// The parts of the request.
#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// The method; without it POST with a body, and GET without
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<Method>,
    /// The body, or the file that has it after an @; @- is standard input. Its type is application/json unless -H says
    /// another
    #[arg(short = 'd', long, value_name = "TEXT|@FILE")]
    data: Option<String>,
    /// A header field
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    const EXPECTED: &str = "expected a header field such as `accept-language: de`";
    let (name, value) = text.split_once(':').ok_or(EXPECTED)?;
    let name = name.trim().parse().map_err(|_| EXPECTED)?;
    let value = value.trim().parse().map_err(|_| EXPECTED)?;
    Ok((name, value))
}

impl RequestArgs {
    /// Reads the body, and returns the request.
    pub(super) fn sent(&self) -> anyhow::Result<Sent> {
        let body = self.data.as_deref().map(body).transpose()?;
        let mut headers = self.headers.clone();
        let has_type = headers
            .iter()
            .any(|(name, _)| *name == header::CONTENT_TYPE);
        if body.is_some() && !has_type {
            let json = HeaderValue::from_static("application/json");
            headers.push((header::CONTENT_TYPE, json));
        }
        let usual = match body {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        Ok(Sent {
            method: self.method.clone().unwrap_or(usual),
            headers,
            body,
            kept: shaped::FIELDS.to_vec(),
        })
    }

    /// Returns the fields of an answer that are kept.
    pub(super) fn kept<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Box<Fields> {
        let all = shaped::FIELDS.into_iter();
        let kept = all.filter_map(|name| {
            let value = field(name.as_str())?.parse().ok()?;
            Some((name, value))
        });
        kept.collect()
    }
}

fn body(text: &str) -> anyhow::Result<Bytes> {
    let Some(file) = text.strip_prefix('@') else {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    };
    if file == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.context("standard input can't be read")?;
        return Ok(bytes.into());
    }
    let bytes = fs::read(file).with_context(|| format!("{file} can't be read"))?;
    Ok(bytes.into())
}
