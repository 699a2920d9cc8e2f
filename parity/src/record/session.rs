//! Running the native engine over all cases of a golden.

use std::collections::BTreeMap;

use super::{Error, NativeRecorder};
use crate::case::{Case, CaseFile};
use crate::recording::{CaseFiles, CaseRecord, Recording, RecordingSource};
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
/// whose golden cannot be read has no isolated record, for there is nothing to feed it with.
/// `started` is told of every case.
pub fn run_native(
    recorder: &mut NativeRecorder,
    cases: &CaseFile,
    golden: &dyn RecordingSource,
    mut started: impl FnMut(&Case),
) -> Session {
    recorder.match_torch_of(golden.manifest());
    let mut isolated = BTreeMap::new();
    let mut cascaded = BTreeMap::new();
    let mut failed = Vec::new();
    for case in &cases.cases {
        started(case);
        let mut keep = |to: &mut BTreeMap<_, _>, record: Result<CaseRecord, Error>| match record {
            Ok(record) => drop(to.insert(case.name.clone(), record)),
            Err(e) => failed.push((case.name.clone(), e)),
        };
        keep(&mut cascaded, recorder.cascaded(case, cases));
        if let Ok(reference) = golden.golden_case(&case.name) {
            keep(&mut isolated, recorder.isolated(case, cases, &reference));
        }
    }
    let recording = |feed, cases: BTreeMap<String, CaseRecord>| {
        let mut manifest = recorder.manifest(feed);
        if feed == Feed::Isolated {
            manifest.fed_from = golden.manifest_sha256().map(str::to_owned);
        }
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
