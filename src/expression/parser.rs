//! The grammar: from tokens to a tree, by precedence. It stops at the first mistake of the grammar, and goes on after
//! one in a name. It must not know how a tree is evaluated.

use super::{
    ExpressionError, MOST_DEPTH,
    lexer::{self, Token},
    literals::Literal,
    span::Span,
    term::{Constant, Operator, Precedence, Term, TermKind},
};
use crate::values::{Known, Reference};

/// The result of a part of the grammar. A mistake of the grammar ends the parsing.
pub(super) type Parsed<T> = Result<T, ExpressionError>;

pub(super) struct Parser<'p> {
    pub(super) source: &'p str,
    pub(super) known: &'p Known<'p>,
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
    /// The variable of the comprehension whose body is parsed.
    pub(super) variable: Option<Span>,
    pub(super) references: Vec<Reference>,
    /// The mistakes that did not end the parsing.
    pub(super) mistakes: Vec<ExpressionError>,
}

impl<'p> Parser<'p> {
    pub(super) fn new(source: &'p str, known: &'p Known<'p>) -> Parsed<Self> {
        Ok(Self {
            source,
            known,
            tokens: lexer::tokens(source)?,
            at: 0,
            depth: 0,
            variable: None,
            references: Vec::new(),
            mistakes: Vec::new(),
        })
    }

    /// Parses all of the source.
    pub(super) fn whole(&mut self) -> Parsed<Term> {
        if self.peek() == &Token::End {
            return Err(ExpressionError("the expression is empty".to_owned()));
        }
        let term = self.expression()?;
        match self.peek() {
            Token::End => Ok(term),
            _ => Err(self.stray()),
        }
    }

    /// Makes the error of a token after a whole expression.
    fn stray(&self) -> ExpressionError {
        let span = self.span();
        let sign = match span.of(self.source) {
            "and" | "AND" => "&&",
            "or" | "OR" => "||",
            _ => return self.unexpected("the end, or an operator,"),
        };
        let found = span.quoted(self.source);
        let message = format!("{found} is no operator here; write `{sign}`");
        self.at_character(span, &message)
    }

    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    /// Returns the token after the next.
    pub(super) fn second(&self) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + 1).min(last)].0
    }

    pub(super) fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// Takes the next token. The end stays.
    pub(super) fn next(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(own) if *own == sign)
    }

    /// Returns the span of the token that was taken last.
    pub(super) fn previous(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1
    }

    /// Takes this sign if it is the next token.
    pub(super) fn take(&mut self, sign: &str) -> Option<Span> {
        self.is_sign(sign).then(|| self.next().1)
    }

    pub(super) fn expect(&mut self, sign: &'static str) -> Parsed<Span> {
        self.take(sign)
            .ok_or_else(|| self.unexpected(&format!("`{sign}`")))
    }

    /// Makes the error of a token that should be something else.
    pub(super) fn unexpected(&self, wanted: &str) -> ExpressionError {
        let (token, span) = &self.tokens[self.at];
        match token {
            Token::End => ExpressionError(format!("{wanted} is missing at the end")),
            _ => {
                let found = span.quoted(self.source);
                self.at_character(*span, &format!("{wanted} is missing before {found}"))
            }
        }
    }

    pub(super) fn at_character(&self, span: Span, message: &str) -> ExpressionError {
        lexer::at_character(self.source, span.start(), message)
    }

    /// Parses a part that is one level deeper.
    pub(super) fn deeper(&mut self, part: impl FnOnce(&mut Self) -> Parsed<Term>) -> Parsed<Term> {
        if self.depth == MOST_DEPTH {
            let message = format!("it is nested more than {MOST_DEPTH} levels deep");
            return Err(self.at_character(self.span(), &message));
        }
        self.depth += 1;
        let term = part(self);
        self.depth -= 1;
        term
    }

    pub(super) fn expression(&mut self) -> Parsed<Term> {
        self.deeper(Self::choice)
    }

    /// `a ? b : c ? d : e`
    fn choice(&mut self) -> Parsed<Term> {
        let start = self.span();
        let mut arms = Vec::new();
        loop {
            let term = self.binary(Precedence::Any)?;
            if self.take("?").is_none() {
                if arms.is_empty() {
                    return Ok(term);
                }
                return Ok(Term {
                    span: start.to(term.span),
                    kind: TermKind::Choose(arms.into(), Box::new(term)),
                });
            }
            let then = self.binary(Precedence::Any)?;
            self.expect(":")?;
            arms.push((term, then));
        }
    }

    fn binary(&mut self, precedence: Precedence) -> Parsed<Term> {
        match precedence {
            Precedence::Any => self.logical("||", Precedence::All, TermKind::Any),
            Precedence::All => self.logical("&&", Precedence::Relation, TermKind::All),
            Precedence::Relation => self.chain_of(precedence, Precedence::Sum),
            Precedence::Sum => self.chain_of(precedence, Precedence::Product),
            Precedence::Product => self.chain_of(precedence, precedence),
        }
    }

    /// `a && b && c`, or the same with `||`.
    fn logical(
        &mut self,
        sign: &str,
        tighter: Precedence,
        kind: fn(Box<[Term]>) -> TermKind,
    ) -> Parsed<Term> {
        let first = self.binary(tighter)?;
        if !self.is_sign(sign) {
            return Ok(first);
        }
        let start = first.span;
        let mut terms = vec![first];
        while self.take(sign).is_some() {
            terms.push(self.binary(tighter)?);
        }
        let end = terms.last().map_or(start, |last| last.span);
        Ok(Term {
            span: start.to(end),
            kind: kind(terms.into()),
        })
    }

    /// `a + b - c`: operators of one precedence. Operands of the tightest are no chains.
    fn chain_of(&mut self, precedence: Precedence, tighter: Precedence) -> Parsed<Term> {
        let operand = |parser: &mut Self| match tighter == precedence {
            true => parser.unary(),
            false => parser.binary(tighter),
        };
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Token::Sign(sign) = self.peek()
            && let Some((operator, own)) = Operator::of(sign)
            && own == precedence
        {
            self.next();
            rest.push((operator, operand(self)?));
        }
        let Some((_, last)) = rest.last() else {
            return Ok(first);
        };
        Ok(Term {
            span: first.span.to(last.span),
            kind: TermKind::Chain(Box::new(first), rest.into()),
        })
    }

    fn unary(&mut self) -> Parsed<Term> {
        if let Some(sign) = self.take("!") {
            let term = self.deeper(Self::unary)?;
            return Ok(Term {
                span: sign.to(term.span),
                kind: TermKind::Not(Box::new(term)),
            });
        }
        let is_number = matches!(
            self.second(),
            Token::Literal(Literal::Int(_) | Literal::Double(_))
        );
        if self.is_sign("-") && !is_number {
            let sign = self.next().1;
            let term = self.deeper(Self::unary)?;
            return Ok(Term {
                span: sign.to(term.span),
                kind: TermKind::Negative(Box::new(term)),
            });
        }
        self.postfix()
    }

    /// Parses a literal, with the minus before a number.
    pub(super) fn literal(&mut self) -> Parsed<Term> {
        let minus = self.take("-");
        let (token, own) = self.next();
        let span = minus.map_or(own, |minus| minus.to(own));
        let constant = match token {
            Token::Literal(Literal::Null) => Constant::Null,
            Token::Literal(Literal::Bool(value)) => Constant::Bool(value),
            Token::Literal(Literal::Double(value)) if minus.is_some() => Constant::Double(-value),
            Token::Literal(Literal::Double(value)) => Constant::Double(value),
            Token::Literal(Literal::Text(text)) => Constant::Text(text.into()),
            Token::Literal(Literal::Int(value)) => {
                let value = match minus {
                    Some(_) => 0_i64.checked_sub_unsigned(value),
                    None => i64::try_from(value).ok(),
                };
                let error = || self.at_character(span, "this is no integer of 64 bits");
                Constant::Int(value.ok_or_else(error)?)
            }
            _ => return Err(self.at_character(span, "a value is missing")),
        };
        Ok(Term {
            span,
            kind: TermKind::Constant(constant),
        })
    }
}
