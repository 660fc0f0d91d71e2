//! The values of an expression. A part of a body stays the bytes that it is, and is read once something asks for its
//! value. It must not know where the bytes come from.

use std::{borrow::Cow, collections::HashMap, rc::Rc, vec};

use super::{
    fault::{Fault, Kind, Reason},
    meter::{MOST_NESTED, Meter},
};
use crate::pick::{self, Elements};

/// JSON can have half of a surrogate pair, and a text can't.
const NO_TEXT: Reason = Reason::Other("has half of a surrogate pair, which is no text");

pub(super) type Evaluated<'e> = Result<Value<'e>, Fault>;

/// The value of a comprehension's variable, within a comprehension.
pub(super) type Bound<'v, 'e> = Option<&'v Value<'e>>;

#[derive(Debug, Clone)]
pub(super) enum Value<'e> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text<'e>),
    List(Rc<List<'e>>),
    Map(Rc<Map<'e>>),
    /// One JSON value that nothing has asked for yet.
    Raw(&'e [u8]),
}

/// A value whose kind is known.
#[derive(Debug, Clone)]
pub(super) enum Open<'e> {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer of JSON that is beyond 64 bits, as it is written.
    Big(&'e str),
    Double(f64),
    Text(Text<'e>),
    /// The bytes of a list.
    Array(&'e [u8]),
    /// The bytes of an object.
    Object(&'e [u8]),
    List(Rc<List<'e>>),
    Map(Rc<Map<'e>>),
}

#[derive(Debug, Clone)]
pub(super) enum Text<'e> {
    Lent(&'e str),
    Made(Rc<str>),
}

/// A list that an expression made.
#[derive(Debug)]
pub(super) struct List<'e> {
    pub(super) items: Vec<Value<'e>>,
    depth: u8,
}

/// A key and its value.
pub(super) type Entry<'e> = (Text<'e>, Value<'e>);

/// A map that an expression made. No key is twice in it.
#[derive(Debug)]
pub(super) struct Map<'e> {
    pub(super) entries: Vec<Entry<'e>>,
    depth: u8,
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'e> Text<'e> {
    /// Decodes a text of JSON.
    pub(super) fn decode(quoted: &'e [u8], meter: &Meter) -> Result<Self, Fault> {
        meter.read(quoted.len())?;
        Self::of_json(pick::text(quoted), meter)
    }

    /// Takes over what a text of JSON says, if it is text.
    fn of_json(text: Option<Cow<'e, str>>, meter: &Meter) -> Result<Self, Fault> {
        Ok(match text.ok_or(NO_TEXT)? {
            Cow::Borrowed(text) => Self::Lent(text),
            Cow::Owned(text) => Self::made(&text, meter)?,
        })
    }

    pub(super) fn made(text: &str, meter: &Meter) -> Result<Self, Fault> {
        meter.make(text.len())?;
        Ok(Self::Made(text.into()))
    }
}

impl<'e> Value<'e> {
    /// Returns the value with its kind, which is read if it is JSON.
    pub(super) fn open(&self, meter: &Meter) -> Result<Open<'e>, Fault> {
        Ok(match self {
            Self::Null => Open::Null,
            Self::Bool(value) => Open::Bool(*value),
            Self::Int(value) => Open::Int(*value),
            Self::Double(value) => Open::Double(*value),
            Self::Text(text) => Open::Text(text.clone()),
            Self::List(list) => Open::List(Rc::clone(list)),
            Self::Map(map) => Open::Map(Rc::clone(map)),
            Self::Raw(json) => match json.first() {
                Some(b'"') => Open::Text(Text::decode(json, meter)?),
                Some(b'[') => Open::Array(json),
                Some(b'{') => Open::Object(json),
                Some(b't') => Open::Bool(true),
                Some(b'f') => Open::Bool(false),
                Some(b'-' | b'0'..=b'9') => number(json, meter)?,
                _ => Open::Null,
            },
        })
    }

    /// Makes a list.
    pub(super) fn list(items: Vec<Self>, meter: &Meter) -> Evaluated<'e> {
        Meter::elements(items.len())?;
        meter.make(items.len() * size_of::<Self>())?;
        let depth = deeper(items.iter())?;
        Ok(Self::List(Rc::new(List { items, depth })))
    }

    /// Makes a map. Its keys have to differ.
    pub(super) fn map(entries: Vec<Entry<'e>>, meter: &Meter) -> Evaluated<'e> {
        Meter::elements(entries.len())?;
        meter.make(entries.len() * size_of::<Entry<'_>>())?;
        let depth = deeper(entries.iter().map(|(_, value)| value))?;
        Ok(Self::Map(Rc::new(Map { entries, depth })))
    }

    pub(super) fn text(text: &str, meter: &Meter) -> Evaluated<'e> {
        Text::made(text, meter).map(Self::Text)
    }
}

/// Returns the members of an object, each name once. Of several with one name the last counts.
pub(super) fn entries<'e>(json: &'e [u8], meter: &Meter) -> Result<Vec<Entry<'e>>, Fault> {
    meter.read(json.len())?;
    let mut places: HashMap<Cow<'e, str>, usize> = HashMap::new();
    let mut entries: Vec<Entry<'e>> = Vec::new();
    for (written, value) in pick::members(json) {
        meter.make(size_of::<Entry<'_>>())?;
        let key = pick::name(written);
        let next = entries.len();
        let place = *places.entry(key.clone().ok_or(NO_TEXT)?).or_insert(next);
        if place == next {
            entries.push((Text::of_json(key, meter)?, Value::Raw(value)));
        } else {
            entries[place].1 = Value::Raw(value);
        }
    }
    Ok(entries)
}

/// Returns the depth of a value that has these in it.
fn deeper<'v, 'e: 'v>(values: impl Iterator<Item = &'v Value<'e>>) -> Result<u8, Fault> {
    let depths = values.map(|value| match value {
        Value::List(list) => list.depth,
        Value::Map(map) => map.depth,
        _ => 0,
    });
    let depth = depths.max().unwrap_or_default() + 1;
    match depth <= MOST_NESTED {
        true => Ok(depth),
        false => Err(Reason::Other("makes lists and maps that are nested too deep").into()),
    }
}

/// Reads a number. It is an integer if it is written without a point and an exponent.
fn number<'e>(json: &'e [u8], meter: &Meter) -> Result<Open<'e>, Fault> {
    meter.read(json.len())?;
    let text = std::str::from_utf8(json).unwrap_or("0");
    if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return Ok(Open::Double(text.parse().unwrap_or_default()));
    }
    Ok(match text.parse() {
        Ok(number) => Open::Int(number),
        Err(_) => Open::Big(text),
    })
}

impl<'e> Open<'e> {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) | Self::Big(_) => Kind::Int,
            Self::Double(_) => Kind::Double,
            Self::Text(_) => Kind::Text,
            Self::Array(_) | Self::List(_) => Kind::List,
            Self::Object(_) | Self::Map(_) => Kind::Map,
        }
    }

    /// Returns the elements of a list, or the keys of a map: what a comprehension goes through.
    pub(super) fn items(&self, user: &'static str, meter: &Meter) -> Result<Items<'e>, Fault> {
        match self {
            Self::Array(json) => Ok(Items::Elements(pick::elements(json))),
            Self::Object(json) => Ok(Items::Keys(entries(json, meter)?.into_iter())),
            Self::List(list) => Ok(Items::List(Rc::clone(list), 0)),
            Self::Map(map) => Ok(Items::Map(Rc::clone(map), 0)),
            other => Err(Reason::Operand(user, other.kind()).into()),
        }
    }

    /// Returns the value of a member, if it is there.
    pub(super) fn member(&self, name: &str, meter: &Meter) -> Result<Option<Value<'e>>, Fault> {
        match self {
            Self::Object(json) => {
                meter.read(json.len())?;
                let own =
                    pick::members(json).filter(|(written, _)| pick::stands_for(written, name));
                Ok(own.last().map(|(_, value)| Value::Raw(value)))
            }
            Self::Map(map) => {
                let own = map.entries.iter().find(|(key, _)| key.as_str() == name);
                Ok(own.map(|(_, value)| value.clone()))
            }
            other => Err(Reason::Unfit(other.kind(), "has no members").into()),
        }
    }

    /// Returns the element at an index from 0; from the end if it is negative.
    pub(super) fn element(&self, index: i64, meter: &Meter) -> Result<Option<Value<'e>>, Fault> {
        let place = |length: usize| match index < 0 {
            true => i64::try_from(length).ok()?.checked_add(index),
            false => Some(index),
        };
        let place = |length| place(length).and_then(|place| usize::try_from(place).ok());
        match self {
            Self::Array(json) => {
                meter.read(json.len())?;
                let mut elements = pick::elements(json);
                let length = if index < 0 {
                    elements.clone().count()
                } else {
                    0
                };
                let place = place(length);
                Ok(place.and_then(|place| elements.nth(place)).map(Value::Raw))
            }
            Self::List(list) => {
                let place = place(list.items.len());
                Ok(place.and_then(|place| list.items.get(place)).cloned())
            }
            other => Err(Reason::Unfit(other.kind(), "has no elements").into()),
        }
    }
}

/// The values that a comprehension goes through.
pub(super) enum Items<'e> {
    Elements(Elements<'e>),
    Keys(vec::IntoIter<Entry<'e>>),
    List(Rc<List<'e>>, usize),
    Map(Rc<Map<'e>>, usize),
}

impl<'e> Items<'e> {
    /// Returns the next. Its reading is counted.
    pub(super) fn next(&mut self, meter: &Meter) -> Result<Option<Value<'e>>, Fault> {
        meter.step()?;
        Ok(match self {
            Self::Elements(elements) => {
                let json = elements.next();
                meter.read(json.map_or(0, <[u8]>::len))?;
                json.map(Value::Raw)
            }
            Self::Keys(entries) => entries.next().map(|(key, _)| Value::Text(key)),
            Self::List(list, at) => {
                let item = list.items.get(*at).cloned();
                *at += 1;
                item
            }
            Self::Map(map, at) => {
                let entry = map.entries.get(*at);
                *at += 1;
                entry.map(|(key, _)| Value::Text(key.clone()))
            }
        })
    }
}
