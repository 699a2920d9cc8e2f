//! Mels with their time axes.

use serde::Serialize;

use crate::format::number;
use crate::report::model::{Grid, MelPicture};

/// Frames of a second of mel.
const FRAMES_PER_SECOND: f64 = 50.0;
/// Most marks on a time axis.
const MARKS: f64 = 8.0;
/// Distances of marks that read well, in seconds.
const STEPS: [f64; 11] = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// The mels of a segment as pictures.
#[derive(Serialize)]
pub(in crate::report) struct Mel {
    segment: usize,
    feed: &'static str,
    low: String,
    high: String,
    /// Both on one scale: each is as wide as it is long.
    reference: Picture,
    candidate: Picture,
    difference: Option<Difference>,
    /// What the longer side has more, in words.
    excess: Option<String>,
    aligned: Option<Aligned>,
}

/// A picture on a time axis.
#[derive(Serialize)]
struct Picture {
    png: String,
    /// Its width, in per cent of the longer side's.
    width: String,
    /// Where it begins in its sound, in seconds.
    start: f64,
    /// How long it is.
    seconds: f64,
    marks: Vec<TimeMark>,
}

/// A mark on a time axis.
#[derive(Serialize)]
struct TimeMark {
    /// Its place, in per cent of the picture's width.
    at: String,
    seconds: String,
}

/// Candidate minus reference.
#[derive(Serialize)]
struct Difference {
    picture: Picture,
    /// The value of the strongest colours.
    span: String,
}

/// Both along their alignment, and their difference.
#[derive(Serialize)]
struct Aligned {
    reference: String,
    candidate: String,
    difference: String,
    span: String,
}

/// Where segments begin in the sounds of both sides, in seconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Clock {
    reference: f64,
    candidate: f64,
    /// How many times as fast as its mel the speech is.
    speed: f64,
}

impl Clock {
    /// Both sides begin at `start`.
    pub(in crate::report) fn from(start: f64, speed: f64) -> Self {
        Self {
            reference: start,
            candidate: start,
            speed: if speed > 0.0 { speed } else { 1.0 },
        }
    }

    fn seconds(&self, frames: usize) -> f64 {
        frames as f64 / FRAMES_PER_SECOND / self.speed
    }
}

/// The pictures of a mel, and the time after it. None if one of the report's pictures is damaged.
pub(in crate::report) fn mel(picture: &MelPicture, clock: &mut Clock, them: &str) -> Option<Mel> {
    // Reports of version 5 and older do not say it.
    let or_columns = |frames, grid: &Grid| if frames == 0 { grid.width } else { frames };
    let r = or_columns(picture.reference_frames, &picture.reference);
    let c = or_columns(picture.candidate_frames, &picture.candidate);
    let longer = r.max(c).max(1) as f64;
    let now = *clock;
    let shown = |grid: &Grid, frames: usize, start: f64| {
        let seconds = now.seconds(frames);
        Some(Picture {
            png: grid.png()?,
            width: format!("{:.2}", 100.0 * frames as f64 / longer),
            start,
            seconds,
            marks: marks(start, seconds),
        })
    };
    let more = r.abs_diff(c);
    let excess = (more > 0).then(|| {
        let who = if c > r { them } else { "the reference" };
        let seconds = now.seconds(more);
        format!("{who} has {more} frames more, {seconds:.2} s, of {r} and {c}")
    });
    let difference = picture.difference.as_ref().and_then(|d| {
        Some(Difference {
            picture: shown(d, r, now.reference)?,
            span: number(d.high.0),
        })
    });
    let aligned = picture.aligned.as_ref().and_then(|a| {
        Some(Aligned {
            reference: a.reference.png()?,
            candidate: a.candidate.png()?,
            difference: a.difference.png()?,
            span: number(a.difference.high.0),
        })
    });
    clock.reference += now.seconds(r);
    clock.candidate += now.seconds(c);
    Some(Mel {
        excess,
        aligned,
        segment: picture.segment,
        feed: picture.feed.name(),
        low: number(picture.reference.low.0),
        high: number(picture.reference.high.0),
        reference: shown(&picture.reference, r, now.reference)?,
        candidate: shown(&picture.candidate, c, now.candidate)?,
        difference,
    })
}

fn marks(start: f64, seconds: f64) -> Vec<TimeMark> {
    if !(seconds > 0.0 && seconds.is_finite()) {
        return Vec::new();
    }
    let step = STEPS.into_iter().find(|step| seconds / step <= MARKS);
    let step = step.unwrap_or(seconds / MARKS);
    let (first, last) = ((start / step).ceil(), ((start + seconds) / step).floor());
    let count = (last - first).max(-1.0) as usize + 1;
    let mark = |i: usize| {
        let time = (first + i as f64) * step;
        let at = 100.0 * (time - start) / seconds;
        TimeMark {
            at: format!("{at:.2}"),
            seconds: number((time * 100.0).round() / 100.0),
        }
    };
    (0..count).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_few_marks_at_round_times() {
        let found = marks(0.9, 2.0);
        let times: Vec<_> = found.iter().map(|m| &*m.seconds).collect();
        assert_eq!(times, ["1", "1.5", "2", "2.5"]);
        assert_eq!(found[0].at, "5.00");
        assert!(marks(0.0, 0.0).is_empty());
        assert!(marks(0.0, 1e4).len() <= 9);
    }

    #[test]
    fn segments_follow_one_another_on_each_sides_own_clock() {
        let grid = |width: usize| Grid::new(&vec![0.5; 2 * width], 2, 0.0, 1.0).unwrap();
        let picture = MelPicture {
            segment: 0,
            feed: crate::stage::Feed::Cascaded,
            reference: grid(50),
            candidate: grid(100),
            reference_frames: 50,
            candidate_frames: 100,
            difference: None,
            aligned: None,
        };
        let mut clock = Clock::from(0.0, 2.0);
        let first = mel(&picture, &mut clock, "it").unwrap();
        assert_eq!((first.reference.start, first.reference.seconds), (0.0, 0.5));
        assert_eq!(first.reference.width, "50.00");
        let second = mel(&picture, &mut clock, "it").unwrap();
        let starts = (second.reference.start, second.candidate.start);
        assert_eq!(starts, (0.5, 1.0));
    }
}
