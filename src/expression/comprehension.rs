//! The functions with a variable: `all`, `exists`, `exists_one`, `filter` and `map`. It must not know where the
//! elements come from.

use super::{
    evaluate::Evaluation,
    fault::{Fault, Reason},
    meter::Meter,
    term::{Macro, Term},
    value::{Evaluated, Items, Value},
};

impl<'e> Evaluation<'e> {
    /// Evaluates the terms for each element of a list, or for each key of a map.
    pub(super) fn comprehend(
        &self,
        kind: Macro,
        range: &Value<'e>,
        terms: &'e [Term],
    ) -> Evaluated<'e> {
        let items = range.open(&self.meter)?.items(kind.name(), &self.meter)?;
        let mut elements = Elements { items, count: 0 };
        match (kind, terms) {
            (Macro::All, [term]) => self.decide(&mut elements, term, false),
            (Macro::Exists, [term]) => self.decide(&mut elements, term, true),
            (Macro::ExistsOne, [term]) => self.exists_one(&mut elements, term),
            (Macro::Filter, [term]) => self.filter(&mut elements, term),
            (Macro::Map, [term]) => self.map_each(&mut elements, None, term),
            (Macro::Map, [condition, term]) => self.map_each(&mut elements, Some(condition), term),
            _ => Err(Reason::Other("has a wrong number of arguments").into()),
        }
    }

    /// Returns `decisive` if it is so for one element, even if others can't be evaluated.
    fn decide(&self, elements: &mut Elements<'e>, term: &'e Term, decisive: bool) -> Evaluated<'e> {
        let mut first_fault = None;
        while let Some(element) = elements.next(&self.meter)? {
            match self.boolean(term, Some(&element)) {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(fault) => {
                    first_fault.get_or_insert(fault);
                }
            }
        }
        first_fault.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn exists_one(&self, elements: &mut Elements<'e>, term: &'e Term) -> Evaluated<'e> {
        let mut count = 0_usize;
        while let Some(element) = elements.next(&self.meter)? {
            count += usize::from(self.boolean(term, Some(&element))?);
        }
        Ok(Value::Bool(count == 1))
    }

    fn filter(&self, elements: &mut Elements<'e>, term: &'e Term) -> Evaluated<'e> {
        let mut kept = Vec::new();
        while let Some(element) = elements.next(&self.meter)? {
            if self.boolean(term, Some(&element))? {
                kept.push(element);
            }
        }
        Value::list(kept, &self.meter)
    }

    fn map_each(
        &self,
        elements: &mut Elements<'e>,
        condition: Option<&'e Term>,
        term: &'e Term,
    ) -> Evaluated<'e> {
        let mut made = Vec::new();
        while let Some(element) = elements.next(&self.meter)? {
            let variable = Some(&element);
            let is_wanted = match condition {
                Some(condition) => self.boolean(condition, variable)?,
                None => true,
            };
            if is_wanted {
                made.push(self.value(term, variable)?);
            }
        }
        Value::list(made, &self.meter)
    }
}

/// Elements, as many as a list may have.
struct Elements<'e> {
    items: Items<'e>,
    count: usize,
}

impl<'e> Elements<'e> {
    fn next(&mut self, meter: &Meter) -> Result<Option<Value<'e>>, Fault> {
        let next = self.items.next(meter)?;
        self.count += usize::from(next.is_some());
        Meter::elements(self.count)?;
        Ok(next)
    }
}
