//! `gather eval`: a reference or an expression against a saved answer. It must not know how calls are made.

mod client;
mod saved;
mod subject;
mod whole;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use clap::Args;

use self::{client::Values, saved::Saved, subject::Subject};
use super::{Done, check, explain, screen};
use crate::{
    config::Aggregate,
    endpoint::may_have_body,
    fanout::Earlier,
    values::{Item, Known, Part, Reference, Root, Scope},
};

/// Evaluates a reference or an expression against a saved answer, and prints its value as JSON.
///
/// EXPRESSION is a reference such as `users.body.team.id`, with or without braces, `?`, `??` and `join`, a text with
/// references in braces, or an expression (CEL). Exit status: 0 with a value, 1 without.
#[derive(Debug, Args)]
pub(super) struct Eval {
    #[command(flatten)]
    files: check::Files,
    /// The aggregate
    name: String,
    /// A reference or an expression
    #[arg(value_name = "EXPRESSION", allow_hyphen_values = true)]
    text: String,
    /// An answer of the aggregate as Gather sent it: a report, a problem with results, a comparison (its concurrent
    /// run) or a stream of lines; - is standard input
    #[arg(long, value_name = "RESULTS.json")]
    with: PathBuf,
    #[command(flatten)]
    client: Values,
    /// The element that `item` stands for, as JSON; `index` is then 0
    #[arg(long, value_name = "JSON")]
    item: Option<String>,
}

impl Eval {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let config = match self.files.load(None)? {
            Ok(config) => config,
            Err(mistakes) => return check::refuse(&mistakes),
        };
        let aggregate = explain::find(&config.services.aggregates, &self.name)?;
        let parameters: Vec<_> = aggregate
            .route
            .iter()
            .flat_map(|route| &route.parameters)
            .map(|parameter| parameter.name.clone())
            .collect();
        let names: Vec<Arc<str>> = (aggregate.calls.iter())
            .map(|call| call.name.clone())
            .collect();
        let known = Known {
            path: &parameters,
            calls: &names,
            own: None,
            own_result: false,
            in_each: self.item.is_some(),
            has_body: aggregate.methods.iter().any(may_have_body),
            has_client: true,
        };
        let has_each =
            (aggregate.calls.iter()).any(|call| config.services.elements(call).is_some());
        let subject = self.subject(&known, has_each)?;
        if let Some(item) = &self.item {
            saved::valid(item.as_bytes()).context("--item is not JSON")?;
        }
        let (text, origin) = read(&self.with)?;
        let saved = Saved::read(&text, aggregate).with_context(|| origin.clone())?;
        let client = self.client.context(&parameters)?;
        for reference in subject.references() {
            self.client.check(reference)?;
            check_saved(reference, aggregate, &saved)?;
        }
        let item = self.item.as_deref().map(|json| Item {
            index: 0,
            json: json.trim().as_bytes(),
        });
        let scope = Scope {
            client: &client,
            earlier: Earlier::over(&saved.results, Some(&saved.positions)),
            own: None,
            item,
        };
        let mut json = subject.value(&scope)?;
        json.push(b'\n');
        screen::out().write_all(&json)?;
        Ok(Done::Well)
    }

    /// Reads the text. Says how to give the element, if that is all that it lacks.
    fn subject(&self, known: &Known<'_>, has_each: bool) -> anyhow::Result<Subject> {
        let error = match Subject::parse(&self.text, known) {
            Ok(subject) => return Ok(subject),
            Err(error) => error,
        };
        let in_each = Known {
            in_each: true,
            ..*known
        };
        if has_each && Subject::parse(&self.text, &in_each).is_ok() {
            bail!("{error}: add --item JSON");
        }
        Err(error)
    }
}

/// Refuses a reference to something that a saved answer does not have. Warns of one to a body that has been changed.
fn check_saved(reference: &Reference, aggregate: &Aggregate, saved: &Saved) -> anyhow::Result<()> {
    let Root::Call(index, part) = &reference.root else {
        return Ok(());
    };
    let Some(call) = aggregate.calls.get(*index) else {
        return Ok(());
    };
    let (text, name) = (&reference.text, &call.name);
    let Some(position) = saved.positions.get(*index).copied().flatten() else {
        bail!("`{text}` is not in the saved answer: the call `{name}` was not made");
    };
    match part {
        Part::Header(_) => {
            bail!("`{text}` is not in the saved answer: no answer has the header fields of calls")
        }
        Part::Body if saved.hidden.contains(&position) => {
            bail!("`{text}` is not in the saved answer: the call `{name}` has `answer = false`")
        }
        Part::Body if call.shape.prune.is_none() && whole::is_within(&call.shape, reference) => {
            Ok(())
        }
        Part::Body if !call.shape.is_plain() => {
            writeln!(
                anstream::stderr(),
                "warning: `{text}` is read from the part of the body that is in the answer; others see the whole body of `{name}`"
            )?;
            Ok(())
        }
        Part::Body | Part::Status | Part::Ok | Part::Failure => Ok(()),
    }
}

/// Reads a file, or standard input. Returns its bytes, and its name for messages.
fn read(file: &Path) -> anyhow::Result<(Vec<u8>, String)> {
    if file.as_os_str() == "-" {
        let mut text = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut text);
        read.context("standard input can't be read")?;
        return Ok((text, "standard input".to_owned()));
    }
    let name = file.display().to_string();
    let text = fs::read(file).with_context(|| format!("{name} can't be read"))?;
    Ok((text, name))
}
