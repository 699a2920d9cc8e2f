//! Running the native engine over all cases of a golden.

use std::collections::BTreeMap;

use super::{Error, NativeRecorder};
use crate::case::{Case, CaseFile};
use crate::recording;
use crate::recording::{
    CaseFiles, CaseRecord, KeptCases, Manifest, RecordedCase, Recording, RecordingSource,
};
use crate::stage::Feed;

/// The two recordings of a candidate that a golden is compared with.
pub struct Session {
    /// Every stage fed with the golden's inputs.
    pub isolated: Recording,
    /// Every stage fed by the one before.
    pub cascaded: Recording,
    /// Cases that the engine could not run, with what it said.
    pub failed: Vec<(String, Error)>,
}

/// Records `cases` with the native engine, isolated and cascaded.
///
/// A case that fails is left out of the recordings, so that the judge finds it missing. A case
/// whose golden cannot be read has no isolated record, for there is nothing to feed it with. What
/// `kept` has is taken from there, and what it has not is kept there. `started` is told of every
/// case.
pub fn run_native(
    recorder: &mut NativeRecorder,
    cases: &CaseFile,
    golden: &dyn RecordingSource,
    kept: Option<&KeptCases>,
    mut started: impl FnMut(&Case),
) -> Session {
    recorder.match_torch_of(golden.manifest());
    let manifest = |recorder: &NativeRecorder, feed| {
        let mut manifest = recorder.manifest(feed);
        if feed == Feed::Isolated {
            manifest.fed_from = golden.manifest_sha256().map(str::to_owned);
        }
        manifest
    };
    let manifests = Feed::ALL.map(|feed| manifest(recorder, feed));
    let [of_isolated, of_cascaded] = &manifests;
    let mut isolated = BTreeMap::new();
    let mut cascaded = BTreeMap::new();
    let mut failed = Vec::new();
    for case in &cases.cases {
        started(case);
        let mut keep = |to: &mut BTreeMap<_, _>, record: Result<CaseRecord, Error>| match record {
            Ok(record) => drop(to.insert(case.name.clone(), record)),
            Err(e) => failed.push((case.name.clone(), e)),
        };
        let recorded = match kept.map(|_| RecordedCase::of(case, cases)).transpose() {
            Ok(recorded) => recorded,
            Err(e) => {
                keep(&mut cascaded, Err(e.into()));
                continue;
            }
        };
        let kept = kept.zip(recorded.as_ref());
        let record = kept_or(kept, of_cascaded, || recorder.cascaded(case, cases));
        keep(&mut cascaded, record);
        if let Ok(reference) = golden.golden_case(&case.name) {
            let record = kept_or(kept, of_isolated, || {
                recorder.isolated(case, cases, &reference)
            });
            keep(&mut isolated, record);
        }
    }
    let recording = |feed, cases: BTreeMap<String, CaseRecord>| {
        let mut manifest = manifest(recorder, feed);
        let listed = cases
            .keys()
            .map(|name| (name.clone(), CaseFiles::default()));
        manifest.cases = listed.collect();
        Recording { manifest, cases }
    };
    Session {
        isolated: recording(Feed::Isolated, isolated),
        cascaded: recording(Feed::Cascaded, cascaded),
        failed,
    }
}

/// The case that is kept, or else what `record` makes of it, which is then kept.
pub fn kept_or<E: From<recording::Error>>(
    kept: Option<(&KeptCases, &RecordedCase)>,
    manifest: &Manifest,
    record: impl FnOnce() -> Result<CaseRecord, E>,
) -> Result<CaseRecord, E> {
    let Some((kept, case)) = kept else {
        return record();
    };
    if let Some(found) = kept.find(manifest, case) {
        return Ok(found.record);
    }
    let record = record()?;
    kept.keep(manifest, &record, &BTreeMap::new())?;
    Ok(record)
}
