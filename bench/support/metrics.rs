//! A gateway's `/metrics`, read once. It must not know what the series mean.
#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

use std::{io, net::SocketAddr};

use crate::client::Connection;

/// All series with their values.
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    /// Reads the metrics of a gateway.
    pub async fn of(address: SocketAddr) -> io::Result<Self> {
        let answer = Connection::open(address).await?.ask("/metrics").await?;
        let text = String::from_utf8(answer.body).map_err(io::Error::other)?;
        let series = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Ok(Self(lines.filter_map(series).collect()))
    }

    /// Returns the sum of a metric's series that have all these labels, written as `name="value"`.
    pub fn sum(&self, metric: &str, labels: &[&str]) -> f64 {
        self.select(metric, |series| {
            labels.iter().all(|label| series.contains(label))
        })
    }

    /// Returns the sum of a metric's series with all these labels, except those with one of the labels in `without`.
    pub fn sum_without(&self, metric: &str, labels: &[&str], without: &[&str]) -> f64 {
        self.select(metric, |series| {
            labels.iter().all(|label| series.contains(label))
                && !without.iter().any(|label| series.contains(label))
        })
    }

    fn select(&self, metric: &str, chosen: impl Fn(&str) -> bool) -> f64 {
        self.0
            .iter()
            .filter_map(|(series, value)| Some((series.strip_prefix(metric)?, value)))
            .filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
            .filter(|(labels, _)| chosen(labels))
            .map(|(_, value)| value)
            .sum()
    }
}
