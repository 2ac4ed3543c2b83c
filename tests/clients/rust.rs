//! Rust: progenitor's client over reqwest and serde, with `tungstenite`.

use std::process::Command;

use crate::{
    drive::drive,
    table::{NO, Row, YES, told},
    workshop::{Document, Workshop, below_target, pinned},
};

#[test]
#[ignore = "builds a client's dependencies"]
fn progenitor_works_live() {
    let workshop = Workshop::new("rust", "rust");
    let document = Document::V30;
    // Its dependencies stay built from run to run; the client itself is generated each time.
    let target = below_target("cargo");
    workshop.run(
        openapi::cargo::cargo()
            .args(["build", "--quiet", "--locked", "--target-dir"])
            .arg(&target)
            .env("OPENAPI", document.path()),
    );
    let driven = drive(&workshop, &mut Command::new(target.join("debug/driver")));
    Row {
        language: "Rust",
        generator: pinned("rust/Cargo.toml", "progenitor"),
        from: document,
        compiles: YES,
        types_the_problem: if driven.types_the_problem {
            "yes, with `application/problem+json` renamed to `application/json` before \
                ([#1415](https://github.com/oxidecomputer/progenitor/pull/1415))"
        } else {
            NO
        },
        tells_absent_from_null: told(
            driven.tells_absent_from_null,
            "no: `None` is absent \
                ([omicron#10675](https://github.com/oxidecomputer/omicron/pull/10675))",
        ),
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}
