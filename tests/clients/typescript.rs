//! TypeScript, four times: types for `fetch`, two clients over it, and one over axios as in the document's own
//! snippet.

use std::{fs, os::unix::fs::symlink, process::Command};

use crate::{
    drive::drive,
    table::{NO, Row, YES, told},
    workshop::{Document, Workshop, pinned},
};

const PACKAGE: &str = "typescript/package.json";

/// A folder in which Node finds the packages that are installed.
fn workshop(client: &str) -> Workshop {
    let workshop = Workshop::new("typescript", client);
    symlink(workshop.source("node_modules"), workshop.path("node_modules")).expect("a link");
    workshop
}

/// A program of the packages that are installed.
fn installed(workshop: &Workshop, program: &str) -> Command {
    Command::new(workshop.source("node_modules/.bin").join(program))
}

fn compile(workshop: &Workshop, driver: &str) {
    workshop.run(installed(workshop, "tsc").args(["--project", driver]));
}

#[test]
#[ignore = "needs Node"]
fn openapi_typescript_and_openapi_fetch_work_live() {
    let workshop = workshop("typescript-fetch");
    let types = workshop.path("generated/contract.ts");
    let document = Document::V31;
    workshop.run(
        installed(&workshop, "openapi-typescript").arg(document.path()).arg("--output").arg(types),
    );
    compile(&workshop, "tsconfig.fetch.json");
    let driven = drive(&workshop, Command::new("node").arg("build/fetch.js"));
    Row {
        language: "TypeScript",
        generator: format!(
            "{}, {}",
            pinned(PACKAGE, "openapi-typescript"),
            pinned(PACKAGE, "openapi-fetch")
        ),
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
#[ignore = "needs Node"]
fn hey_apis_client_works_live() {
    let workshop = workshop("typescript-hey");
    let document = Document::V31;
    let generated = workshop.path("generated");
    workshop.run(
        installed(&workshop, "openapi-ts")
            .args(["--silent", "--no-log-file", "--client", "@hey-api/client-fetch", "--input"])
            .arg(document.path())
            .arg("--output")
            .arg(generated),
    );
    compile(&workshop, "tsconfig.hey.json");
    let driven = drive(&workshop, Command::new("node").arg("build/hey.js"));
    Row {
        language: "TypeScript",
        generator: format!("{} with client-fetch", pinned(PACKAGE, "@hey-api/openapi-ts")),
        from: document,
        compiles: "yes, but not with `exactOptionalPropertyTypes` \
            ([#2363](https://github.com/hey-api/hey-api/issues/2363))",
        types_the_problem: told(driven.types_the_problem, NO),
        tells_absent_from_null: told(driven.tells_absent_from_null, NO),
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}

#[test]
#[ignore = "needs Node"]
fn orvals_client_works_live() {
    let workshop = workshop("typescript-orval");
    let document = Document::V31;
    fs::copy(document.path(), workshop.path("openapi.json")).expect("copied");
    workshop.run(installed(&workshop, "orval").args(["--config", "orval.config.mjs"]));
    compile(&workshop, "tsconfig.orval.json");
    let driven = drive(&workshop, Command::new("node").arg("build/orval.js"));
    Row {
        language: "TypeScript",
        generator: format!("{} with fetch", pinned(PACKAGE, "orval")),
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
#[ignore = "needs Node and Java"]
fn openapi_generators_typescript_axios_works_live() {
    let workshop = workshop("typescript-axios");
    let document = Document::V31;
    workshop.openapi_generator(document);
    compile(&workshop, "tsconfig.axios.json");
    let driven = drive(&workshop, Command::new("node").arg("build/axios.js"));
    Row {
        language: "TypeScript",
        generator: format!(
            "{}, typescript-axios",
            pinned("openapi-generator.in", "openapi-generator-cli")
        ),
        from: document,
        compiles: "yes, but not with `exactOptionalPropertyTypes` \
            ([#22153](https://github.com/OpenAPITools/openapi-generator/issues/22153))",
        types_the_problem: told(
            driven.types_the_problem,
            "no: an `AxiosError` is of the type that its reader gives it \
            ([#12941](https://github.com/OpenAPITools/openapi-generator/issues/12941))",
        ),
        tells_absent_from_null: told(driven.tells_absent_from_null, NO),
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}
