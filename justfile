# Everything a change has to pass. `just check` is what CI runs.

# Lists the recipes.
default:
    @just --list

# Formatting, lints, docs and all tests.
check: fmt clippy docs test

fmt:
    cargo fmt --check

clippy:
    cargo clippy --all-targets --locked -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --document-private-items

test:
    cargo test --locked

# The story: three slow services, the gateway before them, both modes.
demo:
    cargo run --release -- demo

# Builds the image.
image:
    docker build -t gather .
