//! The samples of a sound of any length, in memory that is bounded.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::ops::Deref;
use std::sync::Arc;

use memmap2::Mmap;

/// Samples that are held in memory: 64 MiB, or 11.6 minutes at 24 kHz. What is longer lies in a
/// temporary file that is mapped, so that the system can drop what is not being looked at.
const IN_MEMORY: usize = 1 << 24;

/// Mono samples, 1 being full scale.
#[derive(Clone, Debug)]
pub struct Samples(Store);

#[derive(Clone, Debug)]
enum Store {
    Memory(Vec<f32>),
    /// Whole samples in the machine's byte order.
    Mapped(Arc<Mmap>),
}

impl Deref for Samples {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            Store::Memory(samples) => samples,
            Store::Mapped(bytes) => bytemuck::cast_slice(bytes),
        }
    }
}

impl PartialEq for Samples {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// Collects [`Samples`] block by block.
pub(super) struct Collector {
    memory: Vec<f32>,
    limit: usize,
    /// Without a name: it is gone when the program ends, however it ends.
    file: Option<BufWriter<File>>,
}

impl Collector {
    pub(super) fn new() -> Self {
        Self::with_limit(IN_MEMORY)
    }

    fn with_limit(limit: usize) -> Self {
        Self {
            memory: Vec::new(),
            limit,
            file: None,
        }
    }

    pub(super) fn push(&mut self, block: &[f32]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            return write(file, block);
        }
        self.memory.extend_from_slice(block);
        if self.memory.len() > self.limit {
            let mut file = BufWriter::new(tempfile::tempfile()?);
            write(&mut file, &std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Samples> {
        let Some(file) = self.file else {
            return Ok(Samples(Store::Memory(self.memory)));
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // SAFETY: nobody else can change or shorten the file: it has no name, and this is its only
        // handle.
        let bytes = unsafe { Mmap::map(&file) }?;
        Ok(Samples(Store::Mapped(Arc::new(bytes))))
    }
}

fn write(file: &mut BufWriter<File>, samples: &[f32]) -> io::Result<()> {
    file.write_all(bytemuck::cast_slice(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(limit: usize, blocks: &[&[f32]]) -> Samples {
        let mut collector = Collector::with_limit(limit);
        for block in blocks {
            collector.push(block).unwrap();
        }
        collector.finish().unwrap()
    }

    #[test]
    fn samples_beyond_the_limit_are_the_same_in_a_file() {
        let blocks: [&[f32]; 4] = [&[0.5, -1.0], &[], &[f32::MIN_POSITIVE, 3e38], &[-0.25]];
        let memory = collected(5, &blocks);
        let mapped = collected(1, &blocks);
        assert!(matches!(memory.0, Store::Memory(_)));
        assert!(matches!(mapped.0, Store::Mapped(_)));
        assert_eq!(*memory, [0.5, -1.0, f32::MIN_POSITIVE, 3e38, -0.25]);
        assert_eq!(memory, mapped);
    }

    #[test]
    fn no_samples_are_collected_from_no_blocks() {
        assert!(collected(0, &[]).is_empty());
    }
}
