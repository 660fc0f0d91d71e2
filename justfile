# Everything a change has to pass. `just check` is what CI runs; the checks themselves are in .ci/check.

# Lists the recipes.
default:
    @just --list

# Formatting, lints, docs and all tests.
check:
    .ci/check

fmt:
    .ci/check fmt

clippy:
    .ci/check clippy

docs:
    .ci/check docs

test:
    .ci/check test

# Licences, sources and advisories of the dependencies; needs cargo-deny.
deny:
    cargo deny check

# The story: three slow services, the gateway before them, both modes.
demo:
    cargo run --release -- demo

# Builds the image.
image:
    docker build -t gather .
