//! The evaluation of a tree. The recursion is as deep as the source is nested, as chains are flat. Each reference is
//! looked up once, when it is first needed. It must not know what the value is for.

use std::{cell::RefCell, collections::HashSet};

use super::{
    arithmetic, calls, compare,
    fault::{Fault, Reason},
    functions::Function,
    meter::Meter,
    request,
    span::Span,
    term::{Constant, Has, Operator, Step, Term, TermKind},
    texts,
    value::{Bound, Entry, Evaluated, Open, Text, Value},
};
use crate::values::{self, Absent, Reference, Scope};

/// The state of one evaluation.
pub(super) struct Evaluation<'e> {
    references: &'e [Reference],
    /// By reference: the indices of all that are parts of the same body, if there are several.
    together: &'e [Box<[usize]>],
    scope: Scope<'e>,
    /// The values of the references that were needed.
    found: RefCell<Box<[Option<Evaluated<'e>>]>>,
    pub(super) meter: Meter,
}

impl<'e> Evaluation<'e> {
    pub(super) fn new(
        references: &'e [Reference],
        together: &'e [Box<[usize]>],
        scope: &Scope<'e>,
    ) -> Self {
        Self {
            references,
            together,
            scope: *scope,
            found: RefCell::new(vec![None; references.len()].into()),
            meter: Meter::new(),
        }
    }

    /// Returns the value of a term. `variable` is the one of the comprehension around it.
    pub(super) fn value(&self, term: &'e Term, variable: Bound<'_, 'e>) -> Evaluated<'e> {
        let value = self.meter.step().and_then(|()| match &term.kind {
            TermKind::Constant(constant) => Ok(constant_value(constant)),
            TermKind::Reference(reference) => self.reference(*reference),
            TermKind::Variable => variable
                .cloned()
                .ok_or_else(|| Reason::Other("has no value here").into()),
            TermKind::Not(operand) => self.not(operand, variable),
            TermKind::Negative(operand) => {
                arithmetic::negative(&self.value(operand, variable)?, &self.meter)
            }
            TermKind::Chain(first, rest) => self.chain(first, rest, variable),
            TermKind::All(terms) => self.logical(terms, false, variable),
            TermKind::Any(terms) => self.logical(terms, true, variable),
            TermKind::Choose(arms, otherwise) => self.choose(arms, otherwise, variable),
            TermKind::Steps(base, steps) => self.steps(base, steps, variable),
            TermKind::Call(function, arguments) => self.call(*function, None, arguments, variable),
            TermKind::List(items) => {
                let items = self.values(items, variable)?;
                Value::list(items, &self.meter)
            }
            TermKind::Map(entries) => self.map(entries, variable),
            TermKind::Has(has) => self.has(has, variable).map(Value::Bool),
        });
        value.map_err(|fault| fault.at(term.span))
    }

    fn values(&self, terms: &'e [Term], variable: Bound<'_, 'e>) -> Result<Vec<Value<'e>>, Fault> {
        terms
            .iter()
            .map(|term| self.value(term, variable))
            .collect()
    }

    /// Returns the value of a term that is true or false.
    pub(super) fn boolean(&self, term: &'e Term, variable: Bound<'_, 'e>) -> Result<bool, Fault> {
        let value = self.value(term, variable)?;
        let open = value
            .open(&self.meter)
            .map_err(|fault| fault.at(term.span))?;
        match open {
            Open::Bool(value) => Ok(value),
            other => {
                let reason = Reason::Unfit(other.kind(), "is neither true nor false");
                Err(Fault::from(reason).at(term.span))
            }
        }
    }

    fn reference(&self, index: usize) -> Evaluated<'e> {
        if let Some(Some(found)) = self.found.borrow().get(index) {
            return found.clone();
        }
        let together = self.together.get(index).map_or(&[][..], |all| all);
        let references: Vec<_> = (together.iter())
            .filter_map(|&one| self.references.get(one))
            .collect();
        if let Some(all) = Reference::find_all(&references, &self.scope) {
            for (&one, found) in together.iter().zip(all) {
                self.keep(one, found);
            }
        } else {
            let reference = self.references.get(index).ok_or(Absent::Missing);
            let found = reference.and_then(|reference| reference.find(&self.scope));
            self.keep(index, found);
        }
        let found = self.found.borrow();
        let found = found.get(index).cloned().flatten();
        found.unwrap_or_else(|| Err(Reason::Absent(index, Absent::Missing).into()))
    }

    /// Keeps the value of a reference.
    fn keep(&self, index: usize, found: Result<values::Value<'e>, Absent>) {
        let found = match found {
            Ok(value) => request::value(value, &self.meter),
            Err(absent) => Err(Reason::Absent(index, absent).into()),
        };
        if let Some(place) = self.found.borrow_mut().get_mut(index) {
            *place = Some(found);
        }
    }

    fn not(&self, operand: &'e Term, variable: Bound<'_, 'e>) -> Evaluated<'e> {
        let value = self.boolean(operand, variable)?;
        Ok(Value::Bool(!value))
    }

    fn chain(
        &self,
        first: &'e Term,
        rest: &'e [(Operator, Term)],
        variable: Bound<'_, 'e>,
    ) -> Evaluated<'e> {
        let mut value = self.value(first, variable)?;
        for (operator, term) in rest {
            let right = self.value(term, variable)?;
            let whole = first.span.to(term.span);
            value = self
                .operate(*operator, &value, &right)
                .map_err(|fault| fault.at(whole))?;
        }
        Ok(value)
    }

    fn operate(&self, operator: Operator, left: &Value<'e>, right: &Value<'e>) -> Evaluated<'e> {
        let meter = &self.meter;
        Ok(Value::Bool(match operator {
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => {
                return arithmetic::calculate(operator, left, right, meter);
            }
            Operator::Equal => compare::equal(left, right, meter)?,
            Operator::NotEqual => !compare::equal(left, right, meter)?,
            Operator::In => contains(left, right, meter)?,
            _ => compare::ordered(operator, left, right, meter)?,
        }))
    }

    /// Returns `decisive` if one of the terms is that, even if others can't be evaluated.
    fn logical(&self, terms: &'e [Term], decisive: bool, variable: Bound<'_, 'e>) -> Evaluated<'e> {
        let mut first_fault = None;
        for term in terms {
            match self.boolean(term, variable) {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(fault) => {
                    first_fault.get_or_insert(fault);
                }
            }
        }
        first_fault.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn choose(
        &self,
        arms: &'e [(Term, Term)],
        otherwise: &'e Term,
        variable: Bound<'_, 'e>,
    ) -> Evaluated<'e> {
        for (condition, value) in arms {
            if self.boolean(condition, variable)? {
                return self.value(value, variable);
            }
        }
        self.value(otherwise, variable)
    }

    fn map(&self, terms: &'e [(Term, Term)], variable: Bound<'_, 'e>) -> Evaluated<'e> {
        let mut entries: Vec<Entry<'e>> = Vec::with_capacity(terms.len());
        let mut keys = HashSet::with_capacity(terms.len());
        for (key, value) in terms {
            let text = match self.value(key, variable)?.open(&self.meter)? {
                Open::Text(text) => text,
                other => {
                    let reason = Reason::Unfit(other.kind(), "can't be a key");
                    return Err(Fault::from(reason).at(key.span));
                }
            };
            if !keys.insert(text.as_str().to_owned()) {
                let reason = Reason::Other("is a key twice in a map");
                return Err(Fault::from(reason).at(key.span));
            }
            entries.push((text, self.value(value, variable)?));
        }
        Value::map(entries, &self.meter)
    }

    fn steps(
        &self,
        base: &'e Term,
        steps: &'e [(Step, Span)],
        variable: Bound<'_, 'e>,
    ) -> Evaluated<'e> {
        let mut value = self.value(base, variable)?;
        for (step, span) in steps {
            let next = self
                .meter
                .step()
                .and_then(|()| self.step(&value, step, variable));
            value = next.map_err(|fault| fault.at(base.span.to(*span)))?;
        }
        Ok(value)
    }

    fn step(&self, value: &Value<'e>, step: &'e Step, variable: Bound<'_, 'e>) -> Evaluated<'e> {
        let meter = &self.meter;
        let found = match step {
            Step::Member(name) => value.open(meter)?.member(name, meter)?,
            Step::Element(index) => value.open(meter)?.element(*index, meter)?,
            Step::Index(index) => {
                let index = self.value(index, variable)?;
                self.index(value, &index)?
            }
            Step::Call(function, arguments) => {
                return self.call(*function, Some(value), arguments, variable);
            }
            Step::Matches(pattern) => {
                let open = value.open(meter)?;
                let Open::Text(text) = &open else {
                    return Err(Reason::Operand("matches", open.kind()).into());
                };
                return pattern.is_match(text.as_str(), meter).map(Value::Bool);
            }
            Step::Macro(kind, arguments) => return self.comprehend(*kind, value, arguments),
        };
        found.ok_or_else(|| Reason::Missing.into())
    }

    /// `a[b]`, where `b` is no constant. Here a negative index is no way to count from the end.
    fn index(&self, value: &Value<'e>, index: &Value<'e>) -> Result<Option<Value<'e>>, Fault> {
        let meter = &self.meter;
        let (value, index) = (value.open(meter)?, index.open(meter)?);
        if let Open::Text(name) = &index {
            return value.member(name.as_str(), meter);
        }
        match texts::index(&index) {
            Some(place) if place >= 0 => value.element(place, meter),
            Some(_) => Ok(None),
            None => Err(Reason::Unfit(index.kind(), "can't be an index").into()),
        }
    }

    fn call(
        &self,
        function: Function,
        own: Option<&Value<'e>>,
        terms: &'e [Term],
        variable: Bound<'_, 'e>,
    ) -> Evaluated<'e> {
        let mut arguments = Vec::with_capacity(terms.len() + 1);
        arguments.extend(own.cloned());
        for term in terms {
            arguments.push(self.value(term, variable)?);
        }
        calls::call(function, &arguments, &self.meter)
    }

    fn has(&self, has: &'e Has, variable: Bound<'_, 'e>) -> Result<bool, Fault> {
        match has {
            Has::Root(index) => match self.reference(*index) {
                Ok(_) => Ok(true),
                Err(fault) if fault.is_missing() => Ok(false),
                Err(fault) => Err(fault),
            },
            Has::Member(term, name) => {
                let value = self.value(term, variable)?;
                let value = value.open(&self.meter)?;
                let member = value.member(name, &self.meter)?;
                Ok(member.is_some())
            }
        }
    }
}

fn constant_value(constant: &Constant) -> Value<'_> {
    match constant {
        Constant::Null => Value::Null,
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int(value) => Value::Int(*value),
        Constant::Double(value) => Value::Double(*value),
        Constant::Text(text) => Value::Text(Text::Lent(text)),
    }
}

/// `a in b`: an element of a list, or a key of a map.
fn contains(item: &Value<'_>, whole: &Value<'_>, meter: &Meter) -> Result<bool, Fault> {
    let whole = whole.open(meter)?;
    match &whole {
        Open::Object(_) | Open::Map(_) => match item.open(meter)? {
            Open::Text(name) => Ok(whole.member(name.as_str(), meter)?.is_some()),
            _ => Ok(false),
        },
        Open::Array(_) | Open::List(_) => {
            let mut items = whole.items("in", meter)?;
            while let Some(other) = items.next(meter)? {
                if compare::equal(item, &other, meter)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => Err(Reason::Operands("in", item.open(meter)?.kind(), other.kind()).into()),
    }
}
