//! Qwen2's byte-pair tokenizer with CosyVoice3's special tokens.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer as HfTokenizer};

use super::special_tokens::SPECIAL_TOKENS;
use crate::{Error, Result, file};

/// Qwen2's pre-tokenizer: splits a text into words, within which byte pairs are merged.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Maximum size of each of the tokenizer's files in bytes; Qwen2's `tokenizer.json` has 7 MB.
const MAX_FILE: u64 = 64 << 20;

/// Maximum length of a text in bytes. On a run of blanks twice as long, the regular expression
/// engine fails and the tokenizers crate panics.
const MAX_BYTES: usize = 4 << 20;

/// `CosyVoice3Tokenizer` of the reference.
pub(super) struct Tokenizer(HfTokenizer);

impl Tokenizer {
    /// Reads the tokenizer from a directory like transformers' `AutoTokenizer`: from
    /// `tokenizer.json` if it exists, otherwise from `vocab.json` and `merges.txt`, and the added
    /// tokens from `tokenizer_config.json`. Then adds the special tokens.
    ///
    /// # Errors
    ///
    /// If a file is missing, unreadable or malformed.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let whole = dir.join("tokenizer.json");
        let (file, mut tokenizer) = if whole.exists() {
            let tokenizer = read_whole(&whole)?;
            (whole, tokenizer)
        } else {
            (dir.join("vocab.json"), read_vocabulary(dir)?)
        };
        check_ids(&tokenizer).map_err(|reason| Error::format(&file, reason))?;
        let mut tokens = configured_tokens(&dir.join("tokenizer_config.json"))?;
        tokens.extend(
            SPECIAL_TOKENS
                .iter()
                .map(|token| AddedToken::from(*token, true)),
        );
        tokenizer
            .add_special_tokens(tokens)
            .map_err(|e| Error::format(dir, format!("cannot add the special tokens: {e}")))?;
        Ok(Self(tokenizer))
    }

    /// The token ids of a text, in which special tokens are recognised.
    ///
    /// # Errors
    ///
    /// If the text is too long or cannot be tokenised.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        if text.len() > MAX_BYTES {
            return Err(Error::input(format!(
                "the text is too long to be tokenised ({} bytes, at most {MAX_BYTES}); split it",
                text.len()
            )));
        }
        let encoding = self
            .0
            .encode_fast(text, true)
            .map_err(|e| Error::input(format!("the text cannot be tokenised: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The token with an id, in the byte-level alphabet.
    pub(super) fn token(&self, id: u32) -> Option<String> {
        self.0.id_to_token(id)
    }
}

/// The ids of a vocabulary count its tokens, so that those of the added tokens follow.
fn check_ids(tokenizer: &HfTokenizer) -> Result<(), String> {
    let mut ids: Vec<u32> = tokenizer.get_vocab(false).into_values().collect();
    ids.sort_unstable();
    match ids.iter().zip(0..).find(|&(&id, place)| id != place) {
        None => Ok(()),
        Some((id, place)) if *id < place => Err(format!("two tokens have one id, {id}")),
        Some((_, place)) => Err(format!(
            "no token has the id {place}, but higher ids are taken"
        )),
    }
}

fn read_whole(path: &Path) -> Result<HfTokenizer> {
    let bytes = file::read(path, MAX_FILE)?;
    let damaged = |e| Error::format(path, format!("not a readable tokenizer: {e}"));
    let steps: Steps = serde_json::from_slice(&bytes).map_err(|e| damaged(e.into()))?;
    steps
        .check()
        .map_err(|reason| Error::format(path, reason))?;
    let mut tokenizer = HfTokenizer::from_bytes(bytes).map_err(damaged)?;
    // transformers neither truncates nor pads by default.
    tokenizer
        .with_truncation(None)
        .map_err(damaged)?
        .with_padding(None);
    Ok(tokenizer)
}

/// The steps of a `tokenizer.json` around its vocabulary. They can be any program of regular
/// expressions; only Qwen2's are run.
#[derive(serde::Deserialize)]
struct Steps {
    normalizer: Option<serde_json::Value>,
    pre_tokenizer: Option<serde_json::Value>,
    post_processor: Option<serde_json::Value>,
    model: serde_json::Value,
}

impl Steps {
    fn check(&self) -> Result<(), String> {
        fn kind(step: &serde_json::Value) -> Option<&str> {
            step.get("type")?.as_str()
        }
        let splits = self.pre_tokenizer.as_ref().is_some_and(|step| {
            let steps = step.get("pretokenizers").and_then(|steps| steps.as_array());
            let Some([words, bytes]) = steps.map(Vec::as_slice) else {
                return false;
            };
            let pattern = words.pointer("/pattern/Regex").and_then(|p| p.as_str());
            kind(words) == Some("Split")
                && pattern == Some(WORDS)
                && kind(bytes) == Some("ByteLevel")
        });
        for (what, is_qwens) in [
            ("model", kind(&self.model).is_none_or(|kind| kind == "BPE")),
            (
                "normalizer",
                self.normalizer.as_ref().and_then(kind) == Some("NFC"),
            ),
            ("pre_tokenizer", splits),
            (
                "post_processor",
                self.post_processor
                    .as_ref()
                    .is_none_or(|step| kind(step) == Some("ByteLevel")),
            ),
        ] {
            if !is_qwens {
                return Err(format!(
                    "is not Qwen2's tokenizer: its `{what}` is another; take the file of the model"
                ));
            }
        }
        Ok(())
    }
}

fn read_vocabulary(dir: &Path) -> Result<HfTokenizer> {
    let (vocab, merges) = (dir.join("vocab.json"), dir.join("merges.txt"));
    for path in [&vocab, &merges] {
        file::check(path, MAX_FILE)?;
    }
    let damaged = |e: tokenizers::Error| {
        Error::format(
            &vocab,
            format!("not a readable vocabulary together with merges.txt: {e}"),
        )
    };
    let bpe = BPE::from_file(&vocab.to_string_lossy(), &merges.to_string_lossy())
        .build()
        .map_err(damaged)?;
    let words = Split::new(
        SplitPattern::Regex(WORDS.into()),
        SplitDelimiterBehavior::Isolated,
        /* invert */ false,
    )
    .map_err(damaged)?;
    let bytes = ByteLevel::new(
        /* add_prefix_space */ false, /* trim_offsets */ true, /* use_regex */ false,
    );
    let mut tokenizer = HfTokenizer::new(bpe);
    tokenizer
        .with_normalizer(Some(NFC))
        .map_err(damaged)?
        .with_pre_tokenizer(Some(Sequence::new(vec![
            PreTokenizerWrapper::Split(words),
            PreTokenizerWrapper::ByteLevel(bytes),
        ])));
    Ok(tokenizer)
}

/// The `added_tokens_decoder` of a `tokenizer_config.json` in order of ids; empty without a file.
fn configured_tokens(path: &Path) -> Result<Vec<AddedToken>> {
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(default)]
        added_tokens_decoder: std::collections::BTreeMap<String, AddedToken>,
    }
    if !path.exists() {
        return Ok(vec![]);
    }
    let bytes = file::read(path, MAX_FILE)?;
    let config: Config = serde_json::from_slice(&bytes)
        .map_err(|e| Error::format(path, format!("not a readable tokenizer configuration: {e}")))?;
    let mut tokens = Vec::new();
    for (id, token) in config.added_tokens_decoder {
        let id: u32 = id.parse().map_err(|_| {
            Error::format(
                path,
                format!("the id `{id}` of an added token is not a number"),
            )
        })?;
        tokens.push((id, token));
    }
    tokens.sort_by_key(|(id, _)| *id);
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}
