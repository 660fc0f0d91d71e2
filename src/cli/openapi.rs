//! `gather openapi`: the OpenAPI document of a configuration.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use super::{
    Done,
    check::{self, Files},
    screen,
};
use crate::app;

/// Prints the OpenAPI document of the gateway; in 3.1 the same as its `/openapi.json`.
#[derive(Debug, Args)]
// Here `--version` is the version of OpenAPI, as a user expects after `openapi`.
#[command(disable_version_flag = true)]
pub(super) struct OpenApi {
    #[command(flatten)]
    files: Files,

    /// The version of OpenAPI: 3.2 describes the messages of streams too, which not all programs read yet.
    #[arg(long, value_enum, default_value_t = Version::V3_1)]
    version: Version,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Version {
    #[value(name = "3.1")]
    V3_1,
    #[value(name = "3.2")]
    V3_2,
}

impl From<Version> for app::OpenApiVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::V3_1 => Self::V3_1,
            Version::V3_2 => Self::V3_2,
        }
    }
}

impl OpenApi {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        match self.files.load(None)? {
            Ok(config) => {
                let document = app::openapi(
                    &config.process.server,
                    config.process.admin.is_none(),
                    &config.services,
                    self.version.into(),
                );
                let mut out = screen::out();
                out.write_all(&document)?;
                out.flush()?;
                Ok(Done::Well)
            }
            Err(mistakes) => check::refuse(&mistakes),
        }
    }
}
