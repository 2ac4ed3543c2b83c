//! The served contract documents and Swagger UI, and the security headers of every answer.

use tests::{Answer, Connection, DEVICE, Gateway, half_ref};

const FILES: [(&str, &str); 15] = [
    ("/openapi.json", "application/json"),
    ("/openapi-3.0.json", "application/json"),
    ("/openapi-3.2.json", "application/json"),
    ("/swagger-ui/", "text/html"),
    ("/swagger-ui/index.html", "text/html"),
    ("/swagger-ui/swagger-ui.css", "text/css"),
    ("/swagger-ui/swagger-ui-bundle.js", "text/javascript"),
    ("/swagger-ui/gateway.js", "text/javascript"),
    ("/connect-socket.js", "text/javascript"),
    ("/", "text/html"),
    ("/try/", "text/html"),
    ("/try/try.css", "text/css"),
    ("/try/prospect.js", "text/javascript"),
    ("/try/icon.svg", "image/svg+xml"),
    ("/swagger-ui/icon.svg", "image/svg+xml"),
];

fn get_unless(gateway: &Gateway, path: &str, tag: &str) -> Answer {
    let call = gateway.call("GET", path);
    call.header("if-none-match", tag).send()
}

#[test]
fn a_page_without_its_slash_redirects() {
    let gateway = Gateway::trial();
    for page in ["/swagger-ui", "/try", "/try?from=somewhere"] {
        let answer = gateway.get(page);
        assert_eq!(answer.status, 308, "{page}");
        let target = page.split('?').next().expect("a path");
        assert_eq!(answer.header("location"), format!("{target}/"));
    }
}

#[test]
fn the_home_page_leads_to_the_others() {
    let page = Gateway::trial().get("/").text();
    for target in ["/try/", "/swagger-ui/", "/openapi.json", "/asyncapi.json", "/connect-socket.js"]
    {
        assert!(page.contains(&format!("href=\"{target}\"")), "{target}");
    }
}

#[test]
fn without_pages_the_contract_and_the_client_are_still_served() {
    let gateway = Gateway::builder().flag("--web", "off").start();
    for path in ["/", "/try", "/try/", "/try/try.js", "/swagger-ui", "/swagger-ui/index.html"] {
        assert_eq!(gateway.get(path).problem_name(), "not-found", "{path}");
    }
    for path in ["/openapi.json", "/asyncapi.json", "/connect-socket.js"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
}

#[test]
fn every_page_has_its_content_type() {
    let gateway = Gateway::trial();
    for (path, content_type) in FILES {
        let answer = gateway.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let said = answer.header("content-type").split(';').next();
        assert_eq!(said, Some(content_type), "{path}");
        assert!(!answer.body.is_empty(), "{path}");
    }
}

#[test]
fn no_page_loads_anything_from_elsewhere() {
    let gateway = Gateway::trial();
    for path in ["/", "/try/", "/swagger-ui/"] {
        let page = gateway.get(path).text();
        for elsewhere in ["http://", "https://", "src=\"//", "href=\"//"] {
            assert!(!page.contains(elsewhere), "{path}: {elsewhere}");
        }
    }
}

#[test]
fn the_page_knows_both_documents() {
    let script = Gateway::trial().get("/swagger-ui/gateway.js").text();
    for document in ["/openapi.json", "/openapi-3.0.json", "/openapi-3.2.json"] {
        assert!(script.contains(document), "{document}");
    }
}

#[test]
fn the_documents_are_of_the_versions_that_they_are_named_after() {
    let gateway = Gateway::trial();
    for (path, version) in
        [("/openapi.json", "3.1."), ("/openapi-3.0.json", "3.0."), ("/openapi-3.2.json", "3.2.")]
    {
        let document = gateway.get(path).ok();
        assert!(document["openapi"].as_str().unwrap().starts_with(version), "{path}");
    }
}

#[test]
fn a_page_with_a_matching_etag_is_not_sent_again() {
    let gateway = Gateway::trial();
    for (path, _) in FILES {
        let tag = gateway.get(path).header("etag").to_owned();
        let answer = get_unless(&gateway, path, &tag);
        assert_eq!(answer.status, 304, "{path}");
        assert!(answer.body.is_empty(), "{path}");
        assert_eq!(answer.header("etag"), tag, "{path}");
    }
}

#[test]
fn an_etag_matches_in_a_list_and_as_a_weak_one() {
    let gateway = Gateway::trial();
    let tag = gateway.get("/openapi.json").header("etag").to_owned();
    for tags in [format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        assert_eq!(get_unless(&gateway, "/openapi.json", &tags).status, 304, "{tags}");
    }
}

#[test]
fn a_page_with_another_etag_is_sent() {
    let gateway = Gateway::trial();
    for tag in ["\"other\"", "not a tag", ""] {
        assert_eq!(get_unless(&gateway, "/openapi.json", tag).status, 200, "{tag}");
    }
}

#[test]
fn every_page_has_its_own_etag() {
    let gateway = Gateway::trial();
    let tag = |path| gateway.get(path).header("etag").to_owned();
    assert_eq!(tag("/swagger-ui/"), tag("/swagger-ui/index.html"));
    assert_ne!(tag("/openapi.json"), tag("/openapi-3.0.json"));
}

#[test]
fn head_with_a_matching_etag_is_304() {
    let gateway = Gateway::trial();
    let tag = gateway.get("/openapi.json").header("etag").to_owned();
    let call = gateway.call("HEAD", "/openapi.json");
    assert_eq!(call.header("if-none-match", &tag).send().status, 304);
}

#[test]
fn pages_are_revalidated() {
    let gateway = Gateway::trial();
    for (path, _) in FILES {
        let answer = gateway.get(path);
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
        let known = get_unless(&gateway, path, answer.header("etag"));
        assert_eq!(known.header("cache-control"), "no-cache", "{path}");
    }
}

/// The documents under the URL of their version.
fn versioned() -> [String; 4] {
    let version = env!("CARGO_PKG_VERSION");
    ["openapi.json", "openapi-3.0.json", "openapi-3.2.json", "asyncapi.json"]
        .map(|document| format!("/contract/{version}/{document}"))
}

#[test]
fn each_version_has_a_url_of_its_own_which_clients_keep() {
    let gateway = Gateway::trial();
    for path in versioned() {
        let answer = gateway.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.header("cache-control"), "public, max-age=86400", "{path}");
        let current = gateway.get(&path[path.rfind('/').expect("a slash")..]);
        assert!(answer.body == current.body, "{path}");
        let tag = current.header("etag");
        assert!(tag.starts_with('"'), "{path}: {tag} is strong");
        let known = get_unless(&gateway, &path, tag);
        assert_eq!((known.status, known.header("etag")), (304, tag), "{path}");
        assert_eq!(known.header("cache-control"), "public, max-age=86400", "{path}");
        let head = gateway.call("HEAD", &path).send();
        assert_eq!((head.status, head.header("etag")), (200, tag), "{path}");
        assert!(head.body.is_empty(), "{path}");
    }
}

#[test]
fn another_version_or_document_is_not_found() {
    let gateway = Gateway::trial();
    let [openapi, ..] = versioned();
    for path in [
        "/contract/0.0.1/openapi.json".to_owned(),
        "/contract/latest/openapi.json".to_owned(),
        openapi.replace(".json", ""),
        openapi.replace("openapi.json", "waivers.toml"),
        openapi.replace("/openapi.json", ""),
        format!("{openapi}/"),
    ] {
        let answer = gateway.get(&path);
        assert_eq!(answer.problem_name(), "not-found", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    let answer = gateway.call("PUT", &openapi).send();
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn an_unknown_file_is_not_found() {
    let gateway = Gateway::trial();
    for file in [
        "nothing.js",
        "swagger-initializer.js",
        "index.htm",
        "oauth2-redirect.html/",
        "index.html/x",
        "Cargo.toml",
    ] {
        let answer = gateway.get(&format!("/swagger-ui/{file}"));
        assert_eq!(answer.problem_name(), "not-found", "{file}");
    }
}

#[test]
fn a_path_cannot_leave_the_folder() {
    let gateway = Gateway::trial();
    for path in [
        "/swagger-ui/../openapi.json",
        "/swagger-ui/../../etc/passwd",
        "/swagger-ui/./index.html",
        "/swagger-ui/%2e%2e/openapi.json",
        "/swagger-ui/..%2f..%2fetc%2fpasswd",
        "/swagger-ui/..%5c..%5cetc%5cpasswd",
        "/swagger-ui//etc/passwd",
        "/swagger-ui/%2fetc%2fpasswd",
        "/swagger-ui/index.html%00",
        "/try/../openapi.json",
        "/try/%2e%2e/%2e%2e/etc/passwd",
        "/swagger-ui/%ff",
        "/../swagger-ui/index.html",
        "/%2e%2e/etc/passwd",
    ] {
        let answer = Connection::open(&gateway).ask(&format!("GET {path}"), &[], "");
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.problem_name(), "not-found", "{path}");
    }
}

#[test]
fn a_page_takes_no_other_method() {
    let gateway = Gateway::trial();
    for (path, _) in FILES {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = gateway.call(method, path).send();
            assert_eq!(answer.problem_name(), "method-not-allowed", "{method} {path}");
        }
    }
}

/// One answer of each kind, by how it comes about.
fn every_kind_of_answer(gateway: &Gateway) -> Vec<Answer> {
    let token = gateway.token(DEVICE);
    let tag = gateway.get("/openapi.json").header("etag").to_owned();
    vec![
        gateway.request_token("test", DEVICE, None),
        gateway.connect_socket(&token, DEVICE, &half_ref()),
        gateway.revoke_token(&token),
        gateway.issue_token(&gateway.operator_key, DEVICE),
        gateway.issue_token("wrong", DEVICE),
        gateway.get("/livez"),
        gateway.get("/readyz"),
        gateway.get("/metrics"),
        gateway.get("/nowhere"),
        gateway.get("/token"),
        gateway.get("/prospect/socket"),
        gateway.call("PUT", "/token").send(),
        gateway.call("PUT", "/token").json_text("{}").send(),
        gateway.get("/"),
        gateway.get("/openapi.json"),
        get_unless(gateway, "/openapi.json", &tag),
        gateway.get("/swagger-ui/"),
        gateway.get("/swagger-ui/nothing"),
        gateway.call("HEAD", "/livez").send(),
    ]
}

#[test]
fn every_answer_has_the_security_headers() {
    let gateway = Gateway::trial();
    for answer in every_kind_of_answer(&gateway) {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer:?}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{answer:?}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{answer:?}");
        assert!(!answer.header("x-request-id").is_empty(), "{answer:?}");
    }
}

#[test]
fn every_answer_has_a_strict_content_security_policy() {
    let gateway = Gateway::trial();
    for answer in every_kind_of_answer(&gateway) {
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{answer:?}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{answer:?}");
        assert!(!policy.contains("unsafe"), "{answer:?}");
    }
}

#[test]
fn answers_of_operations_are_not_cached() {
    let gateway = Gateway::trial();
    for answer in every_kind_of_answer(&gateway) {
        let is_a_page = !answer.header("etag").is_empty();
        let expected = if is_a_page { "no-cache" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), expected, "{answer:?}");
    }
}

#[test]
fn a_page_request_with_an_upgrade_is_served() {
    let gateway = Gateway::trial();
    let headers = [("connection", "upgrade"), ("upgrade", "websocket")];
    for (path, _) in FILES {
        let answer = Connection::open(&gateway).ask(&format!("GET {path}"), &headers, "");
        assert_eq!(answer.body, gateway.get(path).body, "{path}");
    }
}
