//! Generates the client, with progenitor, from the document that `OPENAPI` names.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=OPENAPI");
    let document = env::var("OPENAPI")?;
    println!("cargo::rerun-if-changed={document}");
    let document = fs::read_to_string(document)?;
    // Progenitor has types for this one media type and takes a problem for a stream of bytes.
    let document = document.replace("application/problem+json", "application/json");
    let tokens =
        progenitor::Generator::default().generate_tokens(&serde_json::from_str(&document)?)?;
    let source = prettyplease::unparse(&syn::parse2(tokens)?);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("client.rs"), source)?;
    Ok(())
}
