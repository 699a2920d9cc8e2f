//! Generates one test per case of the goldens in the repository, and lets a `parity` with the `record` feature
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

/// The files of cases, each with the module that its tests are in.
const CASE_FILES: [(&str, &str); 2] = [("voice", "voice.toml"), ("tiny", "cases.toml")];

/// Writes `golden_cases.rs`, with a test of each case's name, so that a test runner can spread and
/// name them.
fn generate_tests() -> Result<(), Box<dyn Error>> {
    let mut tests = String::new();
    for (module, file) in CASE_FILES {
        let golden = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../golden");
        let path = golden.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        let table: toml::Table = std::fs::read_to_string(&path)?.parse()?;
        let cases = table.get("case").and_then(toml::Value::as_array);
        let cases = cases.ok_or_else(|| format!("golden/{file} has no cases"))?;
        let count = cases.len();
        writeln!(
            tests,
            "mod {module} {{\npub const GENERATED: usize = {count};"
        )?;
        for case in cases {
            let name = case.get("name").and_then(toml::Value::as_str);
            let name = name.ok_or_else(|| format!("a case of golden/{file} has no name"))?;
            let function = name.replace('-', "_");
            let model = module.to_uppercase();
            writeln!(
                tests,
                "#[test]\nfn {function}() {{ super::{model}.check({name:?}); }}"
            )?;
        }
        writeln!(tests, "}}")?;
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("golden_cases.rs"), tests)?;
    Ok(())
}
