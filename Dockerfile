# The gateway, built from this folder: docker build -t connect-socket .
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
# The caches keep the dependencies, downloaded and built, from one build to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked --package server && cp target/release/connect-socket /

FROM debian:bookworm-slim
RUN groupadd --system --gid 10001 gateway \
    && useradd --system --no-create-home --uid 10001 --gid gateway gateway \
    && install --directory --owner gateway --group gateway --mode 700 /var/lib/connect-socket
COPY --from=build /connect-socket /usr/local/bin/connect-socket
USER 10001:10001
ENV CONNECTSOCKET_LISTEN=0.0.0.0:8080
# For a journal: CONNECTSOCKET_DATA_DIR=/var/lib/connect-socket.
VOLUME /var/lib/connect-socket
EXPOSE 8080
# Whether the process answers, at CONNECTSOCKET_LISTEN. That it cannot reach its Redis is no reason to start it again.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["connect-socket", "healthcheck"]
ENTRYPOINT ["connect-socket"]
