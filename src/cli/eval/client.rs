//! The client's request, as options name its parts. It must not know the calls.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use clap::Args;
use http::{HeaderName, HeaderValue};

use super::saved;
use crate::{
    exchange::{ClientBody, ClientContext},
    values::{Reference, Root},
};

/// The parts of the client's request.
#[derive(Debug, Args)]
pub(super) struct Values {
    /// A parameter of the route
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    path: Vec<(String, String)>,
    /// A query parameter; given again, it is a list
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    query: Vec<(String, String)>,
    /// A header field
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The client's JSON body
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = pair(text)?;
    let name = name
        .parse()
        .map_err(|_| "expected the name of a header field before `=`")?;
    let value = value
        .parse()
        .map_err(|_| "expected the value of a header field after `=`")?;
    Ok((name, value))
}

impl Values {
    /// Makes the request. `parameters` are those of the route, in order.
    pub(super) fn context(&self, parameters: &[Arc<str>]) -> anyhow::Result<ClientContext> {
        for (name, _) in &self.path {
            if !parameters.iter().any(|known| **known == **name) {
                bail!("--path: the route has no parameter `{name}`");
            }
        }
        let path = parameters.iter().map(|name| {
            let given = self.path.iter().rfind(|(own, _)| **own == **name);
            given.map(|(_, value)| value.clone()).unwrap_or_default()
        });
        let query = self.query.iter().map(|(name, value)| {
            let mut pair = form_urlencoded::Serializer::new(String::new());
            pair.append_pair(name, value);
            (name.clone(), pair.finish())
        });
        let body = self.body.as_ref().map(|file| {
            let shown = file.display();
            let bytes = fs::read(file).with_context(|| format!("{shown} can't be read"))?;
            saved::valid(&bytes).with_context(|| format!("{shown} is not JSON"))?;
            Ok::<_, anyhow::Error>(ClientBody {
                bytes: bytes.into(),
                content_type: None,
                is_json: true,
            })
        });
        Ok(ClientContext {
            path: path.collect(),
            query: query.collect(),
            headers: self.header.clone(),
            body: body.transpose()?,
            ..ClientContext::new(HeaderValue::from_static(""))
        })
    }

    /// Refuses a reference to a part that is always there and that no option has given.
    pub(super) fn check(&self, reference: &Reference) -> anyhow::Result<()> {
        let text = &reference.text;
        match reference.root {
            Root::Path(_) => {
                let name = text
                    .trim_start_matches("path")
                    .trim_matches(['.', '[', ']', '"']);
                if !self.path.iter().any(|(own, _)| own == name) {
                    bail!("`{text}` is not given: add --path {name}=VALUE");
                }
            }
            Root::Body if self.body.is_none() => {
                bail!("`{text}` is not given: add --body FILE");
            }
            _ => {}
        }
        Ok(())
    }
}
