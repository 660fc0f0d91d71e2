//! Warns of loopback in a container, which is the container itself. It must not know how a container is recognised.

use std::net::SocketAddr;

use http::Uri;

use crate::config::{checked::Config, loops, mistake::KeyPath, review::Review};

/// Warns of addresses that lead to loopback, and of listeners that are only there.
pub(super) fn look(config: &Config, review: &mut Review<'_>) {
    for upstream in &config.services.upstreams {
        let path = KeyPath::of(["upstreams", &upstream.service.name, "url"]);
        leads_back(&path, &upstream.url(), "the service", review);
    }
    if let Some(endpoint) = &config.process.tracing.otlp_endpoint {
        let path = KeyPath::of(["tracing", "otlp_endpoint"]);
        leads_back(&path, endpoint, "the collector", review);
    }
    hears_nobody(
        &KeyPath::of(["server", "listen"]),
        config.process.server.listen,
        review,
    );
    if let Some(admin) = &config.process.admin {
        hears_nobody(&KeyPath::of(["admin", "listen"]), admin.listen, review);
    }
}

fn leads_back(path: &KeyPath, url: &Uri, whom: &str, review: &mut Review<'_>) {
    let host = url.host().unwrap_or_default();
    if loops::is_this_host(host) {
        let message = format!(
            "`{host}` is this container itself; name the host of {whom}, unless it runs beside the gateway in this container or pod"
        );
        review.warning(path, message);
    }
}

fn hears_nobody(path: &KeyPath, listen: SocketAddr, review: &mut Review<'_>) {
    if listen.ip().to_canonical().is_loopback() {
        let everywhere = match listen {
            SocketAddr::V4(_) => "0.0.0.0",
            SocketAddr::V6(_) => "[::]",
        };
        let message = format!(
            "\"{listen}\" is reached from inside of this container alone; set \"{everywhere}:{}\", unless only its pod is to reach it",
            listen.port()
        );
        review.warning(path, message);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Surroundings, load};

    fn warned(text: &str, in_container: bool) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("gather.toml");
        std::fs::write(&file, text).unwrap();
        let surroundings = Surroundings {
            in_container,
            ..Surroundings::default()
        };
        let config = load(&[file], [], Some(&surroundings)).unwrap();
        let places = config.warnings.iter();
        places
            .map(|warning| format!("{}: {}", warning.path, warning.message))
            .collect()
    }

    fn with(listen: &str, url: &str) -> String {
        format!(
            "server.listen = '{listen}'\n[upstreams.a]\nurl = '{url}'\n[aggregates.home]\ncalls = ['a']\n"
        )
    }

    #[test]
    fn an_upstream_at_loopback_is_odd_in_a_container_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.53",
            "localhost",
            "LOCALHOST.",
            "users.localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
        ] {
            let text = with("0.0.0.0:8080", &format!("http://{host}:9001/ping"));
            let [told] = &warned(&text, true)[..] else {
                panic!("{host}");
            };
            assert!(told.starts_with("upstreams.a.url: "), "{told}");
            assert!(told.contains("is this container itself"), "{told}");
            assert_eq!(warned(&text, false), [""; 0], "{host}");
        }
        for host in ["users", "10.0.0.7", "host.docker.internal", "[2001:db8::1]"] {
            let text = with("0.0.0.0:8080", &format!("http://{host}:9001/ping"));
            assert_eq!(warned(&text, true), [""; 0], "{host}");
        }
    }

    #[test]
    fn a_listener_on_loopback_is_odd_in_a_container() {
        let text = format!(
            "admin.listen = '[::1]:9091'\ntracing.otlp_endpoint = 'http://localhost:4318'\n{}",
            with("127.0.0.1:8080", "http://users")
        );
        let told = warned(&text, true);
        let starts = [
            "admin.listen: \"[::1]:9091\" is reached from inside",
            "server.listen: \"127.0.0.1:8080\" is reached from inside",
            "tracing.otlp_endpoint: `localhost` is this container itself; name the host of the collector",
        ];
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        for (told, start) in told.iter().zip(starts) {
            assert!(told.starts_with(start), "{told}");
        }
        let silent = "[upstreams.a]\nurl = 'http://a'\n[aggregates.home]\ncalls = ['a']\n";
        let [told] = &warned(silent, true)[..] else {
            panic!("the default is loopback");
        };
        assert!(told.contains("set \"0.0.0.0:8080\""), "{told}");
    }
}
