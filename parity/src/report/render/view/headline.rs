use serde::Serialize;

use crate::report::model::Report;
use crate::report::render::headline::Headline;

/// Cases told at the top of the page.
const STORIES: usize = 3;
/// Likely causes at the top of the page.
const LIKELY: usize = 4;

/// The first lines of a report that is not in parity.
#[derive(Serialize)]
pub(in crate::report) struct HeadlineView {
    begins: String,
    likely: Vec<String>,
    stories: Vec<StoryView>,
    lengths: Option<String>,
}

#[derive(Serialize)]
struct StoryView {
    case: String,
    words: String,
}

pub(in crate::report) fn headline(report: &Report) -> Option<HeadlineView> {
    let headline = Headline::of(report)?;
    let stories = headline.stories.into_iter().take(STORIES);
    Some(HeadlineView {
        begins: headline.begins,
        likely: headline.likely.into_iter().take(LIKELY).collect(),
        stories: stories
            .map(|(case, words)| StoryView { case, words })
            .collect(),
        lengths: headline.lengths,
    })
}
