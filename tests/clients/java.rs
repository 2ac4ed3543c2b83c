//! Java: openapi-generator's client over Jersey and Jackson, with the JDK's own websocket.

use std::{fs, process::Command};

use crate::{
    drive::drive,
    table::{NO, Row, YES, told},
    workshop::{Document, Workshop, files, pinned},
};

/// What the generated code is warned of; everything else is an error, and in the driver so is this.
const WARNINGS: &str = "-Xlint:all,-rawtypes,-unchecked,-serial,-deprecation";

#[test]
#[ignore = "needs Java"]
fn openapi_generators_java_works_live() {
    let workshop = Workshop::new("java", "java");
    let document = Document::V31;
    workshop.openapi_generator(document);
    fs::create_dir(workshop.path("classes")).expect("a folder");
    let classpath = format!("classes:{}", workshop.source("lib/*").display());
    let compile = |warnings: &str, sources: &[String]| {
        let mut javac = Command::new("javac");
        javac.args([warnings, "-Werror", "-proc:none", "-d", "classes", "-cp", &classpath]);
        workshop.run(javac.args(sources));
    };
    compile(WARNINGS, &files(&workshop.path("generated/src/main/java"), "java"));
    compile("-Xlint:all", &["Driver.java", "Events.java"].map(str::to_owned));
    let driven = drive(&workshop, Command::new("java").args(["-cp", &classpath, "Driver"]));
    Row {
        language: "Java",
        generator: format!(
            "{}, java with jersey3",
            pinned("openapi-generator.in", "openapi-generator-cli")
        ),
        from: document,
        compiles: "yes, with warnings of raw types \
            ([#19032](https://github.com/OpenAPITools/openapi-generator/issues/19032)), \
            unchecked, serial and deprecation",
        types_the_problem: told(driven.types_the_problem, NO),
        tells_absent_from_null: told(driven.tells_absent_from_null, NO),
        reads_events: told(driven.reads_events, NO),
        works_live: YES,
    }
    .hold();
}
