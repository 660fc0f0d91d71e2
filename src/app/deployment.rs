//! The number that tells deployments apart: all processes with the same upstreams and aggregates have the same.

use crate::{api::Deployment, config, upstream};

/// Returns the deployment of a gateway with this configuration.
///
/// It is FNV-1a (64 bits) over the names and URLs of the upstreams, and over the names and calls of the aggregates,
/// by name. So neither the order in the file, nor the machine, nor the build matters. Queries of URLs are left out,
/// as they may hold a secret.
pub(super) fn of(aggregates: &[config::Aggregate], upstreams: &[upstream::Settings]) -> Deployment {
    let mut sum = Sum::default();
    let mut by_name: Vec<_> = upstreams.iter().collect();
    by_name.sort_unstable_by(|a, b| a.service.name.cmp(&b.service.name));
    for settings in by_name {
        let address = &settings.service.address;
        sum.add("upstream");
        sum.add(&settings.service.name);
        sum.add(address.scheme());
        sum.add(address.authority());
        sum.add(settings.request.target.path());
    }
    let mut by_name: Vec<_> = aggregates.iter().collect();
    by_name.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for aggregate in by_name {
        sum.add("aggregate");
        sum.add(&aggregate.name);
        for call in &aggregate.calls {
            sum.add(&call.name);
            sum.add(&upstreams[call.upstream.0].service.name);
        }
    }
    Deployment::new(sum.0)
}

/// FNV-1a.
struct Sum(u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    /// Adds a text and a byte that no text has, which tells `ab`, `c` from `a`, `bc`.
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(toml: &str) -> String {
        let config =
            config::load_text("test", toml).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let deployment = of(&config.services.aggregates, &config.services.upstreams);
        deployment.member().to_str().unwrap().to_owned()
    }

    const ONE: &str = "[upstreams.a]\nurl = \"http://a/x\"\n[upstreams.b]\nurl = \"http://b/\"\n\
                       [aggregates.default]\ncalls = [\"a\", \"b\"]\n";

    #[test]
    fn it_is_the_same_for_the_same_upstreams_and_aggregates_and_in_every_build() {
        insta::assert_snapshot!(member(ONE), @"gather; id=ee310e1b934c152b");
        let other_order = "[aggregates.default]\ncalls = [\"a\", \"b\"]\n[upstreams.b]\nurl = \"http://b/\"\ntimeout = \"1s\"\n\
                           [upstreams.a]\nurl = \"http://a/x?key=secret\"\n";
        assert_eq!(member(other_order), member(ONE));
    }

    #[test]
    fn it_is_another_for_other_upstreams_or_aggregates() {
        let one = member(ONE);
        for (from, to) in [
            ("http://a/x", "http://a/y"),
            ("http://a/x", "http://a:81/x"),
            ("http://a/x", "https://a/x"),
            ("aggregates.default", "aggregates.other"),
            ("[\"a\", \"b\"]", "[\"b\", \"a\"]"),
            ("[\"a\", \"b\"]", "[\"a\"]"),
        ] {
            assert_ne!(member(&ONE.replace(from, to)), one, "{from} {to}");
        }
    }
}
