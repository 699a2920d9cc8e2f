/// Speech tokens that sound as silence or breath.
const SILENT: [u32; 11] = [1, 2, 28, 29, 55, 248, 494, 2241, 2242, 2322, 2323];
/// How many of them in a row are heard.
const LONGEST_RUN: usize = 5;

/// Keeps the first five tokens of every run of silent ones, as the reference does between the
/// language model (which goes on seeing them) and the flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilenceFilter {
    run: usize,
}

impl SilenceFilter {
    /// Whether the next token is heard. To be asked once for each token, in order.
    pub fn keeps(&mut self, token: u32) -> bool {
        if SILENT.contains(&token) {
            self.run += 1;
        } else {
            self.run = 0;
        }
        self.run <= LONGEST_RUN
    }
}

/// The tokens that a [`SilenceFilter`] keeps.
pub fn drop_long_silences(tokens: &[u32]) -> Vec<u32> {
    let mut filter = SilenceFilter::default();
    tokens
        .iter()
        .copied()
        .filter(|&t| filter.keeps(t))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_silent_token_in_a_row_is_dropped() {
        let run = [1, 2, 28, 29, 55, 248, 494];
        assert_eq!(drop_long_silences(&run), run[..5]);
    }

    #[test]
    fn a_sounding_token_begins_the_count_anew() {
        let tokens = [1, 1, 1, 1, 1, 7, 1, 1, 1, 1, 1, 1, 8];
        assert_eq!(
            drop_long_silences(&tokens),
            [1, 1, 1, 1, 1, 7, 1, 1, 1, 1, 1, 8]
        );
    }
}
