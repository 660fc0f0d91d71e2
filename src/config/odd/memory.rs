//! Memory that somebody has promised and the machine does not have. Knows nothing of what it is for.

use crate::config::{Bytes, checked::Config, mistake::KeyPath, review::Review};

/// Notes it where bodies and answers alone may take all that there is: the system ends the process before it refuses a request.
pub(super) fn look(config: &Config, there: u64, review: &mut Review<'_>) {
    let path = KeyPath::of(["server", "memory"]);
    if config.server.memory >= there && review.is_set(&path) {
        let message = format!(
            "bodies and answers may take {}, and this machine or container has {} for all of the process, which is killed beyond that; \
             leave it out for half of what there is",
            Bytes(config.server.memory),
            Bytes(there),
        );
        review.warning(&path, message);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Surroundings, load};

    #[test]
    fn more_memory_than_there_is_is_odd() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("gather.toml");
        let text = "server.memory = '512MiB'\n[upstreams.a]\nurl = 'http://a'\n[aggregates.home]\ncalls = ['a']\n";
        std::fs::write(&file, text).unwrap();
        let warned = |there| {
            let surroundings = Surroundings {
                memory: Some(there),
                ..Surroundings::default()
            };
            let config = load(std::slice::from_ref(&file), [], Some(&surroundings)).unwrap();
            let paths = config.warnings.into_iter().map(|warning| warning.path);
            paths.collect::<Vec<_>>()
        };
        assert_eq!(warned(512 << 20), ["server.memory"]);
        assert_eq!(warned(1 << 30), [""; 0]);
    }
}
