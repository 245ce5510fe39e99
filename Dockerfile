# syntax=docker/dockerfile:1
# The image for who has a container engine; scripts/image builds nearly the same without one.
#
#   docker build -t registry.example.org/failover-api:0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" \
#     --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" .
#
# Pin the two bases by digest in your own build: look one up with `docker buildx imagetools inspect NAME` and give, for
# example, --build-arg RUST=docker.io/library/rust:1.95-bookworm@sha256:... Both must be the same Debian, because the
# program and ssh load the libraries of the second.
#
# For several architectures: docker buildx build --platform linux/amd64,linux/arm64 (emulated, so slow), or one build on a
# machine of each and `docker buildx imagetools create`.
ARG RUST=docker.io/library/rust:1.95-bookworm
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
ARG SOURCE_DATE_EPOCH=0
RUN apt-get update -q && apt-get install -qy --no-install-recommends openssh-client libnss-wrapper \
    && cargo install cargo-auditable --locked --version 0.7.6
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
ENV RUSTFLAGS="--remap-path-prefix=/usr/local/cargo=/cargo" CFLAGS="-ffile-prefix-map=/usr/local/cargo=/cargo"
RUN cargo auditable build --release --locked --package failover-api

# What the base lacks: the program, ssh, the library that names a user without a name, and the libraries that the three
# load. The base has the C library and its friends, and newer copies of them must not come from here.
WORKDIR /image
RUN set -eu; \
    install -D /src/target/release/failover-api usr/bin/failover-api; \
    install -D /usr/bin/ssh usr/bin/ssh; \
    wrapper=$(ls /usr/lib/*/libnss_wrapper.so); \
    ldd /usr/bin/ssh usr/bin/failover-api "$wrapper" | sed -nE 's/.* => (\/[^ ]+) .*/\1/p' | sort -u \
        | grep -vE '/(libc|libm|libdl|librt|libpthread|libgcc_s|libresolv)\.so' >libraries; \
    echo "$wrapper" >>libraries; \
    while read -r library; do install -D -m 0644 "$library" "usr/lib/${library#*/lib/}"; done <libraries; \
    rm libraries; \
    mkdir -p etc/failover-api/receivers etc/failover-api/services etc/failover-api/signing etc/failover-api/tokens; \
    printf 'root:x:0:0:root:/nonexistent:/nonexistent\nfailover-api:x:1000:1000::/nonexistent:/nonexistent\n' >etc/passwd; \
    printf 'root:x:0:\nfailover-api:x:1000:\n' >etc/group; \
    find . -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +

FROM ${BASE}
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="failover-api" \
      org.opencontainers.image.description="Moves stateful Kubernetes apps to their other node by committing to Git." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
ENV PATH=/usr/bin
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/failover-api"]
CMD ["serve"]
