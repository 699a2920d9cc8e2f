use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use super::torch_archive::{Array, Record, Records, Values, read, write};
use crate::text::TextFrontend;
use crate::voice::VoicePrompt;
use crate::{Error, Result};

/// The voices of `spk2info.pt`, which need no recording to speak with.
///
/// The reference reads what is written here, and the other way round.
#[derive(Clone, Debug)]
pub struct SavedSpeakers {
    path: PathBuf,
    records: Records,
}

/// A voice as it is saved: what was extracted from a recording, and its transcript's text ids.
#[derive(Clone, Debug)]
pub struct SavedSpeaker {
    /// Text ids of what is said in the recording, after the system prompt and
    /// `<|endofprompt|>`.
    pub prompt_text_ids: Vec<u32>,
    /// What was extracted from the recording, trimmed to two mel frames for each speech token.
    pub voice: VoicePrompt,
}

impl SavedSpeaker {
    /// A speaker from a recording and the words said in it, after the system prompt and
    /// `<|endofprompt|>`.
    ///
    /// As in the reference, the words are not normalised, unlike a zero-shot prompt's.
    ///
    /// # Errors
    /// If the words cannot be tokenised, or the voice has no frames.
    pub fn new(frontend: &TextFrontend, words: &str, voice: &VoicePrompt) -> Result<Self> {
        Ok(Self {
            prompt_text_ids: frontend.ids(words)?,
            voice: voice.aligned()?,
        })
    }
}

impl SavedSpeakers {
    /// Reads the file, or begins an empty collection where there is none.
    ///
    /// # Errors
    /// If the file exists and cannot be read, or is not a file of speakers.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            records: if path.exists() {
                read(path)?
            } else {
                Records::new()
            },
        })
    }

    /// Reads the file, lets `change` change what it has, and writes it. Others who do the same
    /// meanwhile, in this process or another, wait: nobody's speaker is lost.
    ///
    /// The lock is a file of its own beside the other, because that one is replaced.
    ///
    /// # Errors
    /// If `change` fails, or the file cannot be read, locked or written; it then stays as it was.
    pub fn update(path: &Path, change: impl FnOnce(&mut Self) -> Result<()>) -> Result<Self> {
        let lock = lock_beside(path);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(Error::io(&lock))?;
        file.lock().map_err(Error::io(&lock))?;
        let mut speakers = Self::open(path)?;
        change(&mut speakers)?;
        speakers.save()?;
        Ok(speakers)
    }

    /// The speakers' names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(String::as_str)
    }

    /// One speaker, its tensors on the CPU.
    ///
    /// # Errors
    /// If there is no speaker of that name, or its tensors are not those of a speaker.
    pub fn get(&self, name: &str) -> Result<SavedSpeaker> {
        let Some(record) = self.records.get(name) else {
            let known: Vec<_> = self.names().collect();
            return Err(Error::input(format!(
                "no speaker `{name}` in {}; there are: {}",
                self.path.display(),
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            )));
        };
        Reader {
            record,
            path: &self.path,
            name,
        }
        .speaker()
    }

    /// Adds a speaker, or replaces the one of that name. [`SavedSpeakers::save`] writes it.
    ///
    /// # Errors
    /// If the name is empty, the voice has values that are not finite, or a tensor cannot be copied
    /// from its device.
    pub fn add(&mut self, name: &str, speaker: &SavedSpeaker) -> Result<()> {
        if name.is_empty() {
            return Err(Error::input("a saved speaker needs a name"));
        }
        speaker.voice.check_finite()?;
        self.records.insert(name.to_owned(), record(speaker)?);
        Ok(())
    }

    /// Writes the file, whatever was written to it since it was read: see
    /// [`SavedSpeakers::update`].
    ///
    /// # Errors
    /// If the file cannot be written; the one that was there stays.
    pub fn save(&self) -> Result<()> {
        write(&self.path, &self.records)
    }
}

fn lock_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".lock");
    path.with_file_name(name)
}

fn record(speaker: &SavedSpeaker) -> Result<Record> {
    let ids = |ids: &[u32]| -> Result<(usize, Array)> {
        let id = |&id: &u32| {
            i32::try_from(id).map_err(|_| Error::input(format!("id {id} is too large to save")))
        };
        let values = ids.iter().map(id).collect::<Result<_>>()?;
        let shape = vec![1, ids.len()];
        let values = Values::Int32(values);
        Ok((ids.len(), Array { shape, values }))
    };
    let floats = |tensor: &Tensor| -> Result<Array> {
        let mut shape = vec![1];
        shape.extend(tensor.dims());
        let values = tensor.to_dtype(candle_core::DType::F32)?;
        Ok(Array {
            shape,
            values: Values::Float32(values.flatten_all()?.to_vec1()?),
        })
    };
    let voice = &speaker.voice;
    let with_length = [
        ("prompt_text", ids(&speaker.prompt_text_ids)?),
        ("llm_prompt_speech_token", ids(&voice.speech_tokens)?),
        ("flow_prompt_speech_token", ids(&voice.speech_tokens)?),
        (
            "prompt_speech_feat",
            (voice.mel.dim(0)?, floats(&voice.mel)?),
        ),
    ];
    let mut record = Record::new();
    for (key, (length, array)) in with_length {
        let too_long = |_| Error::input(format!("`{key}` has {length} elements, too many to save"));
        let length = Array {
            shape: vec![1],
            values: Values::Int32(vec![i32::try_from(length).map_err(too_long)?]),
        };
        record.insert(format!("{key}_len"), length);
        record.insert(key.to_owned(), array);
    }
    for key in ["llm_embedding", "flow_embedding"] {
        record.insert(key.to_owned(), floats(&voice.speaker_embedding)?);
    }
    Ok(record)
}

struct Reader<'a> {
    record: &'a Record,
    path: &'a Path,
    name: &'a str,
}

impl Reader<'_> {
    fn speaker(&self) -> Result<SavedSpeaker> {
        let speech_tokens = self.ids("flow_prompt_speech_token")?;
        if self.ids("llm_prompt_speech_token")? != speech_tokens {
            return Err(self.wrong("its speech tokens differ between language model and flow"));
        }
        Ok(SavedSpeaker {
            prompt_text_ids: self.ids("prompt_text")?,
            voice: VoicePrompt {
                speech_tokens,
                mel: self.floats("prompt_speech_feat", 2)?,
                speaker_embedding: self.floats("flow_embedding", 1)?,
            },
        })
    }

    fn wrong(&self, reason: impl std::fmt::Display) -> Error {
        Error::format(self.path, format!("speaker `{}`: {reason}", self.name))
    }

    fn array(&self, key: &str, dims: usize) -> Result<&Array> {
        let array = self.record.get(key).ok_or_else(|| {
            self.wrong(format!(
                "`{key}` is missing, so it was not saved from a voice prompt by CosyVoice 2 or 3"
            ))
        })?;
        if array.shape.len() != dims + 1 || array.shape.first() != Some(&1) {
            return Err(self.wrong(format!("`{key}` has shape {:?}", array.shape)));
        }
        Ok(array)
    }

    fn ids(&self, key: &str) -> Result<Vec<u32>> {
        let Values::Int32(ids) = &self.array(key, 1)?.values else {
            return Err(self.wrong(format!("`{key}` is not of 32-bit integers")));
        };
        ids.iter()
            .map(|&id| u32::try_from(id).map_err(|_| self.wrong(format!("`{key}` has id {id}"))))
            .collect()
    }

    /// Without the batch dimension.
    fn floats(&self, key: &str, dims: usize) -> Result<Tensor> {
        let array = self.array(key, dims)?;
        let Values::Float32(values) = &array.values else {
            return Err(self.wrong(format!("`{key}` is not of 32-bit floats")));
        };
        if !values.iter().all(|value| value.is_finite()) {
            return Err(self.wrong(format!(
                "`{key}` holds a value that is not finite: save the speaker again"
            )));
        }
        let shape = array.shape.get(1..).unwrap_or_default();
        Ok(Tensor::from_slice(values, shape, &Device::Cpu)?)
    }
}
