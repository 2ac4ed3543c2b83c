//! Python: openapi-generator's client over urllib3 and pydantic, with `websockets`.

use std::process::Command;

use crate::{
    drive::drive,
    table::{NO, Row, YES, told},
    workshop::{Document, Workshop, below_target, pinned},
};

#[test]
#[ignore = "needs Python and Java"]
fn openapi_generators_python_works_live() {
    let workshop = Workshop::new("python", "python");
    let document = Document::V31;
    workshop.openapi_generator(document);
    let check = |config: &str, what: &[&str]| {
        let mut mypy = Command::new(workshop.source(".venv/bin/mypy"));
        mypy.arg("--cache-dir").arg(below_target("mypy")).args(["--config-file", config]);
        workshop.run(mypy.args(what).env("MYPYPATH", "generated"));
    };
    check("generated/pyproject.toml", &["--package", "connect_socket"]);
    check("mypy.ini", &["driver.py"]);
    let mut program = Command::new(workshop.source(".venv/bin/python"));
    program.args(["-W", "error", "driver.py"]).env("PYTHONPATH", "generated");
    let driven = drive(&workshop, &mut program);
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
