use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Device;
use native::flow::Flow;
use native::llm::SpeechLm;
use native::model_dir::{LmWeights, ModelDir, SavedSpeakers};
use native::precision::Precisions;
use native::text::FrontendOptions;
use native::vocoder::Vocoder;
use native::voice::{PartialWindow, SpeakerEncoder, SpeechTokenizer};

use super::Check;

const PUBLISHED: &str =
    "the published directory: https://huggingface.co/FunAudioLLM/Fun-CosyVoice3-0.5B-2512";
const AGAIN: &str =
    "if it is the published file, download it again: its transfer may have ended early";

/// What a model is looked at for.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    /// A folder of text rules instead of those that are found.
    pub text_rules: Option<PathBuf>,
    /// The language model's weights that will be used.
    pub lm_weights: LmWeights,
    /// The precision of the networks.
    pub precision: Precisions,
}

/// Looks at every part of a model directory by loading it as the engine does, one after the other:
/// the names and shapes of all tensors, the inputs of the ONNX networks, the values of the
/// configuration. A part that fails does not hide the others. `each` is called as soon as one is
/// known; the result is how much memory the engine needs at least, in bytes.
pub fn model(dir: &Path, options: &ModelOptions, mut each: impl FnMut(Check)) -> Option<u64> {
    let dir = match ModelDir::open(dir) {
        Ok(dir) => dir.with_text_rules(options.text_rules.clone()),
        Err(error) => {
            each(Check::bad("configuration", &error, Some(PUBLISHED)));
            return None;
        }
    };
    let config = dir.config();
    let found = format!("{}, {}", dir.family().name, name(&dir.yaml()));
    each(Check::good("configuration", found));

    each(text(&dir));
    let (cpu, precision) = (&Device::Cpu, options.precision);
    let mut bytes = 0;
    let mut part = |what: &str, file: native::Result<PathBuf>, load: &Load<'_>| {
        let started = Instant::now();
        let file = match file {
            Ok(file) => file,
            Err(error) => return each(Check::bad(what, &error, Some(PUBLISHED))),
        };
        each(match load(&file) {
            Ok(()) => {
                let size = std::fs::metadata(&file).map_or(0, |file| file.len());
                bytes += size;
                let (name, seconds) = (name(&file), started.elapsed().as_secs_f64());
                let size = size as f64 / 1e6;
                Check::good(
                    what,
                    format!("{name}, {size:.0} MB, read in {seconds:.1} s"),
                )
            }
            Err(error) => Check::bad(what, &error, Some(AGAIN)),
        });
    };
    part(
        "language model",
        dir.lm_weights(options.lm_weights),
        &|file| SpeechLm::load(&config.llm, &config.qwen, file, cpu, precision.llm).map(drop),
    );
    part("flow", dir.flow_weights(), &|file| {
        Flow::load(&config.flow, file, cpu, precision.flow).map(drop)
    });
    part("vocoder", dir.vocoder_weights(), &|file| {
        let noise = config.vocoder_noise();
        Vocoder::load(&config.vocoder, noise, file, cpu, precision.vocoder).map(drop)
    });
    part("speech tokenizer", dir.speech_tokenizer(), &|file| {
        SpeechTokenizer::load(file).map(drop)
    });
    part("speaker encoder", dir.speaker_encoder(), &|file| {
        SpeakerEncoder::load(file, PartialWindow::default()).map(drop)
    });
    each(saved_speakers(&dir));
    for check in unused(&dir, options.lm_weights) {
        each(check);
    }
    Some(bytes)
}

type Load<'a> = dyn Fn(&Path) -> native::Result<()> + 'a;

fn text(dir: &ModelDir) -> Check {
    let loaded = dir.text_frontend(FrontendOptions::default());
    match loaded.and_then(|frontend| Ok((frontend, dir.text_rules()?))) {
        Ok((_, rules)) => {
            let vocabulary = name(&dir.text_tokenizer());
            Check::good(
                "text",
                format!("{vocabulary}; rules from {}", rules.display()),
            )
        }
        Err(error) => Check::bad("text", &error, None),
    }
}

fn saved_speakers(dir: &ModelDir) -> Check {
    let path = dir.saved_speakers();
    match SavedSpeakers::open(&path) {
        Ok(_) if !path.exists() => Check::good("saved speakers", "none"),
        Ok(speakers) => {
            let names: Vec<_> = speakers.names().collect();
            let found = match names.as_slice() {
                [] => "none".to_owned(),
                names => names.join(", "),
            };
            Check::good("saved speakers", found)
        }
        Err(error) => Check::bad("saved speakers", &error, None),
    }
}

/// Weight files that lie there and are not read, because the reference prefers another.
fn unused(dir: &ModelDir, lm_weights: LmWeights) -> Vec<Check> {
    let files = &dir.family().files;
    let used = [
        dir.lm_weights(lm_weights),
        dir.flow_weights(),
        dir.vocoder_weights(),
    ];
    let used: Vec<_> = used.into_iter().flatten().collect();
    let all = [files.llm, files.flow, files.vocoder].concat();
    let paths = all.into_iter().map(|file| dir.path().join(file));
    let unused = paths.filter(|path| path.is_file() && !used.contains(path));
    unused
        .map(|path| {
            let found = format!("{} is there, but is not read", name(&path));
            let remedy = "the reference reads the .pt file where both are there, and so do we";
            Check::notice("unused weights", found, remedy)
        })
        .collect()
}

/// The last part of a path.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
