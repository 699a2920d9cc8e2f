//! The metrics give the figures of public implementations: torchmetrics 1.9.0 (SNR, SI-SDR),
//! torch 2.3.1 (`torch.stft`, for the multi-resolution distance), librosa 0.10.2 (`stft`,
//! `filters.mel`, `sequence.dtw`, `feature.mfcc`, `yin`), mel-cepstral-distance 0.0.4 and scipy
//! 1.17.1 (`correlate`), all in float64.

use parity::diff::align::dtw;
use parity::diff::audio::{diff, lag};
use parity::diff::f0;
use parity::diff::spectrum::log_mel;
use parity::metric::Metric;
use parity_fixture::testing::white_noise;

const RATE: u32 = 24_000;
const SAMPLES: usize = 12_000;

fn noise(seed: u32) -> Vec<f32> {
    white_noise(SAMPLES, seed)
}

fn late(sound: &[f32], by: usize) -> Vec<f32> {
    [&vec![0.0; by], &sound[..SAMPLES - by]].concat()
}

/// 0.8 of a sound, with a twentieth of another one.
fn mixed(sound: &[f32]) -> Vec<f32> {
    sound
        .iter()
        .zip(noise(2))
        .map(|(s, e)| s * 0.8 + 0.05 * e)
        .collect()
}

fn assert_near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
        "{found}, not {expected}"
    );
}

#[test]
fn ratios_are_those_of_torchmetrics() {
    let r = noise(1);
    let m = diff(&r, &mixed(&r), RATE).measures;
    assert_near(m[&Metric::Snr].0, 13.734_537_385_946);
    assert_near(m[&Metric::SiSdr].0, 24.097_955_884_125);
    let m = diff(&r, &mixed(&late(&r, 7)), RATE).measures;
    assert_near(m[&Metric::Snr].0, -2.141_756_776_469);
    assert_near(m[&Metric::SiSdr].0, -49.209_842_923_387);
}

#[test]
fn the_lag_is_scipy_s() {
    let r = noise(1);
    assert_eq!(lag(&r, &mixed(&late(&r, 7))), Some(7));
}

#[test]
fn spectral_distances_are_those_made_of_torch_s_and_librosa_s_transforms() {
    let r = noise(1);
    let m = diff(&r, &mixed(&r), RATE).measures;
    assert_near(m[&Metric::StftDistance].0, 0.431_444_060_701);
    assert_near(m[&Metric::LogSpectral].0, 2.196_313_405_266);
}

#[test]
fn mels_are_librosa_s() {
    let mel = log_mel(&noise(1), RATE);
    assert_eq!(mel.len(), 26);
    // (frame, channel)
    assert_near(f64::from(mel[0][0]), -3.712_980_752_583);
    assert_near(f64::from(mel[0][79]), -5.277_545_874_422);
    assert_near(f64::from(mel[12][40]), -7.532_194_620_629);
    assert_near(f64::from(mel[5][17]), -7.741_292_068_606);
}

#[test]
fn the_alignment_of_a_late_sound_is_librosa_s() {
    let r = noise(1);
    let path = dtw(&log_mel(&r, RATE), &log_mel(&late(&r, 960), RATE)).unwrap();
    assert_eq!(path.pairs.len(), 28);
    assert_near(path.cost, 4.244_226_521_165);
    assert_near(path.deviation * 20.0, 34.285_714_285_714);
}

/// A voice-like glide upwards from 150 Hz times `pitch`, ten harmonics, with a little noise.
fn voice(pitch: f64, seed: u32) -> Vec<f32> {
    let at = |(i, noise): (usize, f32)| {
        let t = i as f64 / f64::from(RATE);
        let phase = std::f64::consts::TAU * pitch * (150.0 * t + 40.0 * t * t);
        let harmonics: f64 = (1..=10)
            .map(|k| (f64::from(k) * phase).sin() / f64::from(k))
            .sum();
        (0.2 * harmonics + 0.02 * f64::from(noise)) as f32
    };
    noise(seed).into_iter().enumerate().map(at).collect()
}

/// The same, half a semitone higher and unvoiced in its first tenth of a second.
fn another_voice() -> Vec<f32> {
    let breath = noise(3).into_iter().map(|x| 0.1 * x);
    breath
        .take(2400)
        .chain(voice(1.03, 2).into_iter().skip(2400))
        .collect()
}

#[test]
fn the_pitch_is_that_of_librosa_s_yin() {
    let (r, c) = (
        f0::track(&voice(1.0, 1), RATE),
        f0::track(&another_voice(), RATE),
    );
    assert_eq!((r.len(), c.len()), (26, 26));
    for (frame, reference, candidate) in [
        (10, 165.683_778_342_486, 170.572_860_355_398),
        (20, 181.611_205_774_869, 187.061_906_263_895),
    ] {
        assert_near(r[frame].unwrap(), reference);
        assert_near(c[frame].unwrap(), candidate);
    }
    assert_near(r[2].unwrap(), 152.652_560_222_718);
    assert_eq!(r.iter().filter(|f0| f0.is_none()).count(), 1);
    assert_eq!(c.iter().take_while(|f0| f0.is_none()).count(), 6);
}

#[test]
fn cepstral_distortion_and_pitch_errors_are_those_made_of_librosa_s_parts() {
    let m = diff(&voice(1.0, 1), &another_voice(), RATE).measures;
    // mel-cepstral-distance gives this figure too, in its own unit: it sums in bel and leaves
    // the factor of 8 over the root of 2 out.
    assert_near(m[&Metric::MelCepstral].0, 3.426_759_997_824);
    assert_near(m[&Metric::F0Error].0, 26.435_335_550_800);
    assert_near(m[&Metric::F0Gross].0, 0.0);
    assert_near(m[&Metric::VoicingError].0, 5.0 / 29.0);
}
