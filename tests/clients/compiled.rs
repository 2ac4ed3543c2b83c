//! Languages whose clients are generated and compiled, and no more.

use std::{
    io::{Write, stderr},
    process::Command,
};

use tests::tools::run;

use crate::{
    table::{NOT_TRIED, Row, YES},
    workshop::{Document, SHORT_LIVED_JVM, Workshop, files, pinned},
};

/// A folder with a generated client.
fn generated(language: &str) -> Workshop {
    let workshop = Workshop::new(language, language);
    workshop.openapi_generator(Document::V31);
    workshop
}

/// Compares the row of a language with the table's.
fn hold(language: &'static str, generator: &str, compiles: &'static str) {
    Row {
        language,
        generator: format!(
            "{}, {generator}",
            pinned("openapi-generator.in", "openapi-generator-cli")
        ),
        from: Document::V31,
        compiles,
        types_the_problem: NOT_TRIED,
        tells_absent_from_null: NOT_TRIED,
        reads_events: NOT_TRIED,
        works_live: NOT_TRIED,
    }
    .hold();
}

/// Reads each file with an interpreter that is to find nothing, and is to warn of nothing.
fn assert_read(interpreter: &[&str], files: &[String]) {
    assert!(!files.is_empty());
    let (program, arguments) = interpreter.split_first().expect("a program");
    for file in files {
        let output = run(Command::new(program).args(arguments).arg(file), "");
        let clean = output.status.success() && output.stderr.is_empty();
        assert!(clean, "{file}: {output:?}");
    }
}

#[test]
#[ignore = "needs Java"]
fn openapi_generators_kotlin_compiles() {
    let workshop = generated("kotlin");
    let libraries = files(&workshop.source("lib"), "jar").join(":");
    workshop.run(
        Command::new("java")
            .env("JAVA_TOOL_OPTIONS", SHORT_LIVED_JVM)
            .args(["-cp", &libraries, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"])
            .args([
                "-Werror",
                "-Xwarning-level=USELESS_ELVIS:disabled",
                "-no-stdlib",
                "-no-reflect",
            ])
            .args(["-cp", &libraries, "-d", "classes", "generated/src/main/kotlin"]),
    );
    let compiles = "yes, with one warning (a `?:` that okhttp 5 does not need, since \
        [#23514](https://github.com/OpenAPITools/openapi-generator/issues/23514))";
    hold("Kotlin", "kotlin", compiles);
}

#[test]
#[ignore = "needs PHP and Java"]
fn openapi_generators_php_compiles() {
    let workshop = generated("php");
    let php = ["php", "-d", "error_reporting=-1", "-d", "display_errors=stderr", "-l"];
    assert_read(&php, &files(&workshop.path("generated/lib"), "php"));
    hold("PHP", "php", YES);
}

#[test]
#[ignore = "needs Ruby and Java"]
fn openapi_generators_ruby_compiles() {
    let workshop = generated("ruby");
    assert_read(&["ruby", "-wc"], &files(&workshop.path("generated/lib"), "rb"));
    hold("Ruby", "ruby", YES);
}

#[test]
#[ignore = "needs Java"]
fn openapi_generators_csharp_is_generated() {
    let workshop = generated("csharp");
    assert!(!files(&workshop.path("generated/src"), "cs").is_empty());
    // Not through `eprintln!`, which a test that passes keeps to itself.
    writeln!(stderr(), "SKIPPED: compiling the C# client, because Debian has no .NET SDK")
        .expect("written");
    hold("C#", "csharp", "not tried: Debian has no .NET SDK");
}
