//! Sun's and NeXT's au files.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

use super::fields::Order;
use super::layout::{Coding, Layout};
use super::pcm::Pcm;
use super::source::Source;
use super::unreadable;

/// The byte order of an au file that begins with `head`.
pub(super) fn order(head: &[u8]) -> Option<Order> {
    match head.get(..4)? {
        b".snd" => Some(Order::Big),
        b"dns." => Some(Order::Little),
        _ => None,
    }
}

/// Finds the samples of an au file.
///
/// # Errors
///
/// What is wrong with the file, without its name.
pub(super) fn layout(source: &mut Source, order: Order) -> Result<Layout, String> {
    let header = super::bytes_at(source, 0, 24)?;
    let field = |at| order.u32(&header, at).ok_or("the au header is truncated");
    let (start, stated) = (u64::from(field(4)?), field(8)?);
    let coding = match field(12)? {
        1 => Pcm::MuLaw,
        2 => Pcm::Signed8,
        3 => Pcm::Signed16,
        4 => Pcm::Signed24,
        5 => Pcm::Signed32,
        6 => Pcm::Float32,
        7 => Pcm::Float64,
        27 => Pcm::ALaw,
        other => {
            return Err(unreadable(format!(
                "an au file of an unsupported encoding ({other})"
            )));
        }
    };
    let sample_rate = field(16)?;
    let channels = usize::try_from(field(20)?).unwrap_or(usize::MAX);
    if start < 24 {
        return Err(format!(
            "the au header states that its samples begin at byte {start}, within the header"
        ));
    }
    let end = match stated {
        // Written to a pipe.
        u32::MAX => u64::MAX,
        bytes => start + u64::from(bytes),
    };
    Ok(Layout {
        container: "au",
        coding: Coding::Pcm(coding, order),
        channels,
        sample_rate,
        data: start..end,
    })
}
