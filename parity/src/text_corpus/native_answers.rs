use native::model_dir::ModelDir;
use native::text::{FrontendOptions, TextFrontend};

use super::{FrontendOutput, FrontendSetting};

/// The native frontends of a model, loaded on first use.
pub struct NativeFrontends<'a> {
    model: &'a ModelDir,
    loaded: Vec<(FrontendOptions, TextFrontend)>,
}

impl<'a> NativeFrontends<'a> {
    /// The frontends of `model`; none is loaded yet.
    pub fn new(model: &'a ModelDir) -> Self {
        Self {
            model,
            loaded: Vec::new(),
        }
    }

    /// The frontend for `setting`.
    ///
    /// # Errors
    /// If the frontend cannot be loaded.
    pub fn of(&mut self, setting: FrontendSetting) -> native::Result<&TextFrontend> {
        let options = setting.frontend();
        let at = self.loaded.iter().position(|(o, _)| *o == options);
        let at = match at {
            Some(at) => at,
            None => {
                let frontend = self.model.text_frontend(options.clone())?;
                self.loaded.push((options, frontend));
                self.loaded.len() - 1
            }
        };
        Ok(&self.loaded[at].1)
    }
}

/// The output of `frontend` for `text`, and its warnings.
pub(super) fn answer(
    frontend: &TextFrontend,
    text: &str,
    split: bool,
) -> native::Result<(FrontendOutput, Vec<String>)> {
    let normalized = frontend.normalize(text, split)?;
    let ids = normalized
        .segments
        .iter()
        .map(|segment| frontend.ids(segment));
    let output = FrontendOutput {
        ids: ids.collect::<Result<_, _>>()?,
        normalized: normalized.text,
        segments: normalized.segments,
    };
    Ok((output, normalized.warnings))
}
