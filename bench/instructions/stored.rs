//! The stored figures of `bench/instructions.toml`, and the advice if a count differs from them. It must not know how
//! the instructions are counted.

use std::{
    collections::BTreeMap,
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// The share by which a count may be above its figure. A figure that is as far above its count is out of date. Counts
/// of the same code differ by less than a fifth of this.
const ALLOWED: f64 = 0.05;

/// The stored figures of this processor's architecture.
#[derive(Debug, Default, Deserialize)]
pub struct Stored {
    /// The circumstances of the stored counts.
    with: String,
    /// Instructions per aggregate, by scenario.
    instructions: BTreeMap<String, u64>,
}

/// The result of comparing a count with its figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Kept,
    Above,
    Below,
    New,
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/instructions.toml")
}

fn all() -> anyhow::Result<BTreeMap<String, Stored>> {
    Ok(toml::from_str(&fs::read_to_string(file())?)?)
}

impl Stored {
    /// Reads the figures. There may be none for this architecture.
    pub fn read() -> anyhow::Result<Self> {
        Ok(all()?.remove(ARCH).unwrap_or_default())
    }

    /// Returns the figure of a scenario.
    pub fn of(&self, scenario: &str) -> Option<u64> {
        self.instructions.get(scenario).copied()
    }

    /// Compares a count with its figure.
    pub fn judge(&self, scenario: &str, count: u64) -> Verdict {
        match self.of(scenario).map(|stored| change(stored, count)) {
            None => Verdict::New,
            Some(change) if change > ALLOWED => Verdict::Above,
            Some(change) if change < -ALLOWED => Verdict::Below,
            Some(_) => Verdict::Kept,
        }
    }

    /// Says what to do after these verdicts, as an error if a count is not acceptable.
    pub fn advise(&self, verdicts: &[Verdict], with: &str) -> Result<String, String> {
        let has = |verdict| verdicts.contains(&verdict);
        let store = "`just instructions --store` stores what was counted";
        if has(Verdict::New) {
            return Err(format!(
                "No figure is stored for {ARCH}: {store}. Commit bench/instructions.toml."
            ));
        }
        if has(Verdict::Above) {
            return Err(format!(
                "More than {:.0} % above what is stored in bench/instructions.toml.\n\
                 `just instructions --profile SCENARIO` says where it goes; compare with the commit before.\n\
                 If it is worth it, {store}: commit that, and say why.\n\
                 stored with: {}\n      now: {with}",
                ALLOWED * 100.0,
                self.with
            ));
        }
        if has(Verdict::Below) {
            return Ok(format!(
                "More than {:.0} % below what is stored in bench/instructions.toml: {store}, so that it stays so.",
                ALLOWED * 100.0
            ));
        }
        Ok(format!(
            "Nothing costs more than {:.0} % above what is stored.",
            ALLOWED * 100.0
        ))
    }
}

/// Returns the share by which a count is above its figure.
pub fn change(stored: u64, count: u64) -> f64 {
    count as f64 / stored as f64 - 1.0
}

/// Stores these counts. They replace those for this architecture.
pub fn store(counts: &[(&str, u64)], with: &str) -> anyhow::Result<()> {
    let mut all = all()?;
    let kept = all.entry(ARCH.to_owned()).or_default();
    with.clone_into(&mut kept.with);
    for (scenario, count) in counts {
        kept.instructions.insert((*scenario).to_owned(), *count);
    }
    let mut text = String::from(
        "# Instructions per aggregate, by `just instructions`, which fails where a count is more than 5 % above. Another count is\n\
         # stored by `just instructions --store`; docs/performance.md says what is counted.\n",
    );
    for (arch, stored) in &all {
        text += &format!(
            "\n[{arch}]\nwith = {:?}\n\n[{arch}.instructions]\n",
            stored.with
        );
        for (scenario, count) in &stored.instructions {
            text += &format!("{scenario} = {}\n", grouped(*count, '_'));
        }
    }
    Ok(fs::write(file(), text)?)
}

/// Writes a number in groups of three digits.
pub fn grouped(number: u64, between: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(between);
        }
        text.push(digit);
    }
    text
}
