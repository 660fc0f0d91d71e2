//! The grammar of a value and its steps: members, indices, calls, comprehensions, lists and maps. It must not know how
//! they are evaluated.

use std::{collections::HashSet, sync::Arc};

use super::{
    lexer::Token,
    parser::{Parsed, Parser},
    span::Span,
    term::{Constant, Has, Macro, Step, Term, TermKind},
};

/// The value that steps begin at.
pub(super) enum Base {
    Term(Term),
    /// A name that is not bound yet: a root, or the variable of a comprehension.
    Name(Span),
}

/// Steps from a value, each with its own text.
pub(super) type Steps = Vec<(Step, Span)>;

impl Parser<'_> {
    pub(super) fn postfix(&mut self) -> Parsed<Term> {
        let (base, steps) = self.stepped()?;
        Ok(self.bind(base, steps))
    }

    /// Parses a value and its steps.
    fn stepped(&mut self) -> Parsed<(Base, Steps)> {
        let base = self.primary()?;
        let mut steps = Vec::new();
        loop {
            if let Some(dot) = self.take(".") {
                let (token, span) = self.next();
                let word = span.of(self.source);
                let name = match token {
                    Token::QuotedName => word.trim_matches('`'),
                    // Words that have a meaning elsewhere are names after a dot.
                    _ if word.starts_with(|first: char| first.is_alphabetic() || first == '_') => {
                        word
                    }
                    _ => return Err(self.at_character(span, "a name is missing after the dot")),
                };
                if self.is_sign("(") {
                    let step = self.method(name, span)?;
                    steps.push((step, dot.to(self.previous())));
                } else {
                    steps.push((Step::Member(name.into()), dot.to(span)));
                }
            } else if let Some(open) = self.take("[") {
                let index = self.expression()?;
                let close = self.expect("]")?;
                let step = match index.kind {
                    TermKind::Constant(Constant::Text(name)) => Step::Member((*name).into()),
                    TermKind::Constant(Constant::Int(index)) => Step::Element(index),
                    _ => Step::Index(Box::new(index)),
                };
                steps.push((step, open.to(close)));
            } else {
                return Ok((base, steps));
            }
        }
    }

    fn primary(&mut self) -> Parsed<Base> {
        let start = self.span();
        let kind = match self.peek() {
            Token::Name if matches!(self.second(), Token::Sign("(")) => {
                let name = self.next().1;
                return Ok(Base::Term(self.free_call(name)?));
            }
            Token::Name => return Ok(Base::Name(self.next().1)),
            Token::Literal(_) | Token::Sign("-") => return Ok(Base::Term(self.literal()?)),
            Token::Sign("(") => {
                self.next();
                let mut term = self.expression()?;
                term.span = start.to(self.expect(")")?);
                return Ok(Base::Term(term));
            }
            Token::Sign("[") => {
                self.next();
                let items = self.terms("]")?;
                TermKind::List(items.into())
            }
            Token::Sign("{") => self.map()?,
            _ => return Err(self.unexpected("a value")),
        };
        let span = start.to(self.previous());
        Ok(Base::Term(Term { span, kind }))
    }

    /// Parses terms up to the sign that closes them.
    pub(super) fn terms(&mut self, close: &'static str) -> Parsed<Vec<Term>> {
        let mut terms = Vec::new();
        while self.take(close).is_none() {
            terms.push(self.expression()?);
            if !self.is_sign(close) && self.take(",").is_none() {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
        Ok(terms)
    }

    fn map(&mut self) -> Parsed<TermKind> {
        self.expect("{")?;
        let mut entries = Vec::new();
        let mut keys: HashSet<Arc<str>> = HashSet::new();
        while self.take("}").is_none() {
            let key = if self.is_bare_key() {
                let span = self.next().1;
                let name = span.of(self.source);
                let message = format!("a key is a text; write `\"{name}\"`");
                self.mistake(span, &message)
            } else {
                self.expression()?
            };
            match &key.kind {
                TermKind::Constant(Constant::Text(text)) if !keys.insert(Arc::clone(text)) => {
                    let message = format!("the key {} is twice in a map", self.quoted(&key));
                    self.mistake(key.span, &message);
                }
                // A null is the placeholder of a mistake.
                TermKind::Constant(Constant::Text(_) | Constant::Null) => {}
                TermKind::Constant(_) | TermKind::List(_) | TermKind::Map(_) => {
                    let message = format!("a key is a text, and {} is none", self.quoted(&key));
                    self.mistake(key.span, &message);
                }
                _ => {}
            }
            if let TermKind::Reference(_) = key.kind
                && self.is_sign("}")
            {
                let message = format!(
                    "a reference has no braces here; write {}",
                    self.quoted(&key)
                );
                return Err(self.at_character(key.span, &message));
            }
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.is_sign("}") && self.take(",").is_none() {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        Ok(TermKind::Map(entries.into()))
    }

    /// Returns true if a key follows as JavaScript would write it: `{user: 1}`.
    fn is_bare_key(&self) -> bool {
        let name = self.span().of(self.source);
        let is_variable = self.variable.is_some_and(|own| own.of(self.source) == name);
        *self.peek() == Token::Name && *self.second() == Token::Sign(":") && !is_variable
    }

    /// Parses the arguments of a comprehension, which give a name to its variable.
    pub(super) fn comprehension(&mut self, kind: Macro, name: Span) -> Parsed<Step> {
        if self.variable.is_some() {
            let quoted = name.quoted(self.source);
            let message = format!("{quoted} can't stand within another comprehension");
            return Err(self.at_character(name, &message));
        }
        self.expect("(")?;
        if *self.peek() != Token::Name || *self.second() != Token::Sign(",") {
            let name = name.of(self.source);
            let message = format!("`{name}` begins with a variable: `list.{name}(i, …)`");
            return Err(self.at_character(self.span(), &message));
        }
        self.variable = Some(self.next().1);
        self.expect(",")?;
        let arguments = self.terms(")");
        self.variable = None;
        let arguments = arguments?;
        if !kind.takes(arguments.len() + 1) {
            let message = format!(
                "`{}` takes {}, and has {}",
                name.of(self.source),
                if kind == Macro::Map {
                    "2 or 3 arguments"
                } else {
                    "2 arguments"
                },
                arguments.len() + 1,
            );
            self.mistake(name, &message);
        }
        Ok(Step::Macro(kind, arguments.into()))
    }

    /// Parses `has(a.b)` after its name.
    pub(super) fn has(&mut self, name: Span) -> Parsed<Term> {
        self.expect("(")?;
        let (base, mut steps) = self.stepped()?;
        let span = name.to(self.expect(")")?);
        let Some((Step::Member(member), _)) = steps.last() else {
            let message = "`has` takes one member: `has(a.b)`";
            return Ok(self.mistake(name, message));
        };
        let member = member.clone();
        if let Base::Name(root) = base {
            match self.plain_root(root, &steps) {
                Ok(Some(reference)) => {
                    let kind = TermKind::Has(Box::new(Has::Root(reference)));
                    return Ok(Term { span, kind });
                }
                Ok(None) => {}
                Err(message) => return Ok(self.mistake(root, &message)),
            }
        }
        steps.pop();
        let base = self.bind(base, steps);
        let kind = TermKind::Has(Box::new(Has::Member(base, member)));
        Ok(Term { span, kind })
    }

    /// Notes a mistake that does not end the parsing, and returns a term in the place of the wrong one.
    pub(super) fn mistake(&mut self, span: Span, message: &str) -> Term {
        let error = self.at_character(span, message);
        self.mistakes.push(error);
        Term {
            span,
            kind: TermKind::Constant(Constant::Null),
        }
    }

    fn quoted(&self, term: &Term) -> String {
        term.span.quoted(self.source)
    }
}
