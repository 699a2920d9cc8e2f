//! The native sampler alone against the reference's `ras_sampling`, on logits that the reference
//! recorded.
//!
//! `data/sampler_draws.safetensors` holds four rows of logits and 10,000 draws from them
//! (`python_ref/cosyvoice_reference/sampler.py`, torch 2.3.1). A live comparison is in parity's tests.

use native::llm::{Sampler, SamplingConfig, Strategy};
use native::torch_rng::Multinomial;
use safetensors::SafeTensors;

/// The id that the reference holds back before the minimal length.
const MASKED: u32 = 6561;
const SEED: u64 = 2025;

/// The rows of logits, and the draws.
pub(crate) fn data() -> (Vec<Vec<f32>>, Vec<i64>) {
    let bytes = include_bytes!("data/sampler_draws.safetensors");
    let tensors = SafeTensors::deserialize(bytes).expect("safetensors");
    let logits = tensors.tensor("logits").expect("logits");
    let width = logits.shape()[1];
    let (words, _) = logits.data().as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
    let draws = tensors.tensor("draws").expect("draws");
    let (words, _) = draws.data().as_chunks::<2>();
    (
        values.chunks(width).map(<[f32]>::to_vec).collect(),
        words
            .iter()
            .map(|w| i64::from(u16::from_le_bytes(*w)))
            .collect(),
    )
}

/// How often the draws went through each branch of the sampler.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Draws from the whole vocabulary, after a repetition.
    pub(crate) repetitions: usize,
    /// Draws in which an id was masked.
    masked: usize,
    /// Nuclei that `top_k` cut, and those that `top_p` did.
    cut: [usize; 2],
}

/// The same draws by the native sampler; see `draws` in sampler.py.
pub(crate) fn native_draws(rows: &[Vec<f32>], seed: u64, count: usize) -> (Vec<i64>, Counts) {
    let config = SamplingConfig::default();
    let multinomial = Multinomial::MklStream;
    let mut sampler = Sampler::new(Strategy::Torch { seed, multinomial }, config);
    let likeliest: Vec<u32> = rows
        .iter()
        .map(|row| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter().position(|&x| x == largest).unwrap() as u32
        })
        .collect();
    let (mut history, mut drawn, mut counts) = (Vec::new(), Vec::new(), Counts::default());
    for i in 0..count {
        let masked = (i % 5 == 0).then_some(MASKED);
        let token = sampler
            .sample(&rows[i % rows.len()], &history, masked)
            .unwrap();
        drawn.push(i64::from(token));
        history.drain(..history.len().saturating_sub(20));
        history.push(token);
        if i % 7 == 3 {
            history.push(likeliest[(i + 1) % rows.len()]);
        }
        let draw = sampler.last_draw().unwrap();
        counts.repetitions += usize::from(draw.vocabulary_lead.is_some());
        counts.masked += usize::from(masked.is_some());
        counts.cut[usize::from(draw.nucleus_len < config.top_k)] += 1;
    }
    (drawn, counts)
}

pub(crate) fn assert_same(native: &[i64], reference: &[i64]) {
    assert_eq!(native.len(), reference.len());
    let parted = native.iter().zip(reference).position(|(n, r)| n != r);
    assert_eq!(
        parted,
        None,
        "of {} draws this is the first that differs",
        native.len()
    );
}

#[test]
fn ten_thousand_draws_match_the_reference() {
    let (rows, reference) = data();
    assert_eq!(reference.len(), 10_000);
    let (drawn, counts) = native_draws(&rows, SEED, reference.len());
    assert_same(&drawn, &reference);
    println!("{counts:?}");
    assert!(
        counts.repetitions > 500 && counts.masked == 2000,
        "{counts:?}"
    );
    assert!(counts.cut.iter().all(|&n| n > 500), "{counts:?}");
}
