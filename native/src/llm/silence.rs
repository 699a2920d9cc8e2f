use super::LmConfig;

/// How many consecutive silent tokens are kept.
const LONGEST_RUN: usize = 5;

/// Keeps the first five tokens of every run of silent ones, as the reference does between the
/// language model, which still sees all of them, and the flow.
#[derive(Clone, Copy, Debug)]
pub struct SilenceFilter {
    silent: &'static [u32],
    run: usize,
}

impl SilenceFilter {
    /// A filter for a new segment.
    pub fn new(config: &LmConfig) -> Self {
        Self {
            silent: config.silent_tokens,
            run: 0,
        }
    }

    /// Whether the next token is kept. Must be called once per token, in order.
    pub fn keeps(&mut self, token: u32) -> bool {
        if self.silent.contains(&token) {
            self.run += 1;
        } else {
            self.run = 0;
        }
        self.run <= LONGEST_RUN
    }
}

impl LmConfig {
    /// The tokens that a [`SilenceFilter`] keeps.
    pub fn drop_long_silences(&self, tokens: &[u32]) -> Vec<u32> {
        let mut filter = SilenceFilter::new(self);
        let tokens = tokens.iter().copied();
        tokens.filter(|&token| filter.keeps(token)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Family;

    fn drop_long_silences(tokens: &[u32]) -> Vec<u32> {
        let mut filter = SilenceFilter {
            silent: Family::ALL[0].silent_tokens,
            run: 0,
        };
        let tokens = tokens.iter().copied();
        tokens.filter(|&token| filter.keeps(token)).collect()
    }

    #[test]
    fn the_sixth_silent_token_in_a_row_is_dropped() {
        let run = [1, 2, 28, 29, 55, 248, 494];
        assert_eq!(drop_long_silences(&run), run[..5]);
    }

    #[test]
    fn an_audible_token_restarts_the_count() {
        let tokens = [1, 1, 1, 1, 1, 7, 1, 1, 1, 1, 1, 1, 8];
        assert_eq!(
            drop_long_silences(&tokens),
            [1, 1, 1, 1, 1, 7, 1, 1, 1, 1, 1, 8]
        );
    }
}
