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
use crate::{Error, Result};

/// Qwen2's pre-tokenizer: splits a text into words, within which byte pairs are merged.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

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
        let mut tokenizer = if whole.exists() {
            read_whole(&whole)?
        } else {
            read_vocabulary(dir)?
        };
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

fn read_whole(path: &Path) -> Result<HfTokenizer> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let damaged = |e| Error::format(path, format!("not a readable tokenizer: {e}"));
    let mut tokenizer = HfTokenizer::from_bytes(bytes).map_err(damaged)?;
    // transformers neither truncates nor pads by default.
    tokenizer
        .with_truncation(None)
        .map_err(damaged)?
        .with_padding(None);
    Ok(tokenizer)
}

fn read_vocabulary(dir: &Path) -> Result<HfTokenizer> {
    let (vocab, merges) = (dir.join("vocab.json"), dir.join("merges.txt"));
    for path in [&vocab, &merges] {
        std::fs::File::open(path).map_err(Error::io(path))?;
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
    let bytes = match std::fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        bytes => bytes.map_err(Error::io(path))?,
    };
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
