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

/// Qwen2's way of cutting a text into words, before pairs of bytes are merged within them.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Past this many bytes a text is refused: a run of blanks of twice this length makes the regular
/// expression engine give up, and the tokenizers crate panic.
const MAX_BYTES: usize = 4 << 20;

/// Text to token ids, as `CosyVoice3Tokenizer.encode` of the reference.
pub(super) struct Tokenizer(HfTokenizer);

impl Tokenizer {
    /// Reads the tokenizer from a directory as transformers' `AutoTokenizer` does: from
    /// `tokenizer.json` if it is there, else from `vocab.json` and `merges.txt`, with the
    /// added tokens of `tokenizer_config.json`; then adds the special tokens.
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
            .map_err(|e| Error::format(dir, format!("its special tokens cannot be added: {e}")))?;
        Ok(Self(tokenizer))
    }

    /// The ids of a text; special tokens within it are recognised.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        if text.len() > MAX_BYTES {
            return Err(Error::input(format!(
                "a text of {} bytes is too long to be tokenised (at most {MAX_BYTES}); split it",
                text.len()
            )));
        }
        let encoding = self
            .0
            .encode_fast(text, false)
            .map_err(|e| Error::input(format!("the text cannot be tokenised: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The id of a token, special or not.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.0.token_to_id(token)
    }

    /// The token of an id, in the byte-level alphabet.
    pub(super) fn token(&self, id: u32) -> Option<String> {
        self.0.id_to_token(id)
    }
}

fn read_whole(path: &Path) -> Result<HfTokenizer> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    HfTokenizer::from_bytes(bytes)
        .map_err(|e| Error::format(path, format!("not a readable tokenizer: {e}")))
}

fn read_vocabulary(dir: &Path) -> Result<HfTokenizer> {
    let (vocab, merges) = (dir.join("vocab.json"), dir.join("merges.txt"));
    for path in [&vocab, &merges] {
        std::fs::File::open(path).map_err(Error::io(path))?;
    }
    let damaged = |e: tokenizers::Error| {
        Error::format(
            &vocab,
            format!("no readable vocabulary with its merges.txt: {e}"),
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

/// The `added_tokens_decoder` of a `tokenizer_config.json`, by id; none if there is no file.
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
        let id: u32 = id
            .parse()
            .map_err(|_| Error::format(path, format!("`{id}` of an added token is no id")))?;
        tokens.push((id, token));
    }
    tokens.sort_by_key(|(id, _)| *id);
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}
