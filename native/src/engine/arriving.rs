use std::sync::Arc;

use crate::text::{TextFrontend, has_words};
use crate::{Error, Result};

/// The token ids of a text that arrives in pieces, one by one as the reference hands them on.
pub(super) struct ArrivingText {
    pieces: Box<dyn Iterator<Item = Result<String>> + Send>,
    frontend: Arc<TextFrontend>,
    /// Ids of the last piece that are not taken yet.
    ids: std::vec::IntoIter<u32>,
    /// Whether any piece had something to say.
    worded: bool,
    ended: bool,
}

impl ArrivingText {
    pub(super) fn new(
        pieces: impl Iterator<Item = Result<String>> + Send + 'static,
        frontend: Arc<TextFrontend>,
    ) -> Self {
        Self {
            pieces: Box::new(pieces),
            frontend,
            ids: Vec::new().into_iter(),
            worded: false,
            ended: false,
        }
    }

    fn next_id(&mut self) -> Result<Option<u32>> {
        while !self.ended {
            if let Some(id) = self.ids.next() {
                return Ok(Some(id));
            }
            let Some(piece) = self.pieces.next().transpose()? else {
                self.ended = true;
                break;
            };
            self.worded |= has_words(&piece);
            self.ids = self.frontend.ids(&piece)?.into_iter();
        }
        match self.worded {
            true => Ok(None),
            false => Err(nothing_to_say()),
        }
    }
}

impl Iterator for ArrivingText {
    type Item = Result<Vec<u32>>;

    fn next(&mut self) -> Option<Result<Vec<u32>>> {
        self.next_id().map(|id| id.map(|id| vec![id])).transpose()
    }
}

/// All pieces of a text are empty.
pub(super) fn nothing_to_say() -> Error {
    Error::input("the pieces of the text are empty: there is nothing to say")
}
