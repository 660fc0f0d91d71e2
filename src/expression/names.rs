//! The names of an expression, bound at start: roots, calls, parameters and functions. Each unknown one is a mistake
//! with a suggestion. It must not know how they are evaluated.

use super::{
    functions::{FOREIGN, FUNCTIONS, Function, Style},
    parser::{Parsed, Parser},
    pattern::Pattern,
    postfix::{Base, Steps},
    span::Span,
    term::{Constant, Macro, Step, Term, TermKind},
};
use crate::{spelling::nearest, values::Reference};

/// The roots that are no call.
const ROOTS: [&str; 6] = ["path", "query", "headers", "body", "item", "index"];

impl Parser<'_> {
    /// Binds the name that steps begin at.
    pub(super) fn bind(&mut self, base: Base, steps: Steps) -> Term {
        let (base, rest) = match base {
            Base::Term(term) => (term, steps),
            Base::Name(span) if self.is_variable(span) => {
                let kind = TermKind::Variable;
                (Term { span, kind }, steps)
            }
            Base::Name(root) => {
                let plain = steps.iter().take_while(|(step, _)| is_plain(step)).count();
                let span = steps[..plain]
                    .last()
                    .map_or(root, |(_, last)| root.to(*last));
                let kind = match self.reference(root, &steps[..plain]) {
                    Ok(reference) => TermKind::Reference(self.note(reference)),
                    Err(message) => return self.mistake(root, &message),
                };
                let rest = steps.into_iter().skip(plain).collect();
                (Term { span, kind }, rest)
            }
        };
        let Some((_, last)) = rest.last() else {
            return base;
        };
        Term {
            span: base.span.to(*last),
            kind: TermKind::Steps(Box::new(base), rest.into()),
        }
    }

    /// Returns the reference that `has` asks for as a whole: a root without a path into a body.
    pub(super) fn plain_root(
        &mut self,
        root: Span,
        steps: &[(Step, Span)],
    ) -> Result<Option<usize>, String> {
        if self.is_variable(root) || !steps.iter().all(|(step, _)| is_plain(step)) {
            return Ok(None);
        }
        let reference = self.reference(root, steps)?;
        let is_whole = reference.path.steps().is_empty();
        Ok(is_whole.then(|| self.note(reference)))
    }

    fn is_variable(&self, name: Span) -> bool {
        let own = |variable: Span| variable.of(self.source) == name.of(self.source);
        self.variable.is_some_and(own)
    }

    /// Adds a reference, unless it is there, and returns its index.
    fn note(&mut self, reference: Reference) -> usize {
        let is_same = |own: &Reference| own.root == reference.root && own.path == reference.path;
        let place = self.references.iter().position(is_same);
        place.unwrap_or_else(|| {
            self.references.push(reference);
            self.references.len() - 1
        })
    }

    fn reference(&self, root: Span, steps: &[(Step, Span)]) -> Result<Reference, String> {
        let name = root.of(self.source);
        let calls = self.known.calls.iter().map(|call| &**call);
        if let Some(variable) = self.variable {
            let variable = variable.of(self.source);
            let names = ROOTS.into_iter().chain(calls).chain([variable]);
            let mut others = names.clone();
            if !others.any(|own| own == name) && nearest(name, names) == Some(variable) {
                return Err(format!(
                    "`{name}` is no name here, did you mean `{variable}`?"
                ));
            }
        }
        let text = written(name, steps);
        Reference::parse(&text, self.known).map_err(|error| error.0)
    }

    /// Parses `.name(…)` after the name.
    pub(super) fn method(&mut self, name: &str, span: Span) -> Parsed<Step> {
        if let Some(kind) = Macro::of(name) {
            return self.comprehension(kind, span);
        }
        self.expect("(")?;
        let arguments = self.terms(")")?;
        if name == "matches" {
            return Ok(self.pattern(span, &arguments));
        }
        let function = self.function(name, span, Style::Method, arguments.len() + 1);
        Ok(Step::Call(function, arguments.into()))
    }

    /// Parses `name(…)` after the name.
    pub(super) fn free_call(&mut self, span: Span) -> Parsed<Term> {
        let name = span.of(self.source);
        if name == "has" {
            return self.deeper(|parser| parser.has(span));
        }
        if Macro::of(name).is_some() {
            let message = format!("`{name}` is called on a list: `list.{name}(i, …)`");
            return Err(self.at_character(span, &message));
        }
        self.expect("(")?;
        let mut arguments = self.terms(")")?;
        let whole = span.to(self.previous());
        if name == "matches" && !arguments.is_empty() {
            let text = arguments.remove(0);
            let step = self.pattern(span, &arguments);
            let kind = TermKind::Steps(Box::new(text), [(step, whole)].into());
            return Ok(Term { span: whole, kind });
        }
        let function = self.function(name, span, Style::Free, arguments.len());
        let kind = TermKind::Call(function, arguments.into());
        Ok(Term { span: whole, kind })
    }

    /// Compiles the pattern of `matches`.
    fn pattern(&mut self, span: Span, arguments: &[Term]) -> Step {
        let pattern = match arguments {
            [
                Term {
                    kind: TermKind::Constant(Constant::Text(pattern)),
                    ..
                },
            ] => pattern,
            [_] => {
                self.mistake(span, "the pattern of `matches` has to be a text as it is");
                return Step::Element(0);
            }
            _ => {
                let message = format!("`matches` takes 1 pattern, and has {}", arguments.len());
                self.mistake(span, &message);
                return Step::Element(0);
            }
        };
        match Pattern::new(pattern) {
            Ok(pattern) => Step::Matches(Box::new(pattern)),
            Err(error) => {
                let message = format!("the pattern of `matches` can't be used: {error}");
                self.mistake(span, &message);
                Step::Element(0)
            }
        }
    }

    /// Returns the function of this name. Notes a mistake if there is none, or if it is called in another way.
    fn function(&mut self, name: &str, span: Span, style: Style, arguments: usize) -> Function {
        let Some(found) = FUNCTIONS.iter().find(|one| one.name == name) else {
            let message = unknown_function(name, style);
            self.mistake(span, &message);
            return Function::Dyn;
        };
        if found.style != style && found.style != Style::Either {
            let right = match found.style {
                Style::Method => format!("x.{name}(…)"),
                _ => format!("{name}(x)"),
            };
            self.mistake(span, &format!("`{name}` is called as `{right}`"));
            return found.function;
        }
        let (least, most) = found.arguments;
        if !(least..=most).contains(&arguments) {
            let own = usize::from(style == Style::Method);
            let takes = match (least - own, most - own) {
                (0, 0) => "no argument".to_owned(),
                (1, 1) => "1 argument".to_owned(),
                (least, most) if least == most => format!("{most} arguments"),
                (least, most) => format!("{least} or {most} arguments"),
            };
            let message = format!("`{name}` takes {takes}, and has {}", arguments - own);
            self.mistake(span, &message);
        }
        found.function
    }
}

/// Returns true if a reference can have this step.
const fn is_plain(step: &Step) -> bool {
    matches!(step, Step::Member(_) | Step::Element(_))
}

/// Writes a reference as [`Reference::parse`] reads it.
fn written(root: &str, steps: &[(Step, Span)]) -> String {
    let mut text = root.to_owned();
    let is_word = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'_';
    let mut is_of_a_head = matches!(root, "path" | "query" | "headers");
    for (place, (step, _)) in steps.iter().enumerate() {
        match step {
            Step::Member(name) => {
                let is_part = |letter| is_word(letter) || (is_of_a_head && letter == b'-');
                if !name.is_empty() && name.bytes().all(is_part) {
                    text.extend([".", name]);
                } else {
                    let quoted = serde_json::Value::from(&**name);
                    text.push_str(&format!("[{quoted}]"));
                }
                is_of_a_head = place == 0 && &**name == "headers" && !ROOTS.contains(&root);
            }
            Step::Element(index) => text.push_str(&format!("[{index}]")),
            _ => {}
        }
    }
    text
}

fn unknown_function(name: &str, style: Style) -> String {
    let foreign = FOREIGN.iter().find(|(foreign, _)| *foreign == name);
    let functions = FUNCTIONS.iter().map(|one| one.name);
    let macros = Macro::ALL.iter().map(|(name, _)| *name);
    let all = functions.chain(macros).chain(["has", "matches"]);
    let near = foreign.map(|(_, own)| *own).or_else(|| nearest(name, all));
    let kind = match style {
        Style::Method => "method",
        _ => "function",
    };
    let hint = near.map(|near| format!(", did you mean `{near}`?"));
    format!(
        "there is no {kind} `{name}` here{}",
        hint.unwrap_or_default()
    )
}
