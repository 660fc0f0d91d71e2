//! Objects whose members stand in the answer itself (`into = "."`). A member goes in as it came. Of several with one
//! name the last one does, and none that has the name of something else in the answer. It must not know calls.

use std::borrow::Cow;

use crate::pick::{self, Kind};

/// All such objects.
#[derive(Debug, Default)]
pub(super) struct Spread<'j> {
    /// The name of each member, as it is written; `None` if the member is left out.
    names: Vec<Option<&'j [u8]>>,
    /// The objects, each with the index of its first name.
    objects: Vec<(&'j [u8], usize)>,
}

impl<'j> Spread<'j> {
    /// Adds an object, one valid JSON value. Null has no members.
    ///
    /// # Errors
    /// Fails if it is of another kind. Then it has no members either.
    pub(super) fn add(&mut self, json: &'j [u8]) -> Result<(), NoObject> {
        self.objects.push((json, self.names.len()));
        let names = pick::members(json).map(|(name, _)| Some(name));
        self.names.extend(names);
        match pick::kind(json) {
            Kind::Object | Kind::Null => Ok(()),
            Kind::Bool | Kind::Number | Kind::Text | Kind::List => Err(NoObject),
        }
    }

    /// Leaves out the members that have a name of `taken`, or the name of a later member.
    pub(super) fn settle(&mut self, taken: &[&str]) {
        let mut taken: Vec<_> = taken.iter().map(|name| name.as_bytes()).collect();
        taken.sort_unstable();
        let mut order: Vec<_> = (0..self.names.len()).collect();
        let names = &mut self.names;
        order.sort_unstable_by(|&a, &b| decoded(names[a]).cmp(&decoded(names[b])).then(a.cmp(&b)));
        for (at, &member) in order.iter().enumerate() {
            let own = decoded(names[member]);
            let later = order.get(at + 1).map(|&later| decoded(names[later]));
            let is_taken = own.0 && taken.binary_search(&&*own.1).is_ok();
            if is_taken || later.is_some_and(|later| later == own) {
                names[member] = None;
            }
        }
    }

    /// Returns the members of the object that was added as number `object`, from 0: their names as they are written,
    /// without quotes, and their values. They have to be settled.
    pub(super) fn of(&self, object: usize) -> impl Iterator<Item = (&'j [u8], &'j [u8])> + '_ {
        let (json, first) = self.objects.get(object).copied().unwrap_or_default();
        let names = self.names.get(first..).unwrap_or_default();
        let members = pick::members(json).zip(names);
        members.filter_map(|(member, name)| name.is_some().then_some(member))
    }
}

/// The value is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoObject;

/// Returns true and a name as it reads. One that is no text, as it has half a surrogate pair, stays as it is written. It
/// gives false, as it is another name than the text that reads so.
fn decoded(name: Option<&[u8]>) -> (bool, Cow<'_, [u8]>) {
    let written = name.unwrap_or_default();
    match pick::name(written) {
        Some(Cow::Owned(name)) => (true, Cow::Owned(name.into_bytes())),
        Some(Cow::Borrowed(_)) => (true, Cow::Borrowed(written)),
        None => (false, Cow::Borrowed(written)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(objects: &[&str], taken: &[&str]) -> Vec<String> {
        let mut spread = Spread::default();
        for object in objects {
            spread.add(object.as_bytes()).unwrap();
        }
        spread.settle(taken);
        (0..objects.len())
            .map(|object| {
                let members = spread.of(object);
                let members =
                    members.map(|(name, value)| [name, value].map(String::from_utf8_lossy));
                let members: Vec<_> = members
                    .map(|[name, value]| format!("{name}:{value}"))
                    .collect();
                members.join("|")
            })
            .collect()
    }

    #[test]
    fn members_stay_as_they_are_and_in_their_order() {
        let object =
            r#" { "z" : [1.10, {"a": ","}] ,"a":12345678901234567890, "\u00e9":"}\",","":-0 } "#;
        assert_eq!(
            spread(&[object], &[]),
            [r#"z:[1.10, {"a": ","}]|a:12345678901234567890|\u00e9:"}\","|:-0"#]
        );
        assert_eq!(spread(&["{}", "{ }", "null"], &[]), ["", "", ""]);
    }

    #[test]
    fn of_several_with_one_name_the_last_stays_however_it_is_written() {
        let objects = [r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"b":4}"#, r#"{"c":5}"#];
        assert_eq!(spread(&objects, &[]), [r"\u0061:3", "b:4", "c:5"]);
        let alone = [r#"{"\ud800":1,"\ud800":2,"\udc00":3}"#];
        assert_eq!(spread(&alone, &[]), [r"\ud800:2|\udc00:3"]);
        let letters = [r#"{"\ud800":1,"\\ud800":2}"#];
        assert_eq!(spread(&letters, &[]), [r"\ud800:1|\\ud800:2"]);
    }

    #[test]
    fn a_name_that_is_taken_is_left_out() {
        let objects = [r#"{"users":1,"\u0075sers":2,"user":3}"#];
        assert_eq!(spread(&objects, &["users", "errors"]), ["user:3"]);
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        let mut spread = Spread::default();
        for json in ["[1]", "1", "\"{}\"", "true"] {
            assert_eq!(spread.add(json.as_bytes()), Err(NoObject), "{json}");
        }
        assert_eq!(spread.add(b"{\"a\":1}"), Ok(()));
        spread.settle(&[]);
        assert_eq!(spread.of(4).count(), 1);
        assert_eq!(spread.of(0).count(), 0);
    }
}
