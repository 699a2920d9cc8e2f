//! Flac and Ogg Vorbis files, decoded by symphonia.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use symphonia::core::codecs::audio::well_known::{CODEC_ID_FLAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::source::Source;
use super::{Decode, Format, unreadable};

/// Whether a file that begins with `head` is one of these.
pub(super) fn is_one(head: &[u8]) -> bool {
    head.starts_with(b"fLaC") || head.starts_with(b"OggS")
}

/// Opens a flac or Ogg file.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub(super) fn open(source: Source) -> Result<(Format, Box<dyn Decode>), String> {
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let reader = symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(damaged)?;
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or_else(|| unreadable("a file without a sound track that can be read".to_owned()))?;
    let track_id = track.id;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or("contains no audio track")?;
    let (container, encoding) = match parameters.codec {
        CODEC_ID_FLAC => ("flac", "flac"),
        CODEC_ID_VORBIS => ("Ogg", "Vorbis"),
        CODEC_ID_OPUS => {
            return Err(unreadable(
                "an Ogg file whose first stream is not its Opus stream".to_owned(),
            ));
        }
        other => {
            return Err(unreadable(format!(
                "an Ogg file of an unsupported encoding ({other})"
            )));
        }
    };
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(damaged)?;
    let mut sound = Packets {
        reader,
        decoder,
        track_id,
        channels: 0,
        sample_rate: 0,
        first: Vec::new(),
    };
    // The first packet says how many channels there are.
    let mut first = Vec::new();
    if !sound.decode(&mut first)? {
        return Err("contains no samples".to_owned());
    }
    sound.first = first;
    let format = Format {
        container,
        encoding,
        channels: sound.channels,
        sample_rate: sound.sample_rate,
    };
    Ok((format, Box::new(sound)))
}

fn damaged(error: Symphonia) -> String {
    format!("cannot be decoded: {error}")
}

struct Packets {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    channels: usize,
    sample_rate: u32,
    first: Vec<f32>,
}

impl Packets {
    fn decode(&mut self, samples: &mut Vec<f32>) -> Result<bool, String> {
        let mut decoded_samples = Vec::<f32>::new();
        while let Some(packet) = self.reader.next_packet().map_err(damaged)? {
            if packet.track_id != self.track_id {
                continue;
            }
            let decoded = self.decoder.decode(&packet).map_err(damaged)?;
            let (channels, rate) = (decoded.num_planes(), decoded.spec().rate());
            if self.channels == 0 {
                (self.channels, self.sample_rate) = (channels, rate);
            } else if (channels, rate) != (self.channels, self.sample_rate) {
                return Err("changes its sample rate or number of channels midway".to_owned());
            }
            decoded.copy_to_vec_interleaved(&mut decoded_samples);
            samples.extend_from_slice(&decoded_samples);
            if !decoded_samples.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Decode for Packets {
    fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool, String> {
        if !self.first.is_empty() {
            samples.append(&mut self.first);
            return Ok(true);
        }
        self.decode(samples)
    }
}
