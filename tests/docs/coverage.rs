//! Every command and every block of code of the README and the documentation is run by a test, or it
//! says here why not.

use std::process::Command;

use tests::{gateway::binary, tools::succeed};

use crate::{
    page, pages,
    references::{is_test, spans},
};

/// The blocks of code: the page, how the block begins, and the test that runs it.
const BLOCKS: &[(&str, &str, &str)] = &[
    (
        "README.md",
        "GATEWAY=127.0.0.1:8080",
        "docs::commands::the_first_session_ends_with_a_message_each_way",
    ),
    ("README.md", "HALF_REF=", "docs::commands::the_first_session_ends_with_a_message_each_way"),
    (
        "README.md",
        "const key = 'paste the operator key here'",
        "docs::commands::the_session_in_javascript_ends_with_a_message_each_way",
    ),
    (
        "docs/deployment.md",
        "(umask 077; openssl rand -hex 32 > operator.key)",
        "docs::commands::a_check_finds_what_the_page_says",
    ),
    (
        "docs/guide.md",
        "const halfRef = crypto.randomUUID()",
        "docs::commands::the_socket_of_the_guide_opens",
    ),
    (
        "docs/monitoring.md",
        "scrape_configs:",
        "docs::monitoring::prometheus_scrapes_and_every_expression_can_be_queried",
    ),
    (
        "docs/operations.md",
        "(umask 077; openssl rand -hex 32 > operator.key)",
        "docs::commands::a_gateway_starts_with_the_settings_of_production",
    ),
    (
        "docs/operations.md",
        "cargo build --release",
        "docs::commands::two_gateways_on_one_machine_share_their_devices",
    ),
    (
        "server/web/README.md",
        "import { connect } from 'https://gateway.example/connect-socket.js';",
        "docs::commands::the_example_of_the_client_sends_a_message",
    ),
];

/// Single commands that are not the gateway's own: how they begin, and the test that runs them or the
/// reason why none does.
const COMMANDS: &[(&str, &str)] = &[
    ("./tests/run", "it runs this test"),
    ("./.ci/run", "it runs ./tests/run"),
    ("cargo run", "docs::commands::the_first_session_ends_with_a_message_each_way"),
    ("cargo test", "docs::references::every_suite_and_program_in_a_command_exists"),
    ("FORMAT=write cargo test", "it rewrites the encodings that the engine's own test compares"),
    ("cargo check", "it is a part of what builds this test"),
    ("cargo clippy", "a step of .ci/run"),
    ("cargo fmt", "a step of .ci/run"),
    ("cargo install --locked cargo-fuzz", "a step of .ci/run"),
    ("cargo fuzz run", "a step of .ci/run"),
    (
        "cargo run --release --manifest-path tests/decisions/Cargo.toml",
        "minutes of measuring: docs::references::every_suite_and_program_in_a_command_exists",
    ),
    ("npm pack", "tools::connect_socket_js::the_client_is_a_package"),
    ("npm install --prefix tests/node", "it changes the lock file"),
    (
        "OPERATOR_KEY=$(openssl rand -hex 32) docker compose up",
        "it needs a daemon: tools::deployment::containers",
    ),
    ("systemctl ", "it needs systemd: tools::deployment::service_manager"),
];

/// Our own programs: how their commands begin, and the name of the program.
const OWN: [(&str, &str); 4] = [
    ("cargo bench-gateway", "bench-gateway"),
    ("cargo contract", "openapi"),
    ("cargo run -- ", "connect-socket"),
    ("connect-socket ", "connect-socket"),
];

fn documented() -> Vec<String> {
    let mut paths = pages();
    paths.retain(|path| path.starts_with("docs/") || path.ends_with("README.md"));
    paths.extend(["CONTRIBUTING.md", "server/web/README.md"].map(str::to_owned));
    paths
}

/// The blocks of code of a page between fences, but not those of plain text.
fn fenced(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<(bool, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut block) {
            (Some(_), Some((is_code, code))) => {
                found.extend(is_code.then(|| code.clone()));
                block = None;
            }
            (Some(language), None) => block = Some((language != "text", String::new())),
            (None, Some((_, code))) => code.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

/// The commands of a page outside of such blocks: in a line of their own, and in the text.
fn commands(text: &str) -> Vec<String> {
    let mut found = spans(text);
    let (mut is_fenced, mut is_after_blank) = (false, false);
    for line in text.lines() {
        is_fenced ^= line.starts_with("```");
        if !is_fenced
            && is_after_blank
            && let Some(command) = line.strip_prefix("    ")
        {
            found.push(command.split("  ").next().unwrap_or_default().to_owned());
        } else {
            is_after_blank = line.is_empty();
        }
    }
    let programs = ["cargo ", "npm ", "connect-socket ", "systemctl ", "./"];
    found.retain(|it| {
        programs.iter().any(|name| it.starts_with(name))
            || it.contains(" docker ")
            || it.contains("=write ")
    });
    found
}

#[test]
fn every_block_of_code_is_run_by_a_test() {
    let mut blocks = Vec::new();
    for path in documented() {
        blocks.extend(fenced(&page(&path)).into_iter().map(|block| (path.clone(), block)));
    }
    for (path, block) in &blocks {
        let is_this = |it: &&(&str, &str, &str)| it.0 == path && block.starts_with(it.1);
        assert!(BLOCKS.iter().any(|it| is_this(&it)), "{path}: no test runs this:\n{block}");
    }
    for (path, beginning, test) in BLOCKS {
        assert!(is_test(test), "{test}");
        let is_there = |(of, block): &(String, String)| of == path && block.starts_with(beginning);
        assert!(blocks.iter().any(is_there), "{path} has no block that begins with {beginning}");
    }
}

#[test]
fn every_command_is_run_by_a_test_or_has_a_reason() {
    let all: Vec<_> = documented().iter().flat_map(|path| commands(&page(path))).collect();
    assert!(all.len() > 20, "{all:?}");
    let known: Vec<_> = OWN.iter().map(|it| it.0).chain(COMMANDS.iter().map(|it| it.0)).collect();
    for command in &all {
        let is_known = known.iter().any(|beginning| command.starts_with(beginning));
        assert!(is_known, "no test runs this: {command}");
    }
    for (beginning, test) in COMMANDS {
        assert!(all.iter().any(|it| it.starts_with(beginning)), "no page has {beginning}");
        for name in test.split(' ').filter(|word| word.contains("::")) {
            assert!(is_test(name), "{name}");
        }
    }
}

/// Their flags are those that the programs know.
#[test]
fn every_command_of_our_own_programs_is_understood() {
    let mut count = 0;
    for command in documented().iter().flat_map(|path| commands(&page(path))) {
        let own = OWN.iter().find(|(beginning, _)| command.starts_with(beginning));
        let Some((beginning, program)) = own else { continue };
        let arguments = command[beginning.len()..].replace('…', "");
        // With this at the end, everything before it is parsed, and nothing is done.
        let mut parse = Command::new(binary().with_file_name(program));
        succeed(parse.args(arguments.split_whitespace()).arg("--help"), "");
        count += 1;
    }
    assert!(count > 15, "{count}");
}
