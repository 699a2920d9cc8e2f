/// Whether input still follows what the flow or the vocoder is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// Nothing follows: a whole segment, or all of a stream up to its end. Every token and frame
    /// gives sound, and attention sees all of them. (The reference ends a stream without the
    /// streaming mask.)
    Final,
    /// More follows: the last tokens and frames serve as lookahead only, and attention sees no
    /// further than the end of each chunk, so that frames keep their values when more arrives.
    Partial,
}

impl Portion {
    /// `lookahead` where more input follows, else 0.
    pub(crate) fn withheld(self, lookahead: usize) -> usize {
        match self {
            Self::Final => 0,
            Self::Partial => lookahead,
        }
    }
}
