# The gateway, built from this folder: docker build -t connect-socket .
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package server

FROM debian:bookworm-slim
RUN useradd --system --no-create-home --uid 10001 gateway
COPY --from=build /build/target/release/connect-socket /usr/local/bin/connect-socket
USER 10001
ENV CONNECTSOCKET_LISTEN=0.0.0.0:8080
EXPOSE 8080
# Whether the process answers. That it cannot reach its Redis is no reason to start it again.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; grep -q ' 200 ' <(head -n 1 <&3)"]
ENTRYPOINT ["connect-socket"]
