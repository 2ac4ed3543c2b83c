//! Go, three times: the clients of openapi-generator, oapi-codegen and ogen, all over net/http, with `coder/websocket`.

use std::{fs, process::Command};

use crate::{
    drive::drive,
    table::{NO, Row, YES, told},
    workshop::{Document, Workshop, pinned},
};

/// Vets and builds a driver with its client.
fn program(workshop: &Workshop) -> Command {
    workshop.run(Command::new("go").args(["vet", "./..."]));
    workshop.run(Command::new("go").args(["build", "-mod=readonly", "-o", "build/driver", "."]));
    Command::new(workshop.path("build/driver"))
}

#[test]
#[ignore = "needs Go and Java"]
fn openapi_generators_go_works_live() {
    let workshop = Workshop::new("go", "go");
    let document = Document::V31;
    workshop.openapi_generator(document);
    let driven = drive(&workshop, &mut program(&workshop));
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

#[test]
#[ignore = "needs Go"]
fn oapi_codegen_works_live() {
    let workshop = Workshop::new("oapi-codegen", "oapi-codegen").with("go/events.go");
    let document = Document::V31;
    fs::create_dir(workshop.path("generated")).expect("a folder");
    workshop.run(
        Command::new("go")
            .args(["tool", "oapi-codegen", "--config", "oapi-codegen.yaml"])
            .arg(document.path()),
    );
    let driven = drive(&workshop, &mut program(&workshop));
    Row {
        language: "Go",
        generator: pinned("oapi-codegen/go.mod", "github.com/oapi-codegen/oapi-codegen/v2")
            .replace("github.com/oapi-codegen/oapi-codegen/v2", "oapi-codegen"),
        from: document,
        compiles: "yes, with `response-type-suffix: Reply`",
        types_the_problem: told(driven.types_the_problem, NO),
        tells_absent_from_null: if driven.tells_absent_from_null {
            "yes, with `nullable-type: true`"
        } else {
            NO
        },
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}

#[test]
#[ignore = "needs Go and jq"]
fn ogen_works_live() {
    let workshop = Workshop::new("ogen", "ogen").with("go/events.go");
    let document = Document::V31;
    let text = workshop.run(Command::new("jq").args(["-f", "types.jq"]).arg(document.path()));
    fs::write(workshop.path("openapi.json"), text).expect("written");
    workshop.run(Command::new("go").args(["tool", "ogen", "-loglevel", "error"]).args([
        "-config",
        "ogen.yaml",
        "-target",
        "generated",
        "-package",
        "connectsocket",
        "openapi.json",
    ]));
    let driven = drive(&workshop, &mut program(&workshop));
    Row {
        language: "Go",
        generator: pinned("ogen/go.mod", "github.com/ogen-go/ogen")
            .replace("github.com/ogen-go/ogen", "ogen"),
        from: document,
        compiles: YES,
        types_the_problem: told(driven.types_the_problem, NO),
        tells_absent_from_null: told(driven.tells_absent_from_null, NO),
        reads_events: if driven.reads_events { "yes, with `types.jq`" } else { NO },
        works_live: YES,
    }
    .hold();
}
