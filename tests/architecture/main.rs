//! The borders inside the project: no circle of modules, no arrow against the layers, no crate
//! that depends on what it must not know. The layers are in `layers.rs`.
//!
//! An arrow is a place where one module uses another: a `use` or a path in the code. Declaring a
//! child with `mod` is none, and neither is re-exporting a child that the parent does not use.

mod circles;
mod dependencies;
mod layers;
mod self_test;
mod sources;

use std::fmt::Write;

use layers::CRATES;
use sources::{Sources, name};

#[test]
fn modules_do_not_use_each_other_in_a_circle() {
    let mut report = String::new();
    for of in &CRATES {
        let sources = Sources::read(of.folder);
        let arrows = sources.arrows();
        for folder in sources.folders() {
            for circle in circles::inside(&arrows, &folder) {
                writeln!(report, "\nA circle in {}, in {}:", of.folder, name(&folder)).unwrap();
                for arrow in circle {
                    writeln!(report, "    {arrow}").unwrap();
                }
            }
        }
    }
    assert!(
        report.is_empty(),
        "{report}\n\
         Remove one arrow of each circle: move what both modules need into a module below them,\n\
         or pass it in as an argument. See ARCHITECTURE.md."
    );
}

#[test]
fn modules_use_only_modules_of_their_own_layer_and_below() {
    let mut report = String::new();
    for of in &CRATES {
        let sources = Sources::read(of.folder);
        for arrow in sources.arrows() {
            let (from, to) = (of.layer(&arrow.from), of.layer(&arrow.to));
            if let (Some(from), Some(to)) = (from, to)
                && to < from
            {
                writeln!(report, "    {}: {arrow}", of.folder).unwrap();
            }
        }
    }
    assert!(
        report.is_empty(),
        "A module uses one that is above it:\n{report}\n\
         The layers are in tests/architecture/layers.rs. Move what is used down, or the module\n\
         that uses it up."
    );
}

#[test]
fn every_module_has_its_layer() {
    for of in &CRATES {
        let mut modules = Sources::read(of.folder).top_level();
        let listed = of.layers.iter().flat_map(|layer| layer.iter());
        for module in listed.filter(|module| **module != sources::ROOT) {
            assert!(
                modules.remove(*module),
                "tests/architecture/layers.rs lists the module `{module}`, which {} does not have",
                of.folder
            );
        }
        assert!(
            modules.is_empty(),
            "tests/architecture/layers.rs does not list these modules of {}: {modules:?}. Add each\n\
             to a layer below every module that uses it.",
            of.folder
        );
    }
}

#[test]
fn crates_do_not_depend_on_what_they_must_not_know() {
    for of in &CRATES {
        let dependencies = dependencies::of(of.folder);
        for pattern in of.never_depends_on {
            let found = dependencies::matching(&dependencies, pattern);
            assert!(
                found.is_empty(),
                "{} depends on {found:?}: see `cargo tree --invert {}`",
                of.folder,
                found[0]
            );
        }
    }
}
