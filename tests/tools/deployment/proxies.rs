//! nginx, `HAProxy` and Caddy with the configurations of `docs/deploy`: TLS, traffic in both directions
//! through reloads that cut every socket, and the client's address.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tests::{
    Gateway, GatewayBuilder, RedisServer,
    gateway::eventually,
    tools::{node, succeed},
};

use super::file;

const KEY: &str = "an-operator-key-of-at-least-32-characters";

/// Messages each way.
const MESSAGES: &str = "300";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn gateway() -> GatewayBuilder {
    Gateway::builder().operator_key(KEY).flag("--trusted-proxy", "127.0.0.1")
}

/// A proxy that runs with a configuration of the project, at `https://localhost:port`.
struct Proxy {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Proxy {
    /// Makes a certificate, fills the configuration in, and starts the proxy. `fill` is given the
    /// folder with `certificate.pem`, `key.pem` and both in `both.pem`, and the ports for HTTPS and HTTP.
    fn start(
        path: &str,
        fill: impl FnOnce(String, &str, [u16; 2]) -> String,
        command: impl FnOnce(&str, &str) -> Command,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let name = |name: &str| folder.path().join(name).display().to_string();
        let (certificate, key) = (name("certificate.pem"), name("key.pem"));
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost", "-days", "1"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out"])
            .arg(&certificate);
        succeed(&mut openssl, "");
        let both = [&certificate, &key].map(|path| fs::read_to_string(path).expect("it was made"));
        fs::write(name("both.pem"), both.concat()).expect("written");
        let ports = [free_port(), free_port()];
        let root = folder.path().display().to_string();
        let configuration = name("configuration");
        fs::write(&configuration, fill(file(path), &root, ports)).expect("written");
        let mut command = command(&configuration, &root);
        let process = command.stderr(Stdio::null()).spawn().expect("the proxy is installed");
        let listens = || TcpStream::connect(("127.0.0.1", ports[0])).is_ok();
        eventually("the proxy listens", listens);
        Self { process, port: ports[0], folder }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn certificate(&self) -> String {
        self.folder.path().join("certificate.pem").display().to_string()
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        succeed(Command::new("kill").args(["-s", name, &pid]), "");
    }

    /// A conversation whose every message is accounted for, while `reload` is called again and again.
    fn keep_books(&self, reload: impl Fn()) {
        let mut child = node("--experimental-websocket")
            .args(["books.mjs", "node", &self.url(), KEY, MESSAGES])
            .env("NODE_EXTRA_CA_CERTS", self.certificate())
            .env("FRAMES_PER_SECOND", "80")
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node runs");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut reloads, mut last) = (0, String::new());
        for (count, line) in lines.map_while(Result::ok).enumerate() {
            // Once in a second or two.
            if count % 6 == 5 && reloads < 3 {
                reload();
                reloads += 1;
            }
            last = line;
        }
        assert!(child.wait().expect("it ends").success(), "the books are wrong");
        assert!(last.starts_with("done: "), "{last}");
        assert!(reloads > 1, "{reloads} reloads are too few to show anything");
    }

    /// The gateway counts requests for the client's own address, whatever the client says.
    fn tells_the_address_of(&self, client: &str, gateway: &Gateway) {
        let url = format!("{}/token", self.url());
        for _ in 0..40 {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-4", "--interface", client, "--cacert", &self.certificate(), "-X"])
                .args(["PUT", &url, "--header", "x-forwarded-for: 192.0.2.9", "--json"])
                .arg(r#"{"channel": "test", "deviceTag": "phone"}"#);
            succeed(&mut curl, "");
        }
        let line = gateway.logged("client address over its limit");
        assert!(line.contains(client), "{line}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A killed process would leave its workers behind.
        self.signal("TERM");
        let _ = self.process.wait();
    }
}

/// Two gateways that share a Redis.
fn gateways() -> (RedisServer, [Gateway; 2]) {
    let redis = RedisServer::durable();
    let gateways = [(); 2].map(|()| {
        let gateway = gateway().flag("--redis-url", &redis.url());
        gateway.flag("--authorisations-per-second", "off").start()
    });
    for gateway in &gateways {
        eventually("the gateway is ready", || gateway.get("/readyz").status == 200);
    }
    (redis, gateways)
}

/// One gateway that counts few token requests per address.
fn strict_gateway() -> Gateway {
    let gateway = gateway().flag("--test-channel", "on");
    gateway.flag("--token-requests-per-second", "1").start()
}

fn nginx(first: &Gateway, second: &Gateway) -> Proxy {
    let fill = |text: String, folder: &str, [https, http]: [u16; 2]| {
        let site = text
            .replace("127.0.0.1:8081", first.authority())
            .replace("127.0.0.1:8082", second.authority())
            .replace("listen 443", &format!("listen {https}"))
            .replace("listen 80", &format!("listen {http}"))
            .replace("/etc/ssl/gateway.example.com.pem", &format!("{folder}/certificate.pem"))
            .replace("/etc/ssl/gateway.example.com.key", &format!("{folder}/key.pem"))
            .replace("gateway.example.com", "localhost");
        format!(
            "daemon off; pid {folder}/pid; worker_shutdown_timeout 1s; events {{}}
             http {{ access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
             fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
             {site} }}"
        )
    };
    Proxy::start("docs/deploy/nginx.conf", fill, |file, _| {
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", "stderr", "-c", file]);
        nginx
    })
}

#[test]
#[ignore = "needs nginx, Redis and Node"]
fn nothing_is_lost_through_reloads_of_nginx() {
    let (_redis, [first, second]) = gateways();
    let proxy = nginx(&first, &second);
    proxy.keep_books(|| proxy.signal("HUP"));
}

#[test]
#[ignore = "needs nginx"]
fn nginx_tells_the_clients_address() {
    let gateway = strict_gateway();
    nginx(&gateway, &gateway).tells_the_address_of("127.0.0.2", &gateway);
}

fn haproxy(first: &Gateway, second: &Gateway) -> Proxy {
    let fill = |text: String, _: &str, [https, http]: [u16; 2]| {
        text.replace("gateway-1:8080", first.authority())
            .replace("gateway-2:8080", second.authority())
            .replace("bind :443", &format!("bind :{https}"))
            .replace("bind :80", &format!("bind :{http}"))
            .replace("hard-stop-after 60s", "hard-stop-after 1s")
    };
    Proxy::start("docs/deploy/haproxy.cfg", fill, |file, folder| {
        let mut haproxy = Command::new("haproxy");
        haproxy.args(["-W", "-q", "-f", file]).env("CERTIFICATE", format!("{folder}/both.pem"));
        haproxy
    })
}

#[test]
#[ignore = "needs HAProxy, Redis and Node"]
fn nothing_is_lost_through_reloads_of_haproxy() {
    let (_redis, [first, second]) = gateways();
    let proxy = haproxy(&first, &second);
    proxy.keep_books(|| proxy.signal("USR2"));
}

#[test]
#[ignore = "needs HAProxy"]
fn haproxy_tells_the_clients_address() {
    let gateway = strict_gateway();
    haproxy(&gateway, &gateway).tells_the_address_of("127.0.0.2", &gateway);
}

fn caddy(first: &Gateway, second: &Gateway, admin: u16) -> Proxy {
    let fill = |text: String, folder: &str, [https, http]: [u16; 2]| {
        let site = text
            .replace("127.0.0.1:8081", first.authority())
            .replace("127.0.0.1:8082", second.authority())
            .replace("# A certificate of your own: tls", "tls")
            .replace("/etc/caddy/gateway.example.com.pem", &format!("{folder}/certificate.pem"))
            .replace("/etc/caddy/gateway.example.com.key", &format!("{folder}/key.pem"))
            .replace("gateway.example.com", &format!("localhost:{https}"));
        format!("{{\n\tadmin 127.0.0.1:{admin}\n\thttp_port {http}\n}}\n{site}")
    };
    Proxy::start("docs/deploy/Caddyfile", fill, |file, folder| {
        let mut caddy = Command::new("caddy");
        caddy.args(["run", "--adapter", "caddyfile", "--config", file]).env("HOME", folder);
        caddy
    })
}

#[test]
#[ignore = "needs Caddy, Redis and Node"]
fn nothing_is_lost_through_reloads_of_caddy() {
    let (_redis, [first, second]) = gateways();
    let admin = free_port();
    let proxy = caddy(&first, &second, admin);
    proxy.keep_books(|| {
        let mut reload = Command::new("caddy");
        reload.args(["reload", "--force", "--adapter", "caddyfile", "--address"]);
        reload.arg(format!("127.0.0.1:{admin}")).arg("--config");
        reload.arg(proxy.folder.path().join("configuration"));
        succeed(&mut reload, "");
    });
}

#[test]
#[ignore = "needs Caddy"]
fn caddy_tells_the_clients_address() {
    let gateway = strict_gateway();
    caddy(&gateway, &gateway, free_port()).tells_the_address_of("127.0.0.2", &gateway);
}
