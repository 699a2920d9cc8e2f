use std::path::{Path, PathBuf};

use clap::Args;
use parity::record::python::{PythonText, TextOptions};

use crate::cli::record_python::{ReferenceLocation, ReferencePaths};
use crate::cli::shared::DEFAULT_MODEL;

/// The live reference's text frontend.
#[derive(Args, Debug)]
pub struct ReferenceArgs {
    #[command(flatten)]
    location: ReferenceLocation,
    /// Model directory that both frontends take the vocabulary from
    #[arg(long, value_name = "DIR", default_value = DEFAULT_MODEL)]
    pub model_dir: PathBuf,
    /// A folder into which pip put wetext 0.0.4, to ask with that too
    #[arg(long, value_name = "DIR")]
    pub older_wetext: Option<PathBuf>,
}

impl ReferenceArgs {
    /// Loads the reference.
    pub fn load(&self) -> anyhow::Result<PythonText> {
        let ReferencePaths { root, env, package } = self.location.resolve()?;
        let absolute = |path: &Path| std::path::absolute(path);
        Ok(PythonText::load(&TextOptions {
            root,
            env,
            package,
            model_dir: absolute(&self.model_dir)?,
            older_wetext: self.older_wetext.as_deref().map(absolute).transpose()?,
        })?)
    }
}
