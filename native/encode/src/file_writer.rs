use std::io::{Seek, SeekFrom, Write};

use crate::{Encoder, Kind};

/// Writes a sound into a file as it is made. A wav can be played while it grows.
pub struct FileWriter<W> {
    file: W,
    encoder: Encoder,
}

impl<W: Write + Seek> FileWriter<W> {
    /// Begins the sound in an empty file.
    ///
    /// # Errors
    /// If the format cannot have such samples or such a rate, or the file cannot be written.
    pub fn new(mut file: W, kind: Kind) -> std::io::Result<Self> {
        let mut encoder = Encoder::of_file(kind).map_err(std::io::Error::other)?;
        file.write_all(&encoder.start())?;
        Ok(Self { file, encoder })
    }

    /// Writes samples at the engine's rate.
    ///
    /// # Errors
    /// If the encoder fails, or the file cannot be written.
    pub fn write(&mut self, samples: &[f32]) -> std::io::Result<()> {
        let bytes = self.encoder.push(samples).map_err(std::io::Error::other)?;
        self.file.write_all(&bytes)?;
        replace(&mut self.file, self.encoder.start_so_far())
    }

    /// Ends the sound: its first bytes now state its length.
    ///
    /// # Errors
    /// If the encoder fails, or the file cannot be written.
    pub fn finish(self) -> std::io::Result<()> {
        let Self { mut file, encoder } = self;
        let end = encoder.finish().map_err(std::io::Error::other)?;
        file.write_all(&end.bytes)?;
        replace(&mut file, end.start)
    }
}

fn replace<W: Write + Seek>(file: &mut W, start: Option<Vec<u8>>) -> std::io::Result<()> {
    if let Some(start) = start {
        let end = file.stream_position()?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&start)?;
        file.seek(SeekFrom::Start(end))?;
    }
    file.flush()
}
