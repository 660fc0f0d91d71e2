//! The query parameters of an aggregate, read strictly. A parameter that is unknown, repeated, empty or meaningless is
//! an error that names it. Pure; it must not know what an aggregate is made of.

use std::{
    borrow::Cow,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use crate::{
    duration,
    endpoint::PathParameter,
    fanout::{Choice, Completion, Mode, PARAMETERS},
};

use super::{path, query_error::QueryError};

/// The name of the mode that runs an aggregate in both others.
pub(super) const COMPARE: &str = "compare";

/// The parameter among Gather's own that is a list.
const CALLS: &str = "calls";

/// The way in which a request wants its aggregate run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// The aggregate runs once, in the named mode or the configured one.
    Once(Option<Mode>),
    /// The aggregate runs in both modes in turn.
    Compare,
}

impl Run {
    /// Returns the mode as answers write it. `configured` is the aggregate's own.
    pub(super) fn mode(self, configured: Mode) -> &'static str {
        match self {
            Self::Once(mode) => mode.unwrap_or(configured).as_str(),
            Self::Compare => COMPARE,
        }
    }
}

/// The contents of a query.
#[derive(Debug)]
pub(super) struct Query<'q> {
    pub(super) run: Run,
    calls: Option<Cow<'q, str>>,
    concurrency: Option<NonZeroUsize>,
    timeout: Option<Duration>,
    completion: Option<Completion>,
    /// The parameters for upstreams: the decoded name, and the pair as it came.
    pub(super) forwarded: Vec<(String, String)>,
    /// The values of the route's parameters, in the order of the route, if they are given in the query.
    pub(super) path: Vec<String>,
}

/// The parameters that a request of an aggregate may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared<'a> {
    /// True if Gather's own are taken.
    pub(super) own: bool,
    /// The parameters that its calls take, in order.
    pub(super) forwarded: &'a [String],
    /// The parameters of its route, if they are given in the query.
    pub(super) path: &'a [PathParameter],
}

impl<'q> Query<'q> {
    /// Reads a query string.
    pub(super) fn parse(text: &'q str, declared: Declared<'_>) -> Result<Self, QueryError> {
        let mut query = Self {
            run: Run::Once(None),
            calls: None,
            concurrency: None,
            timeout: None,
            completion: None,
            forwarded: Vec::new(),
            path: Vec::new(),
        };
        let mut seen = [false; PARAMETERS.len()];
        let mut path = vec![None; declared.path.len()];
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else {
                continue;
            };
            if let Some(place) = declared.path.iter().position(|own| *own.name == *name) {
                let raw = pair.split_once('=').map_or("", |(_, raw)| raw);
                let value = path::read_query(&declared.path[place], raw)?;
                if path[place].replace(value).is_some() {
                    let name = name.into_owned().into();
                    return Err(QueryError::Repeated { name });
                }
                continue;
            }
            let own = PARAMETERS.iter().position(|own| *own == name);
            let Some(index) = own.filter(|_| declared.own) else {
                if declared
                    .forwarded
                    .binary_search_by(|known| known.as_str().cmp(&name))
                    .is_err()
                {
                    return Err(QueryError::Unknown {
                        name: name.into_owned(),
                    });
                }
                query.forwarded.push((name.into_owned(), pair.to_owned()));
                continue;
            };
            let name = PARAMETERS[index];
            // A list may have either form of RFC 6570: values with commas between them, or the name again for each
            // value.
            if std::mem::replace(&mut seen[index], true) && name != CALLS {
                return Err(QueryError::Repeated { name: name.into() });
            }
            if value.is_empty() {
                return Err(QueryError::Empty { name: name.into() });
            }
            query.take(name, value)?;
        }
        for (value, parameter) in path.into_iter().zip(declared.path) {
            let missing = || QueryError::Missing {
                name: parameter.name.to_string().into(),
            };
            query.path.push(value.ok_or_else(missing)?);
        }
        Ok(query)
    }

    fn take(&mut self, name: &'static str, value: Cow<'q, str>) -> Result<(), QueryError> {
        let invalid = |expected| QueryError::Invalid {
            name: name.into(),
            found: value.clone().into_owned(),
            expected,
        };
        match name {
            "mode" if value == COMPARE => self.run = Run::Compare,
            "mode" => {
                let mode = value.parse().map_err(|_| {
                    invalid("`sequential` (or `sync`), `concurrent` (or `async`) or `compare`")
                })?;
                self.run = Run::Once(Some(mode));
            }
            "concurrency" => {
                // With 32 bits, the same values are accepted on every machine, and the OpenAPI document can give them.
                let concurrency = Some(&*value)
                    .filter(|value| is_number(value))
                    .and_then(|value| value.parse::<NonZeroU32>().ok())
                    .and_then(|number| number.try_into().ok())
                    .ok_or_else(|| invalid("a number from 1"))?;
                self.concurrency = Some(concurrency);
            }
            "timeout" => {
                let timeout = duration::parse(&value)
                    .filter(|timeout| !timeout.is_zero())
                    .ok_or_else(|| invalid("a duration above zero such as `500ms` or `2s`"))?;
                self.timeout = Some(timeout);
            }
            "wait_for" => {
                let completion = Some(&*value)
                    .filter(|value| {
                        matches!(*value, "all" | "required" | "first") || is_number(value)
                    })
                    .and_then(|value| value.parse().ok())
                    .ok_or_else(|| {
                        invalid("`all`, `required`, `first` or a number of calls from 1")
                    })?;
                self.completion = Some(completion);
            }
            _ if value.split(',').any(str::is_empty) => {
                return Err(invalid("names of calls with one comma between them"));
            }
            _ => {
                self.calls = Some(match self.calls.take() {
                    None => value,
                    Some(before) => Cow::Owned(format!("{before},{value}")),
                });
            }
        }
        Ok(())
    }

    /// Returns the same query, independent of the text from which it was read.
    pub(super) fn into_owned(self) -> Query<'static> {
        Query {
            run: self.run,
            calls: self.calls.map(|calls| Cow::Owned(calls.into_owned())),
            concurrency: self.concurrency,
            timeout: self.timeout,
            completion: self.completion,
            forwarded: self.forwarded,
            path: self.path,
        }
    }

    /// Returns the choice within an aggregate. `preferred` is the time that `Prefer: wait` allows.
    pub(super) fn choice(&self, preferred: Option<Duration>) -> Choice<'_> {
        Choice {
            mode: match self.run {
                Run::Once(mode) => mode,
                Run::Compare => None,
            },
            concurrency: self.concurrency,
            calls: self
                .calls
                .as_deref()
                .map(|calls| calls.split(',').collect()),
            timeout: [self.timeout, preferred].into_iter().flatten().min(),
            completion: self.completion,
        }
    }
}

/// Returns true for a number in its usual form. Rust's parser would accept a sign and leading zeros too.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

/// Reads the `wait` preference of a `Prefer` field (RFC 7240), in whole seconds. A preference without a useful value is
/// ignored, as the RFC demands.
pub(super) fn preferred_wait(field: &str) -> Option<u64> {
    field
        .split(',')
        .map(|preference| preference.split(';').next().unwrap_or_default())
        .filter_map(|preference| preference.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse().ok())
        .filter(|seconds| (1..=duration::LONGEST.as_secs()).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::ParameterKind;

    fn parse(text: &str) -> Result<Query<'_>, QueryError> {
        let declared = Declared {
            own: true,
            forwarded: &["id".to_owned()],
            path: &[],
        };
        Query::parse(text, declared)
    }

    #[test]
    fn every_parameter_is_taken() {
        let query =
            parse("mode=async&concurrency=2&calls=b,a&timeout=500ms&wait_for=first&id=1&id=%20x")
                .unwrap();
        assert_eq!(query.run, Run::Once(Some(Mode::Concurrent)));
        let choice = query.choice(None);
        assert_eq!(choice.concurrency, NonZeroUsize::new(2));
        assert_eq!(choice.calls, Some(vec!["b", "a"]));
        assert_eq!(choice.timeout, Some(Duration::from_millis(500)));
        assert_eq!(choice.completion, Some(Completion::FIRST));
        let pairs: Vec<_> = query.forwarded.iter().map(|(_, pair)| &**pair).collect();
        assert_eq!(pairs, ["id=1", "id=%20x"]);
    }

    #[test]
    fn the_shorter_of_timeout_and_preference_holds() {
        let query = parse("timeout=3s").unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(query.choice(seconds(2)).timeout, seconds(2));
        assert_eq!(query.choice(seconds(9)).timeout, seconds(3));
        assert_eq!(parse("").unwrap().choice(seconds(9)).timeout, seconds(9));
    }

    #[test]
    fn what_nobody_declares_is_named() {
        let error = parse("mod=async").unwrap_err();
        assert_eq!(error, QueryError::Unknown { name: "mod".into() });
    }

    #[test]
    fn without_gathers_own_parameters_their_names_are_those_of_others() {
        let parse = |text| {
            let declared = Declared {
                own: false,
                forwarded: &["mode".to_owned()],
                path: &[],
            };
            Query::parse(text, declared)
        };
        let query = parse("mode=parallel&mode=").unwrap();
        assert_eq!((query.forwarded.len(), query.run), (2, Run::Once(None)));
        let name = "timeout".to_owned();
        assert_eq!(
            parse("timeout=1s").unwrap_err(),
            QueryError::Unknown { name }
        );
    }

    #[test]
    fn the_parameters_of_a_route_are_read_in_its_order_each_once() {
        let parameter = |name: &str, kind| PathParameter {
            name: name.into(),
            kind,
        };
        let path = [
            parameter("user", ParameterKind::Int),
            parameter("page", ParameterKind::Text),
        ];
        let parse = |text| {
            let declared = Declared {
                own: true,
                forwarded: &[],
                path: &path,
            };
            Query::parse(text, declared).map(|query| query.path)
        };
        assert_eq!(parse("page=a+%2B&mode=sync&user=7").unwrap(), ["7", "a +"]);
        let name = || "user".into();
        for (text, error) in [
            ("page=a", QueryError::Missing { name: name() }),
            (
                "user=1&page=a&user=1",
                QueryError::Repeated { name: name() },
            ),
            ("page=a&user=", QueryError::Empty { name: name() }),
            ("page=a&user", QueryError::Empty { name: name() }),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        let error = parse("page=a&user=x").unwrap_err();
        assert!(matches!(error, QueryError::Invalid { .. }), "{error:?}");
    }

    #[test]
    fn own_parameters_are_refused_twice_or_empty() {
        for name in PARAMETERS {
            let value = match name {
                "mode" => "sync",
                "timeout" => "1s",
                _ => "1",
            };
            let twice = format!("{name}={value}&{name}={value}");
            match parse(&twice) {
                Ok(_) => assert_eq!(name, CALLS),
                Err(error) => assert_eq!(error, QueryError::Repeated { name: name.into() }),
            }
            for empty in [format!("{name}="), name.to_owned()] {
                let error = QueryError::Empty { name: name.into() };
                assert_eq!(parse(&empty).unwrap_err(), error);
            }
        }
    }

    #[test]
    fn a_list_comes_with_commas_or_with_its_name_again() {
        for text in [
            "calls=a,b,c",
            "calls=a&calls=b&calls=c",
            "calls=a,b&calls=c",
        ] {
            let query = parse(text).unwrap();
            assert_eq!(
                query.choice(None).calls,
                Some(vec!["a", "b", "c"]),
                "{text}"
            );
        }
        for text in ["calls=a&calls=", "calls=a&calls"] {
            let error = parse(text).unwrap_err();
            let name = CALLS.into();
            assert_eq!(error, QueryError::Empty { name }, "{text}");
        }
        assert!(parse("calls=a&calls=b,,c").is_err());
    }

    #[test]
    fn values_without_meaning_are_refused() {
        for text in [
            "mode=parallel",
            "mode=Async",
            "concurrency=0",
            "concurrency=-1",
            "concurrency=1.5",
            "concurrency=%2B5",
            "concurrency=05",
            "concurrency=4294967296",
            "concurrency=99999999999999999999999",
            "timeout=0",
            "timeout=0s",
            "timeout=-1",
            "timeout=1e99",
            "timeout=abc",
            "timeout=5",
            "timeout=99999999999999999999y",
            "timeout=1000y",
            "timeout=18446744073709551615s 18446744073709551615s",
            "timeout=18446744073709551615s 999999999ns 1ns",
            "timeout=18446744073709551615s 1000000000ns",
            "timeout=9999999999999999999y9999999999999999999y",
            "wait_for=none",
            "wait_for=0",
            "wait_for=-1",
            "wait_for=%2B1",
            "wait_for=01",
            "calls=a,,b",
            "calls=,",
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, QueryError::Invalid { .. }),
                "{text}: {error:?}"
            );
            let (name, value) = text.split_once('=').unwrap();
            let (message, value) = (error.to_string(), value.replace("%2B", "+"));
            assert!(
                message.contains(name) && message.contains(&value),
                "{message}"
            );
        }
    }

    #[test]
    fn a_preference_is_found_among_others_and_ignored_where_it_makes_no_sense() {
        assert_eq!(preferred_wait("wait=10"), Some(10));
        assert_eq!(preferred_wait("respond-async, WAIT = 3; x=1"), Some(3));
        for nonsense in [
            "wait", "wait=", "wait=0", "wait=-1", "wait=1.5", "waits=3", "",
        ] {
            assert_eq!(preferred_wait(nonsense), None, "{nonsense}");
        }
    }
}
