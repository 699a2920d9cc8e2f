use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use native::model_dir::in_user_cache;

/// The folder's usual name.
const FOLDER: &str = "python_ref";
/// Where `make install` puts it, in the user's cache.
const OF_USER: &str = "cosyvoice-parity/python_ref";
/// The package in it.
const PACKAGE: &str = "cosyvoice_reference";

/// This project's Python, which drives the reference.
#[derive(Args, Debug)]
pub struct PythonPackageArg {
    /// The folder of cosyvoice_reference [default: python_ref here, in a folder above this program, or
    /// in the user's cache]
    #[arg(long, value_name = "DIR")]
    python_package: Option<PathBuf>,
}

impl PythonPackageArg {
    /// The folder that was named, or the first of the usual ones that has the package.
    pub fn find(&self) -> anyhow::Result<PathBuf> {
        let has = |dir: &PathBuf| dir.join(PACKAGE).is_dir();
        if let Some(dir) = &self.python_package {
            if !has(dir) {
                bail!(
                    "--python-package {}: there is no {PACKAGE} in it; name this project's {FOLDER}",
                    dir.display()
                );
            }
            return Ok(std::path::absolute(dir)?);
        }
        let program = std::env::current_exe().and_then(|exe| exe.canonicalize());
        let above = program.iter().flat_map(|exe| exe.ancestors().skip(1));
        let places = std::iter::once(PathBuf::from(FOLDER))
            .chain(above.map(|dir| dir.join(FOLDER)))
            .chain(in_user_cache(OF_USER));
        match places.into_iter().find(has) {
            Some(dir) => Ok(std::path::absolute(dir)?),
            None => bail!(
                "there is no {FOLDER} here, above this program or in the user's cache: name this \
                 project's folder with --python-package, or run `make install` in it"
            ),
        }
    }
}
