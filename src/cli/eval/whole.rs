//! The whole body of a call, as far as the part that `select` took of it tells. It must not know files.

use bytes::Bytes;

use crate::{
    compose::{CallShape, Select},
    pick::{Picked, Step},
    values::{Part, Reference, Root},
};

/// Returns the reference by which `select` took a part of a body, if the body can be told from the part: the reference
/// has members alone.
pub(super) fn selected(shape: &CallShape) -> Option<&Reference> {
    let Some(Select::Reference(reference)) = &shape.select else {
        return None;
    };
    let steps = reference.path.steps();
    let is_of_body = matches!(reference.root, Root::Call(_, Part::Body));
    let has_members = steps.iter().all(|step| matches!(step, Step::Member(_)));
    (is_of_body && has_members && !steps.is_empty()).then_some(reference)
}

/// Puts a part back to the place that `select` took it from. A body that has this place is whole.
pub(super) fn put_back(shape: &CallShape, part: Bytes) -> Bytes {
    let Some(reference) = selected(shape) else {
        return part;
    };
    if !matches!(reference.path.find(&part), Picked::Missing) {
        return part;
    }
    let mut json = part.to_vec();
    for step in reference.path.steps().iter().rev() {
        let Step::Member(name) = step else { continue };
        let start = format!("{{{}:", serde_json::Value::from(&**name));
        json.splice(0..0, start.into_bytes());
        json.push(b'}');
    }
    json.into()
}

/// Returns true if a reference is to the place that `select` took a part from, or to a place in that part.
pub(super) fn is_within(shape: &CallShape, reference: &Reference) -> bool {
    selected(shape).is_some_and(|selected| {
        let steps = selected.path.steps();
        reference.path.steps().starts_with(steps)
    })
}
