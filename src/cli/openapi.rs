//! `gather openapi`: the OpenAPI document of a configuration.

use std::io::Write as _;

use clap::Args;

use super::{Done, check::Files, screen};
use crate::app;

/// Prints the OpenAPI 3.1 document of the gateway, the same as its `/openapi.json`.
#[derive(Debug, Args)]
pub(super) struct OpenApi {
    #[command(flatten)]
    files: Files,
}

impl OpenApi {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        match self.files.load()? {
            Ok(config) => {
                let document = app::openapi(
                    &config.server,
                    config.admin.is_none(),
                    &config.aggregates,
                    &config.upstreams,
                );
                let mut out = screen::out();
                out.write_all(&document)?;
                out.flush()?;
                Ok(Done::Well)
            }
            Err(mistakes) => {
                writeln!(anstream::stderr(), "{mistakes}")?;
                Ok(Done::Badly)
            }
        }
    }
}
