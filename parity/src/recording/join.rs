//! The recordings of shards, joined into that of the whole run.

use std::collections::{BTreeMap, BTreeSet};

use parity_atomic::Replacement;

use super::{Error, Manifest, Reader, RecordingSource as _, RunShard, Writer};

/// Recordings cannot be joined. They are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No recording was given.
    #[error("nothing to merge: name the recording of every shard")]
    Nothing,
    /// A recording is of a whole run.
    #[error(
        "recording {number} is not of a shard: merge joins those of `parity record --shard I/N`"
    )]
    NotAShard {
        /// The recording's number.
        number: usize,
    },
    /// A recording comes from another run.
    #[error("recording {number} is from another run: its {what} differs from that of recording 1")]
    Different {
        /// The recording's number.
        number: usize,
        /// What differs.
        what: &'static str,
    },
    /// Two recordings are of the same shard.
    #[error("recording {number} is of shard {index}, which another one is of; give each once")]
    Twice {
        /// The second recording's number.
        number: usize,
        /// The shard.
        index: usize,
    },
    /// A recording is missing.
    #[error("shards of {of} are missing: {missing}; record them, each with --shard I/{of}")]
    MissingShards {
        /// The number of shards.
        of: usize,
        /// Their numbers.
        missing: String,
    },
    /// A case is in two recordings.
    #[error("case {case} is in recording {number} and in an earlier one")]
    Double {
        /// The case.
        case: String,
        /// The later recording's number.
        number: usize,
    },
    /// A case is in no recording.
    #[error("{count} case(s) of the run are in no recording, the first is {case}")]
    Gap {
        /// How many.
        count: usize,
        /// The first one.
        case: String,
    },
    /// A case is not of the run.
    #[error("recording {number} has case {case}, which is not of its run")]
    Foreign {
        /// The case.
        case: String,
        /// The recording's number.
        number: usize,
    },
    /// A recording cannot be read, or the whole cannot be written.
    #[error(transparent)]
    Recording(#[from] Error),
}

/// Joins the recordings of all shards of a run into `place`, with every file's hash checked. Returns
/// the number of cases.
///
/// # Errors
/// If a shard or a case is missing or there twice, or the recordings are not of one run.
pub fn join(parts: &[Reader], place: Replacement) -> Result<usize, JoinError> {
    let shards = parts.iter().zip(1..).map(|(part, number)| {
        let shard = part.manifest().shard.as_ref();
        Ok((number, part, shard.ok_or(JoinError::NotAShard { number })?))
    });
    let shards: Vec<(usize, &Reader, &RunShard)> = shards.collect::<Result<_, JoinError>>()?;
    let (_, first, run) = *shards.first().ok_or(JoinError::Nothing)?;
    let mut given = BTreeSet::new();
    for (number, part, shard) in &shards {
        let number = *number;
        if let Some(what) = difference(first.manifest(), part.manifest()) {
            return Err(JoinError::Different { number, what });
        }
        let index = shard.shard.index;
        if !given.insert(index) {
            return Err(JoinError::Twice { number, index });
        }
    }
    let of = run.shard.of;
    let missing = (1..=of).filter(|index| !given.contains(index));
    let missing: Vec<_> = missing.map(|index| index.to_string()).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(JoinError::MissingShards { of, missing });
    }
    let owners = owners(&shards, run)?;

    let recorded = shards.iter().map(|(_, part, _)| part.manifest());
    let mut seconds: BTreeMap<String, f64> = BTreeMap::new();
    for (stage, spent) in recorded.clone().flat_map(|m| &m.seconds) {
        *seconds.entry(stage.clone()).or_default() += spent;
    }
    let recorded_at = recorded.map(|m| m.recorded_at.clone()).max();
    let whole = Manifest {
        recorded_at: recorded_at.unwrap_or_default(),
        seconds,
        shard: None,
        ..first.manifest().clone()
    };
    let mut writer = Writer::within(place, whole);
    for (name, part) in &owners {
        writer.copy(part, name)?;
    }
    writer.finish()?;
    Ok(owners.len())
}

/// The recording that each case is in, by name.
fn owners<'a>(
    shards: &[(usize, &'a Reader, &RunShard)],
    run: &RunShard,
) -> Result<BTreeMap<String, &'a Reader>, JoinError> {
    let known: BTreeSet<_> = run.run_cases.iter().collect();
    let mut owners = BTreeMap::new();
    for (number, part, _) in shards {
        for case in part.manifest().cases.keys() {
            let (case, number) = (case.clone(), *number);
            if !known.contains(&case) {
                return Err(JoinError::Foreign { case, number });
            }
            if owners.insert(case.clone(), *part).is_some() {
                return Err(JoinError::Double { case, number });
            }
        }
    }
    let mut gaps = run.run_cases.iter().filter(|n| !owners.contains_key(*n));
    match gaps.next() {
        None => Ok(owners),
        Some(case) => Err(JoinError::Gap {
            case: case.clone(),
            count: 1 + gaps.count(),
        }),
    }
}

/// The first thing that differs between two manifests although all shards of a run share it.
fn difference(a: &Manifest, b: &Manifest) -> Option<&'static str> {
    let of = |m: &Manifest| m.shard.as_ref().map(|s| s.shard.of);
    let run = |m: &Manifest| m.shard.as_ref().map(|s| s.run_cases.clone());
    let differs = [
        ("engine", a.engine != b.engine || a.sources != b.sources),
        ("libraries", a.libraries != b.libraries),
        ("model", a.model != b.model || a.lm_weights != b.lm_weights),
        ("device", a.device != b.device),
        ("precision", a.precision != b.precision),
        ("feed", a.feed != b.feed || a.fed_from != b.fed_from),
        ("number of shards", of(a) != of(b)),
        ("list of cases", run(a) != run(b)),
    ];
    differs.into_iter().find(|d| d.1).map(|d| d.0)
}
