//! Python, twice: openapi-generator's client over urllib3 and pydantic, and one over httpx and attrs; both
//! with `websockets`.

use std::{fs, process::Command};

use crate::{
    drive::drive,
    table::{NO, Row, YES, told},
    workshop::{Document, Workshop, below_target, pinned},
};

/// Reads code with mypy, by the rules of a configuration.
fn check(workshop: &Workshop, config: &str, what: &[&str]) {
    let mut mypy = Command::new(workshop.source(".venv/bin/mypy"));
    let cache = below_target("mypy").join(workshop.path("").file_name().expect("a name"));
    mypy.arg("--cache-dir").arg(cache).args(["--config-file", config]);
    workshop.run(mypy.args(what).env("MYPYPATH", "generated"));
}

/// A driver, whose warnings are errors.
fn program(workshop: &Workshop, driver: &str) -> Command {
    let mut program = Command::new(workshop.source(".venv/bin/python"));
    program.args(["-W", "error", driver]).env("PYTHONPATH", "generated");
    program
}

#[test]
#[ignore = "needs Python and Java"]
fn openapi_generators_python_works_live() {
    let workshop = Workshop::new("python", "python");
    let document = Document::V31;
    workshop.openapi_generator(document);
    check(&workshop, "generated/pyproject.toml", &["--package", "connect_socket"]);
    check(&workshop, "mypy.ini", &["driver.py"]);
    let driven = drive(&workshop, &mut program(&workshop, "driver.py"));
    Row {
        language: "Python",
        generator: format!("{}, python", pinned("openapi-generator.in", "openapi-generator-cli")),
        from: document,
        compiles: YES,
        types_the_problem: told(driven.types_the_problem, NO),
        tells_absent_from_null: told(driven.tells_absent_from_null, NO),
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}

#[test]
#[ignore = "needs Python"]
fn openapi_python_client_works_live() {
    let workshop = Workshop::new("python", "python-attrs");
    let document = Document::V31;
    fs::create_dir(workshop.path("generated")).expect("a folder");
    workshop.run(
        Command::new(workshop.source(".venv/bin/openapi-python-client"))
            .args(["generate", "--meta", "none", "--config", "openapi-python-client.yaml"])
            .args(["--output-path", "generated/connect_socket_client", "--path"])
            .arg(document.path()),
    );
    check(&workshop, "mypy.ini", &["--package", "connect_socket_client"]);
    check(&workshop, "mypy.ini", &["attrs_driver.py"]);
    let driven = drive(&workshop, &mut program(&workshop, "attrs_driver.py"));
    Row {
        language: "Python",
        generator: pinned("python/requirements.in", "openapi-python-client"),
        from: document,
        compiles: YES,
        types_the_problem: told(driven.types_the_problem, NO),
        tells_absent_from_null: told(driven.tells_absent_from_null, NO),
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}
