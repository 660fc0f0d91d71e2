//! Checks that no two calls write the same member of a merged answer. It must not know the values.

use crate::{
    compose::{ERRORS, Place, Shape},
    config::{checked::Call, mistake::KeyPath, review::Review},
};

/// Notes the calls that write into one another's places, and the places that have no effect. `path` is that of the
/// calls.
pub(in crate::config) fn check(
    path: &KeyPath,
    calls: &[Call],
    shape: &Shape,
    review: &mut Review<'_>,
) {
    if !matches!(shape, Shape::Merge) {
        let placed = calls.iter().enumerate();
        for (index, _) in placed.filter(|(_, call)| call.shape.into.is_some()) {
            let message = "has no effect, as only `shape = \"merge\"` has places";
            review.warning(&path.index(index).key("into"), message);
        }
        return;
    }
    let mut taken: Vec<(Vec<&str>, usize)> = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        if call.shape.is_hidden {
            continue;
        }
        let (names, at) = match &call.shape.into {
            None => (vec![&*call.name], path.index(index)),
            Some(Place::At(names)) => (
                names.iter().map(|name| &**name).collect(),
                path.index(index).key("into"),
            ),
            // The members are not known.
            Some(Place::Spread) => continue,
        };
        if names.first() == Some(&ERRORS) {
            let message = "the member `errors` of a merged answer has the failures; set `into` to another place";
            review.mistake(&at, message);
            continue;
        }
        let clash = taken.iter().find(|(other, _)| {
            let length = other.len().min(names.len());
            other[..length] == names[..length]
        });
        if let Some((other, first)) = clash {
            let message = format!(
                "the member `{}` of the merged answer is written by calls[{first}], at `{}`; set `into` to another place",
                names.join("."),
                other.join("."),
            );
            review.mistake(&at, message);
        }
        taken.push((names, index));
    }
}
