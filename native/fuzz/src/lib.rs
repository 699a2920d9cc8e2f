//! What the fuzz targets of `native` run. `tests/fuzz_corpus.rs` replays their corpora with it.
//!
//! A target takes any bytes and returns: an error is an answer, a panic is a fault. Files that are
//! only half the story are completed, so that the bytes reach the parser: a pickle gets the zip
//! around it, a yaml the model directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use native::audio::Waveform;
use native::model_dir::{ModelDir, SavedSpeakers};
use native::text::{FrontendOptions, NormalizerKind, TextFrontend};
use native::voice::{PartialWindow, SpeakerEncoder, SpeechTokenizer};
use native::weights::Weights;
use tempfile::TempDir;

mod made_up;

/// A target and its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("archive", archive),
    ("compressed", compressed),
    ("onnx", onnx),
    ("opus", opus),
    ("pickle", pickle),
    ("safetensors", safetensors),
    ("text", text),
    ("tokenizer", tokenizer),
    ("wav", wav),
    ("yaml", yaml),
];

/// `data` as a recording after the first bytes of a wav file.
pub fn wav(data: &[u8]) {
    let file = [b"RIFF\xff\xff\xff\xffWAVE", data].concat();
    listen(&file, "a.wav");
}

/// `data` as a recording that may be compressed: flac, mp3 and every other container.
pub fn compressed(data: &[u8]) {
    listen(data, "a");
}

/// `data` as an Ogg Opus file: the header after its first eight bytes, as long as the first byte says,
/// then packets after two bytes each with their length. The pages around them are right.
pub fn opus(data: &[u8]) {
    let Some((&length, data)) = data.split_first() else {
        return;
    };
    let Some((header, mut rest)) = data.split_at_checked(length.into()) else {
        return;
    };
    let mut packets = Vec::new();
    while let Some((&[low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
        let (packet, behind) = behind.split_at(length);
        packets.push(packet);
        rest = behind;
    }
    let mut file = ogg_page(0, 2, 0, &[b"OpusHead", header].concat());
    file.extend(ogg_page(1, 0, 0, b"OpusTags\0\0\0\0\0\0\0\0"));
    for (number, packet) in (2..).zip(packets) {
        // No packet is longer than 120 ms, so that every position is possible.
        let position = u64::from(number - 1) * 5760;
        file.extend(ogg_page(number, 0, position, packet));
    }
    listen(&file, "a.opus");
}

/// An Ogg page of one packet, which is cut if it is too long for one.
fn ogg_page(number: u32, flags: u8, position: u64, packet: &[u8]) -> Vec<u8> {
    let packet = &packet[..packet.len().min(254 * 255)];
    let mut segments = vec![255; packet.len() / 255];
    segments.push((packet.len() % 255) as u8);
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(position.to_le_bytes());
    page.extend(1_u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push(segments.len() as u8);
    page.extend(segments);
    page.extend(packet);
    let crc = page.iter().fold(0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ (0x04c1_1db7 & (crc >> 31).wrapping_neg())
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

fn listen(file: &[u8], name: &str) {
    with_file(name, file, |path| {
        if let Ok(sound) = Waveform::read(path) {
            assert!(sound.samples.iter().all(|sample| sample.is_finite()));
            assert!(sound.sample_rate > 0 && sound.seconds().is_finite());
        }
    });
}

/// `data` as a file of `torch.save`: weights, and saved speakers.
pub fn archive(data: &[u8]) {
    with_file("a.pt", data, open_archive);
}

/// `data` as the pickle in a file of `torch.save` that has a few storages.
pub fn pickle(data: &[u8]) {
    archive(&made_up::archive(data));
}

fn open_archive(path: &Path) {
    if let Ok(speakers) = SavedSpeakers::open(path) {
        for name in speakers.names() {
            let _ = speakers.get(name);
        }
    }
    let _ = Weights::open(path).and_then(Weights::check);
}

/// `data` as a weight file in the safetensors format.
pub fn safetensors(data: &[u8]) {
    with_file("a.safetensors", data, |path| {
        let _ = Weights::open(path).and_then(Weights::check);
    });
}

/// `data` as a model's yaml; what follows a NUL is the `config.json` of its language model.
pub fn yaml(data: &[u8]) {
    let (yaml, config) = match data.iter().position(|&byte| byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, made_up::QWEN),
    };
    let model = scratch();
    let body = model.path().join("CosyVoice-BlankEN");
    fs::create_dir(&body).expect("a folder");
    fs::write(body.join("config.json"), config).expect("a file");
    fs::write(model.path().join("cosyvoice3.yaml"), yaml).expect("a file");
    if let Ok(model) = ModelDir::open(model.path()) {
        let _ = model.config().vocoder_noise();
    }
}

/// `data` as each of the voice prompt's networks.
pub fn onnx(data: &[u8]) {
    with_file("a.onnx", data, |path| {
        let _ = SpeakerEncoder::load(path, PartialWindow::Ort118);
        let _ = SpeechTokenizer::load(path);
    });
}

/// `data` as one of the tokenizer's files, the first byte saying which, the others being sound.
pub fn tokenizer(data: &[u8]) {
    const FILES: [&str; 4] = [
        "tokenizer.json",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
    ];
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    let folder = scratch();
    made_up::vocabulary(folder.path());
    let name = FILES[usize::from(which) % FILES.len()];
    fs::write(folder.path().join(name), data).expect("a file");
    let options = FrontendOptions {
        normalizer: NormalizerKind::None,
        ..FrontendOptions::default()
    };
    if let Ok(frontend) = TextFrontend::load(folder.path(), None, options) {
        for text in [
            "",
            "Hello, hello!",
            "你好 <|endofprompt|>[breath]",
            "\u{301}",
        ] {
            let _ = frontend.ids(text);
        }
    }
}

/// `data` as a text, normalised with rules and without, split and tokenised.
pub fn text(data: &[u8]) {
    static FRONTENDS: LazyLock<Vec<TextFrontend>> = LazyLock::new(|| {
        let folder = scratch();
        made_up::vocabulary(folder.path());
        let load = |normalizer, strict| {
            let options = FrontendOptions {
                normalizer,
                strict,
                ..FrontendOptions::default()
            };
            TextFrontend::load(folder.path(), Some(&small_rules()), options).expect("a frontend")
        };
        vec![
            load(NormalizerKind::Wetext018, false),
            load(NormalizerKind::Wetext004, false),
            load(NormalizerKind::None, false),
            load(NormalizerKind::None, true),
        ]
    });
    let text = String::from_utf8_lossy(data);
    for frontend in &*FRONTENDS {
        for split in [false, true] {
            let Ok(normalized) = frontend.normalize(&text, split) else {
                continue;
            };
            for segment in &normalized.segments {
                let _ = frontend.ids(segment);
            }
        }
    }
}

/// The small rules of wetext's tests: the published ones are fuzzed in that crate, more slowly.
fn small_rules() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = |root: &Path| root.join("wetext/tests/data/rules");
    let mut found = here.ancestors().map(rules);
    found
        .find(|folder| folder.is_dir())
        .expect("the rules of wetext's tests")
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = scratch();
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file");
    read(&path);
}
