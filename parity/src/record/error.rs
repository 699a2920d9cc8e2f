use crate::recording;

/// Why the native engine could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused the model or a case, or failed.
    #[error(transparent)]
    Native(#[from] native::Error),
    /// A file of the recording or of a case.
    #[error(transparent)]
    Recording(#[from] recording::Error),
}
