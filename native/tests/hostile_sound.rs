//! Sound files that are damaged, cut, or made to mislead: each has its error, or its samples.

use std::path::Path;

use native::audio::Waveform;

pub(crate) enum Outcome {
    /// A part of the message.
    Error(&'static str),
    /// Samples and rate.
    Sound(usize, u32),
}
use Outcome::{Error, Sound};

/// A wav file: format tag, channels, rate, block, bits, and the data with the size its chunk states.
struct Wav {
    tag: u16,
    channels: u16,
    rate: u32,
    block: u16,
    bits: u16,
    data: Vec<u8>,
    stated: Option<u32>,
}

impl Default for Wav {
    fn default() -> Self {
        Self {
            tag: 1,
            channels: 1,
            rate: 24_000,
            block: 2,
            bits: 16,
            data: vec![1; 200],
            stated: None,
        }
    }
}

impl Wav {
    fn format(&self) -> Vec<u8> {
        [
            &b"fmt \x10\0\0\0"[..],
            &self.tag.to_le_bytes(),
            &self.channels.to_le_bytes(),
            &self.rate.to_le_bytes(),
            &(self.rate.wrapping_mul(u32::from(self.block))).to_le_bytes(),
            &self.block.to_le_bytes(),
            &self.bits.to_le_bytes(),
        ]
        .concat()
    }

    fn data(&self) -> Vec<u8> {
        let stated = self.stated.unwrap_or(self.data.len() as u32);
        [&b"data"[..], &stated.to_le_bytes(), &self.data].concat()
    }

    fn file(&self) -> Vec<u8> {
        riff(&[self.format(), self.data()].concat())
    }
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    [&b"RIFF\xff\xff\xff\xffWAVE"[..], chunks].concat()
}

fn floats(samples: &[f32]) -> Vec<u8> {
    Wav {
        tag: 3,
        block: 4,
        bits: 32,
        data: samples.iter().flat_map(|s| s.to_le_bytes()).collect(),
        ..Wav::default()
    }
    .file()
}

pub(crate) fn data(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sound");
    std::fs::read(folder.join(name)).unwrap()
}

/// A file of `data` with some bytes replaced.
fn patched(name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = data(name);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// Where `needle` begins.
fn find(file: &[u8], needle: &[u8]) -> usize {
    let mut windows = file.windows(needle.len());
    windows.position(|w| w == needle).unwrap()
}

fn patched_after(name: &str, needle: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let at = find(&data(name), needle) + offset;
    patched(name, at, bytes)
}

pub(crate) fn cut(name: &str, length: usize) -> Vec<u8> {
    let mut file = data(name);
    file.truncate(length);
    file
}

#[rustfmt::skip]
fn wav_files() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let wav = Wav::default;
    vec![
        ("no bytes", vec![], Error("the file is empty")),
        ("RIFF alone", b"RIFF".to_vec(), Error("header is truncated")),
        ("RIFF of another form", b"RIFF\x10\0\0\0AVI LIST\0\0\0\0".to_vec(), Error("not a wav")),
        ("header alone", riff(b""), Error("header is truncated")),
        ("half a format chunk", riff(&wav().format()[..14]), Error("format chunk is truncated")),
        ("format of 0 bytes", riff(b"fmt \0\0\0\0data\0\0\0\0"), Error("format chunk is truncated")),
        ("no data chunk", riff(&wav().format()), Error("no data chunk")),
        ("data before the format", riff(&[wav().data(), wav().format()].concat()), Error("before its format chunk")),
        ("data chunk alone", riff(&wav().data()), Error("before its format chunk")),
        ("data of 0 bytes", Wav { data: vec![], ..wav() }.file(), Error("contains no samples")),
        ("half a sample", Wav { data: vec![1], ..wav() }.file(), Error("contains no samples")),
        ("odd number of bytes", Wav { data: vec![1; 201], ..wav() }.file(), Sound(100, 24_000)),
        ("half a frame at the end", Wav { channels: 2, block: 4, data: vec![1; 202], ..wav() }.file(), Sound(50, 24_000)),
        ("stated size of a stream", Wav { stated: Some(u32::MAX), ..wav() }.file(), Sound(100, 24_000)),
        ("stated size beyond the file", Wav { stated: Some(0x7fff_ffff), ..wav() }.file(), Sound(100, 24_000)),
        ("no channels", Wav { channels: 0, ..wav() }.file(), Error("no channels")),
        ("65535 channels", Wav { channels: 65_535, block: 65_535, bits: 8, ..wav() }.file(), Error("65535 channels")),
        ("0 Hz", Wav { rate: 0, ..wav() }.file(), Error("0 Hz")),
        ("7 Hz", Wav { rate: 7, ..wav() }.file(), Sound(100, 7)),
        ("a billion Hz", Wav { rate: 1_000_000_000, ..wav() }.file(), Error("1000000000 Hz")),
        ("largest rate", Wav { rate: u32::MAX, ..wav() }.file(), Error("4294967295 Hz")),
        ("blocks of 0 bytes", Wav { block: 0, ..wav() }.file(), Error("unsupported encoding")),
        ("blocks that channels do not divide", Wav { channels: 2, block: 3, ..wav() }.file(), Error("unsupported encoding")),
        ("blocks of 65535 bytes", Wav { block: 65_535, ..wav() }.file(), Error("unsupported encoding")),
        ("64-bit integers", Wav { block: 8, bits: 64, ..wav() }.file(), Error("unsupported encoding")),
        ("16-bit floats", Wav { tag: 3, ..wav() }.file(), Error("unsupported encoding")),
        ("unknown tag", Wav { tag: 0x1234, ..wav() }.file(), Error("format 0x1234")),
        ("GSM", Wav { tag: 0x31, block: 65, bits: 0, ..wav() }.file(), Error("GSM 6.10")),
        ("mp3 in wav", Wav { tag: 0x55, block: 1, bits: 0, ..wav() }.file(), Error("mp3")),
        ("extensible without its tag", Wav { tag: 0xfffe, ..wav() }.file(), Error("format chunk is truncated")),
        ("a chunk of 4 GiB before the data", riff(&[&wav().format()[..], b"LIST\xff\xff\xff\xff", &wav().data()].concat()), Error("no data chunk")),
        ("a chunk of an odd size", riff(&[&wav().format()[..], b"LIST\x03\0\0\0abc\0", &wav().data()].concat()), Sound(100, 24_000)),
        ("ten thousand empty chunks", riff(&[wav().format(), b"junk\0\0\0\0".repeat(10_000), wav().data()].concat()), Sound(100, 24_000)),
        ("two formats", riff(&[Wav { channels: 0, ..wav() }.format(), wav().format(), wav().data()].concat()), Error("no channels")),
        ("not a number", floats(&[0.0, f32::NAN]), Error("not a finite number, 0.000 s")),
        ("infinity", floats(&[f32::INFINITY; 3]), Error("not a finite number")),
        ("beyond float32", Wav { tag: 3, block: 8, bits: 64, data: 1e300_f64.to_le_bytes().to_vec(), ..wav() }.file(), Error("not a finite number")),
        ("far beyond full scale", floats(&[1e30, -1e30]), Sound(2, 24_000)),
        ("Microsoft ADPCM of 0 bytes", Wav { tag: 2, block: 0, bits: 4, ..wav() }.file(), Error("blocks of 0 bytes")),
        ("Microsoft ADPCM of 6 bytes", Wav { tag: 2, block: 6, bits: 4, ..wav() }.file(), Error("blocks of 6 bytes")),
        ("Microsoft ADPCM of ten channels", Wav { tag: 2, channels: 10, block: 256, bits: 4, ..wav() }.file(), Error("only one or two")),
        ("half a block of Microsoft ADPCM", Wav { tag: 2, block: 256, bits: 4, ..wav() }.file(), Error("contains no samples")),
        ("IMA ADPCM in odd groups", Wav { tag: 0x11, block: 37, bits: 4, ..wav() }.file(), Error("blocks of 37 bytes")),
        ("IMA ADPCM of three channels", Wav { tag: 0x11, channels: 3, block: 36, bits: 4, ..wav() }.file(), Error("only one or two")),
        ("IMA ADPCM of any bytes", Wav { tag: 0x11, block: 36, bits: 4, data: vec![0xff; 72], ..wav() }.file(), Sound(130, 24_000)),
        ("130 s", Wav { rate: 8000, data: vec![0; 2 * 8000 * 130], ..wav() }.file(), Error("lasts more than 120 s")),
    ]
}

#[rustfmt::skip]
fn other_files() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let id3 = |size: [u8; 4]| [b"ID3\x04\0\0", &size[..]].concat();
    let silent = |frames: usize| [&[0xff, 0xf3, 0x54, 0xc4][..], &[0; 116]].concat().repeat(frames);
    vec![
        ("a text", b"Hello, this is a text and no sound.".to_vec(), Error("not a wav")),
        ("zeros", vec![0; 100_000], Error("not a wav")),
        ("one byte", vec![b'R'], Error("not a wav")),
        ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".to_vec(), Error("git lfs pull")),
        ("MP4", b"\0\0\0\x20ftypM4A \0\0\0\0".to_vec(), Error("MP4 or M4A")),
        ("WebM", b"\x1a\x45\xdf\xa3\x01\0\0\0".to_vec(), Error("WebM")),
        ("AMR", b"#!AMR\n".to_vec(), Error("AMR")),
        ("WMA", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".to_vec(), Error("WMA")),
        ("ID3 of 2^28 bytes", id3([0x7f; 4]), Error("ID3 tag of 268435465 bytes")),
        ("ID3 alone", id3([0; 4]), Error("ID3 tag of 10 bytes")),
        ("five bytes of ID3", b"ID3\x04\0".to_vec(), Error("not a wav")),
        ("ID3 before a text", [&id3([0, 0, 0, 1])[..], b"xno sound"].concat(), Error("not a wav")),
        ("ID3 before a wav", [id3([0, 0, 0, 1]), b"x".to_vec(), Wav::default().file()].concat(), Sound(100, 24_000)),
        ("a thousand ID3 tags", [id3([0; 4]).repeat(1000), Wav::default().file()].concat(), Sound(100, 24_000)),
        ("a sync word alone", vec![0xff, 0xfb], Error("no mp3 frame")),
        ("sync words only", vec![0xff; 10_000], Error("no mp3 frame")),
        ("one mp3 frame", silent(1), Error("no mp3 frame")),
        ("two mp3 frames", silent(2), Sound(1152, 24_000)),
        ("half an mp3 frame at the end", [silent(2), silent(1)[..60].to_vec()].concat(), Sound(1152, 24_000)),
        ("mp3 after 65 KB of junk", [vec![0xff, 0xe0], vec![0; 70_000], silent(9)].concat(), Error("no mp3 frame")),
        ("mp3 with 2 KB of junk inside", [silent(5), vec![0; 2000], silent(5)].concat(), Error("no mp3 frame in the 1024 bytes")),
        ("mp3 and then noise", [silent(5), vec![0x55; 300], silent(5)].concat(), Sound(5760, 24_000)),
        ("MPEG layer 2", [&[0xff, 0xfd, 0x84, 0xc4][..], &[0; 2000]].concat(), Error("MPEG audio of layer 2")),
        ("mp3 of a free bit rate", [&[0xff, 0xf3, 0x04, 0xc4][..], &[0; 2000]].concat(), Error("free bit rate")),
        ("mp3 whose tag states no sound", { let f = data("mp3_tagged.mp3"); let at = find(&f, b"Info") + 8; patched("mp3_tagged.mp3", at, &[0, 0, 0, 1]) }, Error("contains no samples")),
        ("mp3 whose tag states 4 billion frames", { let f = data("mp3_tagged.mp3"); let at = find(&f, b"Info") + 8; patched("mp3_tagged.mp3", at, &[0xff; 4]) }, Sound(21_935, 24_000)),
        ("flac marker alone", b"fLaC".to_vec(), Error("cannot be decoded")),
        ("flac header cut", cut("flac_pcm_16.flac", 30), Error("cannot be decoded")),
        ("flac frame cut", cut("flac_pcm_16.flac", 300), Error("contains no samples")),
        ("flac picture of 16 MB", patched("flac_pcm_16.flac", 4, &[6, 0xff, 0xff, 0xff]), Error("cannot be decoded")),
        ("flac of 0 Hz", patched("flac_pcm_16.flac", 18, &[0, 0, 0]), Error("")),
        ("Ogg marker alone", b"OggS".to_vec(), Error("cannot be decoded")),
        ("Ogg header cut", cut("ogg_vorbis.ogg", 40), Error("")),
        ("Ogg codebooks cut", cut("ogg_vorbis.ogg", 1000), Error("")),
        ("AIFF header alone", b"FORM\0\0\0\x04AIFF".to_vec(), Error("no COMM chunk")),
        ("AIFF COMM cut", cut("aiff_pcm_16.aiff", 30), Error("COMM chunk is truncated")),
        ("AIFF without sound", cut("aiff_pcm_16.aiff", 38), Error("no sound chunk")),
        ("AIFF sound cut", cut("aiff_pcm_16.aiff", 54 + 400), Sound(100, 24_000)),
        ("AIFF of no channels", patched_after("aiff_pcm_16.aiff", b"COMM", 8, &[0, 0]), Error("no channels")),
        ("AIFF of 64 bits", patched_after("aiff_pcm_16.aiff", b"COMM", 14, &[0, 64]), Error("unsupported encoding")),
        ("AIFF at an infinite rate", patched_after("aiff_pcm_16.aiff", b"COMM", 16, &[0x7f, 0xff]), Error("0 Hz")),
        ("AIFF at a negative rate", patched_after("aiff_pcm_16.aiff", b"COMM", 16, &[0xc0]), Error("0 Hz")),
        ("AIFF whose sound begins beyond the file", patched_after("aiff_pcm_16.aiff", b"SSND", 8, &[0xff; 4]), Error("contains no samples")),
        ("AIFF with a chunk of 4 GiB", patched_after("aiff_pcm_16.aiff", b"COMM", 4, &[0xff; 4]), Error("no sound chunk")),
        ("AIFF-C of an unknown coding", patched_after("aiff_alaw.aiff", b"alaw", 0, b"QDM2"), Error("`QDM2`")),
        ("AIFF IMA ADPCM of a thousand channels", patched_after("aiff_ima_adpcm.aiff", b"COMM", 8, &[4, 0]), Error("only one or two")),
        ("au marker alone", b".snd".to_vec(), Error("au header is truncated")),
        ("au header cut", cut("au_pcm_16.au", 23), Error("au header is truncated")),
        ("au whose samples begin in the header", patched("au_pcm_16.au", 4, &[0, 0, 0, 8]), Error("within the header")),
        ("au whose samples begin beyond the file", patched("au_pcm_16.au", 4, &[0xff; 4]), Error("contains no samples")),
        ("au of a stream", patched("au_pcm_16.au", 8, &[0xff; 4]), Sound(720, 24_000)),
        ("au of an unknown coding", patched("au_pcm_16.au", 12, &[0, 0, 0, 99]), Error("unsupported encoding (99)")),
        ("au of 0 Hz", patched("au_pcm_16.au", 16, &[0; 4]), Error("0 Hz")),
        ("au of 4 billion channels", patched("au_pcm_16.au", 20, &[0xff; 4]), Error("4294967295 channels")),
        ("au of no channels", patched("au_pcm_16.au", 20, &[0; 4]), Error("no channels")),
        ("CAF marker alone", b"caff\0\x01\0\0".to_vec(), Error("CAF header is truncated")),
        ("CAF description cut", cut("caf_pcm_16.caf", 40), Error("description is truncated")),
        ("CAF without data", cut("caf_pcm_16.caf", 52), Error("no data chunk")),
        ("CAF chunk of a negative size", patched("caf_pcm_16.caf", 12, &[0xff; 8]), Error("no data chunk")),
        ("CAF data of an unknown size", patched_after("caf_pcm_16.caf", b"data", 4, &[0xff; 8]), Sound(720, 24_000)),
        ("CAF at a rate that is no number", patched_after("caf_pcm_16.caf", b"desc", 12, &[0x7f, 0xf8]), Error("0 Hz")),
        ("CAF at 1e300 Hz", patched_after("caf_pcm_16.caf", b"desc", 12, &1e300_f64.to_be_bytes()), Error("4294967295 Hz")),
        ("CAF of an unknown coding", patched_after("caf_pcm_16.caf", b"lpcm", 0, b"alac"), Error("`alac`")),
        ("Wave64 marker alone", b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0".to_vec(), Error("Wave64 header is truncated")),
        ("Wave64 chunk of no size", patched_after("w64_pcm_16.w64", b"fmt ", 16, &[0; 8]), Error("format chunk is truncated")),
        ("Wave64 chunk of all sizes", patched_after("w64_pcm_16.w64", b"fmt ", 16, &[0xff; 8]), Error("no data chunk")),
        ("Wave64 data beyond the file", patched_after("w64_pcm_16.w64", b"data", 16, &[0xff; 8]), Sound(720, 24_000)),
        ("RF64 data beyond the file", patched_after("rf64_pcm_16.rf64", b"ds64", 16, &[0xff; 8]), Sound(720, 24_000)),
        ("RF64 without its sizes", patched_after("rf64_pcm_16.rf64", b"ds64", 0, b"junk"), Sound(720, 24_000)),
    ]
}

fn check(name: &str, path: &Path, outcome: &Outcome) -> Result<(), String> {
    match (Waveform::read(path), outcome) {
        (Err(error), Error(part)) => {
            let error = error.to_string();
            let named = error.contains(&path.display().to_string());
            if named && error.contains(part) {
                Ok(())
            } else {
                Err(format!("{name}: the error is: {error}"))
            }
        }
        (Err(error), Sound(..)) => Err(format!("{name}: not read: {error}")),
        (Ok(wave), outcome) => {
            let read = (wave.samples.len(), wave.sample_rate);
            match outcome {
                Sound(samples, rate) if read == (*samples, *rate) => Ok(()),
                _ => Err(format!("{name}: read as {read:?}")),
            }
        }
    }
}

/// What is read otherwise than expected.
pub(crate) fn failures(files: &[(&str, Vec<u8>, Outcome)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.bin");
    let failure = |(name, bytes, outcome): &(&str, Vec<u8>, Outcome)| {
        std::fs::write(&path, bytes).unwrap();
        check(name, &path, outcome).err()
    };
    files.iter().filter_map(failure).collect()
}

#[test]
fn every_hostile_file_has_its_error_or_its_samples() {
    let files: Vec<_> = wav_files().into_iter().chain(other_files()).collect();
    assert!(files.len() >= 110);
    let wrong = failures(&files);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_cut_or_changed_anywhere_is_an_error_or_a_sound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.bin");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sound");
    for entry in std::fs::read_dir(folder).unwrap() {
        let original = std::fs::read(entry.unwrap().path()).unwrap();
        // Headers byte by byte, the rest here and there.
        let places = (0..original.len()).filter(|at| *at < 60 || at % 997 == 0);
        for at in places {
            std::fs::write(&path, &original[..at]).unwrap();
            drop(Waveform::read(&path));
            for byte in [0x00, 0xff] {
                let mut changed = original.clone();
                changed[at] = byte;
                std::fs::write(&path, changed).unwrap();
                if let Ok(wave) = Waveform::read(&path) {
                    // Four-bit and compressed samples grow, but not without bound.
                    assert!(wave.samples.len() < 300 * original.len() + 100_000);
                }
            }
        }
    }
}

#[test]
fn what_is_no_file_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| Waveform::read(path).unwrap_err().to_string();
    assert!(error(dir.path()).contains("is a folder"));
    let missing = error(Path::new("no such file.wav"));
    assert!(missing.contains("no such file.wav"), "{missing}");
    for device in ["/dev/zero", "/dev/null"].map(Path::new) {
        if device.exists() {
            let error = error(device);
            assert!(
                error.contains("neither a regular file nor a pipe"),
                "{error}"
            );
        }
    }
}
