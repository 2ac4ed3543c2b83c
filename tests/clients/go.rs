//! Go: openapi-generator's client over net/http, with `coder/websocket`.

use std::process::Command;

use crate::{
    drive::drive,
    table::{NO, Row, YES, told},
    workshop::{Document, Workshop, pinned},
};

#[test]
#[ignore = "needs Go and Java"]
fn openapi_generators_go_works_live() {
    let workshop = Workshop::new("go", "go");
    let document = Document::V31;
    workshop.openapi_generator(document);
    workshop.run(Command::new("go").args(["vet", "./..."]));
    workshop.run(Command::new("go").args(["build", "-mod=readonly", "-o", "build/driver", "."]));
    let driven = drive(&workshop, &mut Command::new(workshop.path("build/driver")));
    Row {
        language: "Go",
        generator: format!("{}, go", pinned("openapi-generator.in", "openapi-generator-cli")),
        from: document,
        compiles: YES,
        types_the_problem: told(driven.types_the_problem, NO),
        tells_absent_from_null: told(driven.tells_absent_from_null, NO),
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}
