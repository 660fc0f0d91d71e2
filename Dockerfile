# The image of Gather: the binary, the shared libraries it needs, the CA certificates and a configuration. No shell.
#
#   docker build -t gather .
#   docker run --rm -p 8080:8080 -v "$PWD/my.toml:/etc/gather/gather.toml:ro" gather

ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-slim-bookworm AS build
# A pipe whose first command fails is a failure.
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build

# The allocator's build wants make, which the image may not have.
RUN command -v make >/dev/null || { apt-get update && apt-get install -y --no-install-recommends make; }

# The dependencies, against a stub of the package: this layer is built again only when the manifest or the lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && echo '//! A stub.' > src/lib.rs \
 && printf '//! A stub.\nfn main() {}\n' > src/main.rs \
 && cargo build --release --locked

# The package itself. COPY keeps the files' own times, which are older than the stub's build: touch, or cargo keeps the stub.
COPY config config
COPY src src
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked

# Everything that the final image holds. ldd also names the loader, so this fits any architecture. glibc has looked up
# names in files and by DNS without a libnss_* plugin since 2.34; Debian 12 has 2.36.
RUN set -eu \
 && bin=target/release/gather \
 && install -D -m 755 "$bin" /rootfs/usr/local/bin/gather \
 && ldd "$bin" | grep -o '/[^ ]*' | while read -r lib; do install -D -m 755 "$lib" "/rootfs$lib"; done \
 && { [ -s /etc/ssl/certs/ca-certificates.crt ] \
      || { apt-get update && apt-get install -y --no-install-recommends ca-certificates; }; } \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/ca-certificates.crt \
 && echo 'gather:x:65532:65532:gather:/nonexistent:/sbin/nologin' > /rootfs/etc/passwd \
 && echo 'gather:x:65532:' > /rootfs/etc/group \
 && echo 'hosts: files dns' > /rootfs/etc/nsswitch.conf
COPY deploy/gather.toml /rootfs/etc/gather/gather.toml

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gather" \
      org.opencontainers.image.description="An HTTP aggregation gateway: one request in, several upstream calls out, one answer back, every call timed" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /rootfs/ /
ENV GATHER__LOG__FORMAT=json
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# For Docker. Kubernetes has its own probes, and an image in OCI format (buildah's default) can't carry one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/local/bin/gather", "probe", "--timeout", "2s"]
ENTRYPOINT ["/usr/local/bin/gather"]
CMD ["serve"]
