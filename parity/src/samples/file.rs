use std::path::Path;

use parity_atomic::Replacement;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::manifest::{DRAWS, SAMPLES, SamplesManifest};
use crate::bounded;
use crate::case::Case;
use crate::recording::{Error, FileHash, Sealed as _, difference, sha256};

/// In place of a mark, where the longest speech for the text was reached.
const NO_MARK: u16 = u16::MAX;
/// Largest manifest: the cases of a run, and their seeds.
const LARGEST_MANIFEST: u64 = 64 << 20;
/// Largest file of draws: an hour of speech for each of ten thousand texts.
const LARGEST_DRAWS: u64 = 2 << 30;

/// What an engine's language model says with many seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Who drew what.
    pub manifest: SamplesManifest,
    /// The texts, in the manifest's order.
    pub texts: Vec<TextDraws>,
}

/// The draws of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextDraws {
    /// Fewest and most tokens that may be drawn. The fewest are no guarantee: the reference holds
    /// back one mark of 200 until then.
    pub bounds: [u32; 2],
    /// One for each seed, in the manifest's order.
    pub draws: Vec<Draw>,
}

/// The speech tokens of one text and seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// As sampled, without the mark that ended them.
    pub tokens: Vec<u16>,
    /// For each token how many were likelier when it was drawn, at most 255; empty if it is not
    /// known. Among equally likely ones the lower id comes first.
    pub ranks: Vec<u8>,
    /// The mark that ended them; `None` if only the longest length did.
    pub stop: Option<u16>,
}

impl Samples {
    /// Reads samples, with their seal and hash checked. Those of another program than this need
    /// neither.
    ///
    /// # Errors
    /// If there are none, or they are not as they were written.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(SAMPLES);
        if !path.is_file() {
            let reason = format!(
                "there are no samples here (no {SAMPLES}): draw some with `parity sample --out {}`",
                dir.display()
            );
            return Err(Error::malformed(dir, reason));
        }
        let text = bounded::read_text(&path, LARGEST_MANIFEST).map_err(Error::io(&path))?;
        let anything: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| Error::malformed(&path, e))?;
        let manifest: SamplesManifest = match anything.get("seal") {
            Some(_) => SamplesManifest::unseal(&path, &text)?,
            None => serde_json::from_str(&text).map_err(|e| Error::malformed(&path, e))?,
        };
        if let Some(case) = manifest.cases.iter().find(|c| !Case::is_name(&c.case.name)) {
            let reason = format!("\"{}\" is not a valid case name", case.case.name);
            return Err(Error::damaged(&path, reason));
        }
        let path = dir.join(DRAWS);
        let size = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
        if size > LARGEST_DRAWS {
            let reason = format!("it has {size} bytes, more than any samples");
            return Err(Error::malformed(&path, reason));
        }
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        if let Some(hash) = &manifest.draws
            && let Some(how) = difference(&bytes, &hash.sha256)
        {
            return Err(Error::damaged(&path, how));
        }
        let counts = (manifest.cases.len(), manifest.seeds.len());
        let texts = decode(&bytes, counts).map_err(|e| Error::malformed(&path, e))?;
        Ok(Self { manifest, texts })
    }

    /// The place of samples that will lie in `dir`.
    ///
    /// # Errors
    /// If `dir` holds something else, or cannot be written to.
    pub fn reserve(dir: &Path) -> Result<Replacement, Error> {
        Replacement::begin(dir, SAMPLES).map_err(Error::replacing)
    }

    /// Writes them to their reserved place, sealed.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, place: Replacement) -> Result<(), Error> {
        let path = place.path().join(DRAWS);
        let bytes = encode(&self.texts).map_err(|e| Error::malformed(&path, e))?;
        std::fs::write(&path, &bytes).map_err(Error::io(&path))?;
        let mut manifest = self.manifest.clone();
        manifest.draws = Some(FileHash {
            sha256: sha256(&bytes),
            bytes: bytes.len() as u64,
        });
        let path = place.path().join(SAMPLES);
        std::fs::write(&path, manifest.sealed()).map_err(Error::io(&path))?;
        place.finish().map_err(Error::replacing)
    }

    /// Whether every draw says how likely its tokens were.
    pub fn has_ranks(&self) -> bool {
        let mut draws = self.texts.iter().flat_map(|text| &text.draws);
        draws.all(|draw| draw.ranks.len() == draw.tokens.len())
    }
}

/// Reads a file of draws; `counts` are those of cases and of seeds.
pub(super) fn decode(bytes: &[u8], counts: (usize, usize)) -> Result<Vec<TextDraws>, String> {
    let (cases, seeds) = counts;
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let read = |name: &str, dtype: Dtype, shape: Option<[usize; 2]>| {
        let view = file
            .tensor(name)
            .map_err(|_| format!("it lacks the tensor `{name}`"))?;
        let fits = shape.is_none_or(|shape| view.shape() == shape);
        if view.dtype() != dtype || !fits {
            let (found, shape) = (view.dtype(), shape.map_or(vec![], Vec::from));
            return Err(format!(
                "`{name}` is {found:?} of the shape {:?}, not {dtype:?} {shape:?} (cases, seeds)",
                view.shape()
            ));
        }
        Ok(view.data().to_vec())
    };
    let of_draws = Some([cases, seeds]);
    let tokens = words(&read("tokens", Dtype::U16, None)?, u16::from_le_bytes);
    let lengths = words(&read("lengths", Dtype::U32, of_draws)?, u32::from_le_bytes);
    let stops = words(&read("stops", Dtype::U16, of_draws)?, u16::from_le_bytes);
    let bounds = read("bounds", Dtype::U32, Some([cases, 2]))?;
    let bounds = words(&bounds, u32::from_le_bytes);
    let ranks = match file.tensor("ranks") {
        Ok(_) => Some(read("ranks", Dtype::U8, None)?),
        Err(_) => None,
    };
    let all: u64 = lengths.iter().map(|&n| u64::from(n)).sum();
    let ranked = ranks.as_ref().map_or(tokens.len(), Vec::len);
    if all != tokens.len() as u64 || ranked != tokens.len() {
        return Err(format!(
            "the lengths come to {all} tokens, and there are {} tokens and {ranked} ranks",
            tokens.len()
        ));
    }
    let (mut tokens, mut ranks) = (tokens.as_slice(), ranks.as_deref());
    let mut draws = lengths.iter().zip(stops).map(|(&length, stop)| {
        let (these, rest) = tokens.split_at(tokens.len().min(length as usize));
        tokens = rest;
        let mut draw = Draw {
            tokens: these.to_vec(),
            ranks: Vec::new(),
            stop: (stop != NO_MARK).then_some(stop),
        };
        if let Some(all) = ranks {
            let (these, rest) = all.split_at(all.len().min(length as usize));
            ranks = Some(rest);
            draw.ranks = these.to_vec();
        }
        draw
    });
    let texts = bounds.as_chunks().0.iter().map(|&bounds| TextDraws {
        bounds,
        draws: draws.by_ref().take(seeds).collect(),
    });
    Ok(texts.collect())
}

fn encode(texts: &[TextDraws]) -> Result<Vec<u8>, String> {
    let draws = || texts.iter().flat_map(|text| &text.draws);
    let seeds = texts.first().map_or(0, |text| text.draws.len());
    let u16s = |values: Vec<u16>| values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let u32s = |values: Vec<u32>| values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let tokens: Vec<u16> = draws().flat_map(|d| d.tokens.iter().copied()).collect();
    let ranks: Vec<u8> = draws().flat_map(|d| d.ranks.iter().copied()).collect();
    let lengths = draws().map(|d| u32::try_from(d.tokens.len()).unwrap_or(u32::MAX));
    let of_draws = vec![texts.len(), seeds];
    let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = vec![
        (
            "bounds",
            Dtype::U32,
            vec![texts.len(), 2],
            u32s(texts.iter().flat_map(|t| t.bounds).collect()),
        ),
        (
            "lengths",
            Dtype::U32,
            of_draws.clone(),
            u32s(lengths.collect()),
        ),
        (
            "stops",
            Dtype::U16,
            of_draws,
            u16s(draws().map(|d| d.stop.unwrap_or(NO_MARK)).collect()),
        ),
        (
            "tokens",
            Dtype::U16,
            vec![tokens.len()],
            u16s(tokens.clone()),
        ),
    ];
    if ranks.len() == tokens.len() {
        tensors.push(("ranks", Dtype::U8, vec![ranks.len()], ranks));
    }
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (*name, view))
    });
    let views = views
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}

fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|word| read(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<TextDraws> {
        let draw = |tokens: &[u16], stop| Draw {
            tokens: tokens.to_vec(),
            ranks: vec![3; tokens.len()],
            stop,
        };
        vec![
            TextDraws {
                bounds: [2, 40],
                draws: vec![draw(&[1, 2, 6560], Some(6562)), draw(&[], Some(6561))],
            },
            TextDraws {
                bounds: [3, 60],
                draws: vec![draw(&[9], None), draw(&[4, 4], Some(6562))],
            },
        ]
    }

    #[test]
    fn draws_survive_the_file_with_and_without_ranks() {
        let mut texts = texts();
        assert_eq!(decode(&encode(&texts).unwrap(), (2, 2)).unwrap(), texts);
        for draw in texts.iter_mut().flat_map(|t| &mut t.draws) {
            draw.ranks.clear();
        }
        assert_eq!(decode(&encode(&texts).unwrap(), (2, 2)).unwrap(), texts);
    }

    #[test]
    fn a_file_of_other_counts_is_refused_with_the_reason() {
        let bytes = encode(&texts()).unwrap();
        let error = decode(&bytes, (2, 3)).unwrap_err();
        assert!(
            error.contains("`lengths` is U32 of the shape [2, 2]"),
            "{error}"
        );
        let mut short = texts();
        short[1].draws[1].ranks.pop();
        let error = decode(&encode(&short).unwrap(), (2, 2)).map(|t| t[1].draws[1].ranks.len());
        // Ranks that are not there for every token are not written.
        assert_eq!(error, Ok(0));
    }
}
