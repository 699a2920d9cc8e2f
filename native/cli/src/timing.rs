use std::time::Duration;

use native::engine::{Engine, PausedScript};

/// When each segment is heard, and the silence between them.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// Samples of silence before the first segment.
    before: usize,
    /// Samples of silence after each segment.
    after: Vec<usize>,
    /// The segments so far.
    spans: Vec<Span>,
    /// Samples so far, silence included.
    samples: usize,
}

/// A segment in the sound, in seconds from its beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Where it begins.
    pub start: f64,
    /// Where it ends, and the silence after it begins.
    pub end: f64,
}

impl Timing {
    /// The times of a script that has not been begun.
    pub fn new(script: &PausedScript) -> Self {
        let after = script.after.iter();
        Self {
            before: samples(script.before),
            after: after.map(|&pause| samples(pause)).collect(),
            ..Self::default()
        }
    }

    /// Adds a chunk of a segment, whose length is in samples. Returns how many samples of silence
    /// come before it.
    pub fn add(&mut self, segment: usize, length: usize) -> usize {
        let mut silence = 0;
        while self.spans.len() <= segment {
            let pause = match self.spans.len() {
                0 => self.before,
                said => self.silence_after(said - 1),
            };
            silence += pause;
            self.samples += pause;
            let start = seconds(self.samples);
            self.spans.push(Span { start, end: start });
        }
        self.samples += length;
        if let Some(span) = self.spans.last_mut() {
            span.end = seconds(self.samples);
        }
        silence
    }

    /// Ends the sound. Returns how many samples of silence it ends with.
    pub fn end(&mut self) -> usize {
        let silence = match self.spans.len() {
            0 => 0,
            said => self.silence_after(said - 1),
        };
        self.samples += silence;
        silence
    }

    /// The segments so far.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Samples so far, silence included.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Seconds so far, silence included.
    pub fn seconds(&self) -> f64 {
        seconds(self.samples)
    }

    fn silence_after(&self, segment: usize) -> usize {
        self.after.get(segment).copied().unwrap_or(0)
    }
}

fn samples(pause: Duration) -> usize {
    (pause.as_secs_f64() * f64::from(Engine::SAMPLE_RATE)).round() as usize
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(Engine::SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_comes_before_between_and_after_segments_and_counts() {
        let half = Duration::from_millis(500);
        let script = PausedScript {
            before: half,
            after: vec![half * 2, half],
            ..PausedScript::default()
        };
        let mut timing = Timing::new(&script);
        // The first segment comes in two chunks.
        let chunks = [(0, 12_000), (0, 24_000), (1, 12_000)];
        let silences = chunks.map(|(segment, length)| timing.add(segment, length));
        assert_eq!(silences, [12_000, 0, 24_000]);
        assert_eq!(timing.end(), 12_000);
        let span = |start, end| Span { start, end };
        assert_eq!(timing.spans(), [span(0.5, 2.0), span(3.0, 3.5)]);
        assert_eq!((timing.samples(), timing.seconds()), (96_000, 4.0));
    }

    #[test]
    fn a_sound_without_segments_has_no_silence() {
        let mut timing = Timing::new(&PausedScript::default());
        assert_eq!((timing.end(), timing.samples()), (0, 0));
    }
}
