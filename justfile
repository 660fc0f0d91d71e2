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

# Fuzzes a target, or every one, for so many seconds; needs a nightly toolchain and a C++ compiler.
fuzz target="" seconds="60":
    .ci/fuzz run {{seconds}} {{target}}

# Licences, sources and advisories of the dependencies; needs cargo-deny.
deny:
    cargo deny check

# The story: three slow services, the gateway before them, both modes.
demo:
    cargo run --release -- demo

# Fails unless a hedge makes the 99th percentile five times lower for 6 % more requests at most.
tail:
    cargo bench --locked --bench tail

# How soon an upstream sees that its answer is no longer wanted; fails above 50 ms.
cancel:
    cargo bench --locked --bench cancel

# Six calls of 50 ms in three layers; fails unless an answer takes 150 ms and at most 3 ms more.
graph:
    cargo bench --locked --bench graph

# CPU of composition: routes, values, `keep`, `when`, and a home page beside nginx + Lua; fails above what is wanted.
composition *arguments:
    cargo bench --locked --bench composition -- {{arguments}}

# Goodput and refusals at half to four times what an upstream carries; fails below 90 % of the peak or above 5 ms.
overload:
    cargo bench --locked --bench overload

# A thousand slow connections of each kind beside good requests; fails where a good one suffers or a slow one stays.
slow-clients:
    cargo bench --locked --bench slow_clients

# The gateway under load before sick upstreams, for ten minutes or so many seconds; fails if anything grows or doesn't add up.
soak seconds="600":
    cargo bench --locked --bench soak -- {{seconds}}

# Gather beside the same written by hand; about 15 minutes, writes docs/performance.md. `just bench --help` has the options.
bench *options:
    cargo bench --locked --bench compare -- {{options}}

# Instructions per aggregate of the release build, by callgrind; fails above what is stored. `--store` stores new figures,
# `--profile calls_3` says where they go, `--binary FILE` counts another build. Needs valgrind.
instructions *arguments:
    cargo test --locked --quiet --bench instructions -- {{arguments}}

# Allocations per aggregate, by size and by the place that makes them; names of scenarios choose.
allocations *scenarios:
    cargo test --locked --quiet --bench allocations -- {{scenarios}}

# Times of the pure parts: plan, answer, Server-Timing, metrics.
micro *arguments:
    cargo bench --locked --bench micro -- {{arguments}}

# Builds the image.
image:
    docker build -t gather .
