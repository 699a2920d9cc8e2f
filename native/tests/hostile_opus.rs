//! Ogg Opus files that are damaged, cut, or made to mislead: each has its error, or the samples that
//! libsndfile reads from it.

use crate::hostile_sound::Outcome::{self, Error, Sound};
use crate::hostile_sound::{cut, data, failures};

/// Nine tenths of a second of speech: two pages of headers, ten of five packets of 20 ms.
const VOICE: &str = "opus_voice_16k.opus";
/// Its samples and rate.
const WHOLE: Outcome = Sound(14_456, 16_000);

/// Where each page begins, and where the last one ends.
fn pages(file: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    while file[at..].starts_with(b"OggS") {
        let segments = usize::from(file[at + 26]);
        let table = &file[at + 27..at + 27 + segments];
        at += 27 + segments + table.iter().copied().map(usize::from).sum::<usize>();
        starts.push(at);
        if at == file.len() {
            break;
        }
    }
    starts
}

/// Sets the checksum of every page.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    for page in pages(&file).windows(2) {
        let page = &mut file[page[0]..page[1]];
        page[22..26].fill(0);
        let crc = page.iter().fold(0, |crc: u32, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
                crc << 1 ^ (0x04c1_1db7 & (crc >> 31).wrapping_neg())
            })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
    }
    file
}

/// The file with bytes of page `page` replaced, and a right checksum.
fn with(page: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = data(VOICE);
    let at = pages(&file)[page] + at;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(file)
}

/// The file with another first packet.
fn headed(header: &[u8]) -> Vec<u8> {
    let file = data(VOICE);
    let mut page = file[..28].to_vec();
    page[27] = header.len().try_into().unwrap();
    page.extend(header);
    page.extend(&file[pages(&file)[1]..]);
    sealed(page)
}

/// Its first packet with some bytes replaced and others behind.
fn header(at: usize, bytes: &[u8], more: &[u8]) -> Vec<u8> {
    let mut header = data(VOICE)[28..47].to_vec();
    header[at..at + bytes.len()].copy_from_slice(bytes);
    header.extend(more);
    headed(&header)
}

/// The file with a packet of so many bytes (fewer than 255) on page `page` replaced.
fn packet(page: usize, number: usize, packet: &[u8]) -> Vec<u8> {
    let file = data(VOICE);
    let start = pages(&file)[page];
    let table = start + 27;
    let body = table + usize::from(file[start + 26]);
    let bytes = |n: usize| usize::from(file[table + n]);
    let at = body + (0..number).map(bytes).sum::<usize>();
    let mut changed = file.clone();
    changed.splice(at..at + bytes(number), packet.iter().copied());
    changed[table + number] = packet.len().try_into().unwrap();
    sealed(changed)
}

/// The file with bytes of its comments replaced.
fn comments(at: usize, bytes: &[u8]) -> Vec<u8> {
    let file = data(VOICE);
    let page = pages(&file)[1];
    let body = 27 + usize::from(file[page + 26]);
    with(1, body + at, bytes)
}

fn without(page: usize) -> Vec<u8> {
    let mut file = data(VOICE);
    let starts = pages(&file);
    file.drain(starts[page]..starts[page + 1]);
    file
}

#[rustfmt::skip]
fn files() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let end = |page: usize| pages(&data(VOICE))[page];
    let flipped = |page: usize| { let mut f = data(VOICE); let at = pages(&f)[page] + 60; f[at] ^= 1; f };
    let behind = |more: &[u8]| [data(VOICE), more.to_vec()].concat();
    let toc = 0x48; // 20 ms of wideband speech
    vec![
        // The first page, and the header on it.
        ("a page cut in its header", cut(VOICE, 40), Error("header is truncated or damaged")),
        ("a first page of a wrong checksum", flipped(0), Error("damaged")),
        ("a first page that is not the first", with(0, 5, &[0]), Error("is none of a header")),
        ("the header alone", cut(VOICE, end(1)), Error("ends before its comments")),
        ("a header of 18 bytes", headed(&data(VOICE)[28..46]), Error("header is truncated")),
        ("a header of 8 bytes", headed(b"OpusHead"), Error("header is truncated")),
        ("version 0", header(8, &[0], &[]), WHOLE),
        ("version 2", header(8, &[2], &[]), Error("unsupported version (2)")),
        ("no channels", header(9, &[0], &[]), Error("no channels")),
        ("two channels of a mono sound", header(9, &[2], &[]), WHOLE),
        ("three channels without a mapping", header(9, &[3], &[]), Error("family 0 has at most 2")),
        ("255 channels without a mapping", header(9, &[255], &[]), Error("255 channels")),
        ("a byte too many", header(8, &[1], &[0]), Error("unsupported channel mapping (family 0")),
        ("a mapping without its table", header(18, &[1], &[]), Error("header is truncated")),
        ("a mapping of half a table", header(18, &[1], &[1]), Error("header is truncated")),
        ("a mapping", header(18, &[1], &[1, 0, 0]), WHOLE),
        ("a silent channel", header(18, &[1], &[1, 0, 255]), WHOLE),
        ("a mapping of no known family", header(18, &[99], &[1, 0, 0]), WHOLE),
        ("a mapping with a matrix", header(18, &[3], &[1, 0, 0, 0, 0]), Error("family 3")),
        ("a mapping without streams", header(18, &[1], &[0, 0, 0]), Error("0 stream(s)")),
        ("more coupled streams than streams", header(18, &[1], &[1, 2, 0]), Error("do not have")),
        ("a channel that no stream has", header(18, &[1], &[1, 0, 1]), Error("do not have")),
        ("two streams of which one is there", header(18, &[1], &[2, 0, 1]), Error("is damaged")),
        ("255 streams", header(18, &[255], &[255, 0, 254]), Error("is damaged")),
        ("nine channels of Vorbis's orders", header(9, &[9, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[]), Error("9 channels")),
        ("any rate", header(12, &[0xff; 4], &[]), Sound(7228, 8000)),
        ("the largest gain", header(16, &[0xff, 0x7f], &[]), WHOLE),
        ("the smallest gain", header(16, &[0, 0x80], &[]), WHOLE),
        ("the longest pre-skip", header(10, &[0xff; 2], &[]), Error("contains no samples")),
        // The comments.
        ("headers alone", cut(VOICE, end(2)), Error("contains no samples")),
        ("comments of a wrong checksum", flipped(1), Error("not followed by its comments")),
        ("no comments", without(1), Error("not followed by its comments")),
        ("comments of 4 GiB", comments(8, &[0xff; 4]), Error("comments of the Opus file are truncated")),
        ("four billion comments", comments(12 + "libopus 1.3.1".len(), &[0xff; 4]), Error("comments of the Opus file are truncated")),
        // Pages.
        ("a page of another version", with(4, 4, &[1]), Error("has version 1")),
        ("a page of another stream", with(4, 14, &[9]), Sound(12_856, 16_000)),
        ("a last page in the middle", with(4, 5, &[4]), Sound(4696, 16_000)),
        ("a first page in the middle", with(4, 5, &[2]), WHOLE),
        ("a continued page without a beginning", with(4, 5, &[1]), Sound(14_136, 16_000)),
        ("a page of a wrong checksum", flipped(4), Sound(12_856, 16_000)),
        ("a lost first page of sound", without(2), Sound(12_856, 16_000)),
        ("a position before the packets", with(2, 6, &[100, 0]), Error("first page of sound ends at sample 100")),
        ("a position too small", with(4, 6, &[0, 0]), Error("an Ogg page says that it ends")),
        ("a position too large", with(4, 6, &[0xff]), Error("an Ogg page says that it ends")),
        ("a page without a position", with(4, 6, &[0xff; 8]), WHOLE),
        ("a largest position at the end", with(11, 6, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), WHOLE),
        ("an end at 0", with(11, 6, &[0; 8]), Error("contains no samples")),
        ("zeros behind", behind(&vec![0; 100_000]), WHOLE),
        ("half a page behind", behind(&data(VOICE)[..40]), WHOLE),
        ("page markers behind", behind(&b"OggS".repeat(500)), WHOLE),
        ("the same again", behind(&data(VOICE)), WHOLE),
        // Packets.
        ("an empty packet", packet(4, 2, &[]), Error("a gap in its speech at 0.240 s")),
        ("a pause left out", packet(4, 2, &[toc]), Error("a gap in its speech at 0.240 s")),
        ("music among speech", packet(4, 2, &[&[0xf8][..], &[0xff; 80]].concat()), Error("a gap in its speech at 0.240 s")),
        ("a packet of no frames", packet(4, 2, &[toc | 3, 0]), Error("packet at 0.240 s is damaged")),
        ("a packet of 63 frames", packet(4, 2, &[toc | 3, 63, 1]), Error("packet at 0.240 s is damaged")),
        ("two frames of an odd number of bytes", packet(4, 2, &[toc | 1, 1, 2, 3, 4, 5]), Error("packet at 0.240 s is damaged")),
        ("a frame longer than its packet", packet(4, 2, &[toc | 2, 200, 3, 4]), Error("packet at 0.240 s is damaged")),
        ("a packet of ones", packet(4, 2, &[0xff; 80]), Error("packet at 0.240 s is damaged")),
        ("a frame of any bytes", packet(4, 2, &[&[toc][..], &[0x5a; 60]].concat()), WHOLE),
    ]
}

#[test]
fn every_hostile_opus_file_has_its_error_or_its_samples() {
    let files = files();
    assert!(files.len() >= 55);
    let wrong = failures(&files);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
