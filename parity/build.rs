//! Generates one test per case of `golden/cases.toml`, and lets a `parity` with the `record` feature
//! find the Python library that it was linked to.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    generate_tests()?;
    #[cfg(feature = "record")]
    {
        // Where the library lies in the environment and not in the system's folders.
        pyo3_build_config::add_libpython_rpath_link_args();
        if !pyo3_build_config::get().shared() {
            // A static interpreter's symbols have to be there for the modules that it loads.
            println!("cargo::rustc-link-arg-bins=-rdynamic");
        }
    }
    Ok(())
}

/// Writes `golden_cases.rs`, with a test of each case's name, so that a test runner can spread and
/// name them.
fn generate_tests() -> Result<(), Box<dyn Error>> {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../golden/cases.toml");
    println!("cargo::rerun-if-changed={}", path.display());
    let file: toml::Table = std::fs::read_to_string(&path)?.parse()?;
    let cases = file.get("case").and_then(toml::Value::as_array);
    let cases = cases.ok_or("golden/cases.toml has no cases")?;
    let mut tests = format!("const GENERATED: usize = {};\n", cases.len());
    for case in cases {
        let name = case.get("name").and_then(toml::Value::as_str);
        let name = name.ok_or("a case of golden/cases.toml has no name")?;
        let function = name.replace('-', "_");
        writeln!(tests, "#[test]\nfn {function}() {{ check({name:?}); }}")?;
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("golden_cases.rs"), tests)?;
    Ok(())
}
