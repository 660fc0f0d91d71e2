//! The pairs of a form as a request's body. It must not know the request's type.

use super::query::Pair;
use crate::values::{Known, Reference, Scope, Skipped, TemplateError};

/// Pairs of a form (`application/x-www-form-urlencoded`).
#[derive(Debug, Clone)]
pub struct FormTemplate {
    pairs: Vec<Pair>,
    /// The whole form, if it has no reference.
    constant: Option<Box<[u8]>>,
}

impl FormTemplate {
    /// Parses pairs of a name and a value.
    ///
    /// # Errors
    /// Fails with every mistake in it. Each message begins with the name of its pair.
    pub fn parse(
        pairs: &[(String, String)],
        known: &Known<'_>,
    ) -> Result<Self, Vec<TemplateError>> {
        let mut parsed = Vec::with_capacity(pairs.len());
        let mut mistakes = Vec::new();
        for (name, text) in pairs {
            match Pair::parse(name, text, known) {
                Ok(pair) => parsed.push(pair),
                Err(wrong) => mistakes.extend(
                    wrong
                        .into_iter()
                        .map(|wrong| TemplateError(format!("{name}: {wrong}"))),
                ),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let constants: Option<Vec<_>> = parsed.iter().map(Pair::constant).collect();
        Ok(Self {
            constant: constants.map(|pairs| pairs.join(&b'&').into()),
            pairs: parsed,
        })
    }

    /// Appends the pairs.
    ///
    /// # Errors
    /// Fails if a value is missing, or is no text. `out` may then have a part of it.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Skipped> {
        if let Some(constant) = &self.constant {
            out.extend_from_slice(constant);
            return Ok(());
        }
        let mut is_first = true;
        for pair in &self.pairs {
            pair.write(scope, out, |out| {
                if !std::mem::take(&mut is_first) {
                    out.push(b'&');
                }
            })?;
        }
        Ok(())
    }

    /// Returns all references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.pairs.iter().flat_map(Pair::references)
    }

    /// Returns true if it has no reference.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant.is_some()
    }

    /// Returns the whole form, if it has no reference.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        self.constant.as_deref()
    }
}
