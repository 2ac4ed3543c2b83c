//! The gateway behind reverse proxies that hold back what passes, as far as they can be told to.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;
use tests::{Connection, DEVICE, Gateway, connection::request, gateway::eventually, half_ref};

const KEY: &str = "the-operator-key-of-these-tests-1234";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Requests are read whole before they are passed on, responses are gathered and compressed, and
/// every request offers an upgrade.
const NGINX: &str = "
    daemon off; pid FOLDER/pid; error_log FOLDER/log; events {}
    http {
        access_log off; client_body_temp_path FOLDER/1; proxy_temp_path FOLDER/2;
        fastcgi_temp_path FOLDER/3; uwsgi_temp_path FOLDER/4; scgi_temp_path FOLDER/5;
        gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;
        proxy_buffering on; proxy_request_buffering on; proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
        proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
        server { listen 127.0.0.1:PORT; location / { proxy_pass http://GATEWAY; } }
    }";

const HAPROXY: &str = "
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option http-buffer-request
    option forwardfor
    compression algo gzip
    compression type application/json application/problem+json text/event-stream
listen gateway
    bind 127.0.0.1:PORT
    server gateway GATEWAY
";

/// A gateway, and a proxy before it.
struct Proxied {
    _gateway: Gateway,
    proxy: Child,
    authority: String,
    _folder: TempDir,
}

impl Proxied {
    /// Starts both. `command` is given the file of the configuration.
    fn start(configuration: &str, command: impl FnOnce(&str) -> Command) -> Self {
        let gateway = Gateway::builder()
            .operator_key(KEY)
            .flag("--test-channel", "on")
            .flag("--trusted-proxy", "127.0.0.1")
            .start();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("configuration");
        let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = unused.local_addr().expect("its address").port();
        drop(unused);
        let configuration = configuration
            .replace("FOLDER", &folder.path().display().to_string())
            .replace("PORT", &port.to_string())
            .replace("GATEWAY", gateway.authority());
        fs::write(&file, configuration).expect("written");
        let proxy = command(&file.display().to_string()).spawn().expect("the proxy is installed");
        let authority = format!("127.0.0.1:{port}");
        eventually("the proxy listens", || TcpStream::connect(&authority).is_ok());
        Self { _gateway: gateway, proxy, authority, _folder: folder }
    }

    fn connect(&self) -> Connection {
        Connection::to(&self.authority)
    }

    /// A conversation of which every part passes the proxy.
    fn converse(&self) {
        let gzip = ("accept-encoding", "gzip");
        let key = format!("Bearer {KEY}");
        let mut events = self.connect();
        events.send(request("GET /operator/events", &[("authorization", &key), gzip], ""));
        let answer = events.answer_without_body();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-encoding"), "identity");
        assert_eq!(events.chunk().as_deref(), Some(b":\n\n".as_slice()));

        let body = json!({"channel": "test", "deviceTag": DEVICE}).to_string();
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let chunked = [JSON, ("transfer-encoding", "chunked")];
        let token = self.connect().ask("PUT /token", &chunked, chunks).token();
        let large = self.connect().ask("PUT /token", &[JSON], " ".repeat(20_000));
        assert_eq!(large.problem_name(), "body-too-large");

        let half_ref = half_ref();
        let body = json!({"halfRef": half_ref, "deviceTag": DEVICE}).to_string();
        let headers = [JSON, ("token", &token)];
        self.connect().ask("POST /prospect/connectsocket", &headers, body).succeeds();
        let mut socket = self.connect();
        let protocols = format!("prospect.v1, halfref.{}", BASE64_URL_SAFE_NO_PAD.encode(half_ref));
        let handshake = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", &protocols),
        ];
        socket.send(request("GET /prospect/socket", &handshake, ""));
        assert_eq!(socket.answer_without_body().status, 101);
        let [opcode, length] = socket.bytes();
        assert_eq!((opcode, length < 126), (0x81, true), "a short text frame");
        let event = events.chunk().expect("an event");
        let event = String::from_utf8(event).expect("text");
        assert!(event.contains("event: connected\n"), "{event}");
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

#[test]
#[ignore = "needs nginx"]
fn a_conversation_passes_nginx_with_all_its_buffers() {
    let proxied = Proxied::start(NGINX, |file| {
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", "stderr", "-g", "master_process off;", "-c", file]);
        nginx
    });
    proxied.converse();
}

#[test]
#[ignore = "needs HAProxy"]
fn a_conversation_passes_haproxy_with_all_its_buffers() {
    let proxied = Proxied::start(HAPROXY, |file| {
        let mut haproxy = Command::new("haproxy");
        haproxy.args(["-db", "-q", "-f", file]);
        haproxy
    });
    proxied.converse();
}
