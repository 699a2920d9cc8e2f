use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::Error;

/// Makes the packages of the environment `env` and of the folder `package` importable.
///
/// An embedded interpreter does not know that it belongs to a virtual environment: it starts as
/// the installation that the environment was made from. So the environment's packages are put on
/// the path here, and the installation's own are taken off it, as `venv` does.
pub(super) fn enter(py: Python<'_>, env: &Path, package: &Path) -> Result<(), Error> {
    let site_packages = site_packages(py, env)?;
    if !package.join("cosyvoice_reference").is_dir() {
        return Err(Error::Environment(format!(
            "{}: has no package `cosyvoice_reference`; pass the path of this project's python_ref",
            package.display()
        )));
    }
    put_on_path(py, &site_packages, package)
        .map_err(Error::python(py, "setting up the interpreter"))
}

/// The packages of `env`, for the version of Python that this program was linked to.
fn site_packages(py: Python<'_>, env: &Path) -> Result<PathBuf, Error> {
    let version = py.version_info();
    let python = format!("python{}.{}", version.major, version.minor);
    let folder = if cfg!(windows) {
        env.join("Lib").join("site-packages")
    } else {
        env.join("lib").join(&python).join("site-packages")
    };
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Error::Environment(format!(
        "{} is no environment of {python}, which this program was built with: pass another one \
         with --python-env, or build again with PYO3_PYTHON={}",
        env.display(),
        env.join("bin").join("python").display()
    )))
}

fn put_on_path(py: Python<'_>, site_packages: &Path, package: &Path) -> PyResult<()> {
    let sys = py.import("sys")?;
    if !sys.hasattr("argv")? || sys.getattr("argv")?.len()? == 0 {
        sys.setattr("argv", ["parity"])?;
    }
    let before: Vec<String> = sys.getattr("path")?.extract()?;
    // This also runs the folder's .pth files, which may add more.
    py.import("site")?
        .call_method1("addsitedir", (site_packages,))?;
    let after: Vec<String> = sys.getattr("path")?.extract()?;
    let added = after.into_iter().filter(|path| !before.contains(path));
    let foreign =
        |path: &String| path.ends_with("site-packages") || path.ends_with("dist-packages");
    let kept = before.iter().filter(|path| !foreign(path)).cloned();
    let package = package.to_string_lossy().into_owned();
    let path: Vec<String> = std::iter::once(package).chain(kept).chain(added).collect();
    sys.setattr("path", PyList::new(py, path)?)
}
