//! The parts of a condition that are neither true nor false, as far as the source alone tells. It must not know values.

use super::{
    functions::Function,
    term::{Constant, Macro, Operator, Step, Term, TermKind},
};
use crate::values::{Part, Reference, Root};

/// Returns a part of a condition that can be neither true nor false, whatever the request; `None` if there is none.
pub(super) fn misfit<'t>(term: &'t Term, references: &[Reference]) -> Option<&'t Term> {
    let is_misfit = match &term.kind {
        TermKind::Not(operand) => return misfit(operand, references),
        TermKind::All(terms) | TermKind::Any(terms) => {
            return terms.iter().find_map(|term| misfit(term, references));
        }
        // One branch alone may be meant for what never comes.
        TermKind::Choose(arms, otherwise) => {
            let values = arms.iter().map(|(_, value)| value);
            return values
                .chain([&**otherwise])
                .map(|value| misfit(value, references))
                .reduce(|one, other| one.and(other))
                .flatten();
        }
        TermKind::Constant(constant) => !matches!(constant, Constant::Bool(_)),
        TermKind::Reference(index) => references.get(*index).is_some_and(is_other),
        TermKind::List(_) | TermKind::Map(_) | TermKind::Negative(_) => true,
        TermKind::Chain(_, rest) => rest.last().is_some_and(|(last, _)| is_arithmetic(*last)),
        TermKind::Steps(_, steps) => match steps.last() {
            Some((Step::Call(function, _), _)) => makes_other(*function),
            Some((Step::Macro(kind, _), _)) => matches!(kind, Macro::Filter | Macro::Map),
            _ => false,
        },
        TermKind::Call(function, _) => makes_other(*function),
        TermKind::Variable | TermKind::Has(_) => false,
    };
    is_misfit.then_some(term)
}

/// Returns true if a reference leads to a text, a list of texts, a number or null.
const fn is_other(reference: &Reference) -> bool {
    match &reference.root {
        Root::Path(_) | Root::Query(_) | Root::Header(_) | Root::Index => true,
        Root::Call(_, part) => !matches!(part, Part::Ok | Part::Body),
        Root::Body | Root::Item => false,
    }
}

const fn is_arithmetic(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder
    )
}

/// Returns true if a function makes anything else than true and false.
const fn makes_other(function: Function) -> bool {
    !matches!(
        function,
        Function::Bool
            | Function::Dyn
            | Function::StartsWith
            | Function::EndsWith
            | Function::Contains
            | Function::Min
            | Function::Max
    )
}
