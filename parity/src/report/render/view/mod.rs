//! The input of the HTML templates: strings that are ready to be shown.

mod case;
mod curves;
mod draws;
mod evidence;
mod findings;
mod glossary;
mod headline;
mod headroom;
mod mark;
mod matrix;
mod mels;
mod overview;
mod stages;

pub(super) use case::case;
pub(in crate::report) use curves::f0;
pub(super) use draws::draws;
pub(in crate::report) use evidence::{levels, player};
pub(super) use glossary::Glossary;
pub(in crate::report) use glossary::definition;
pub(super) use headline::headline;
pub(super) use headroom::headroom;
pub(super) use matrix::matrix;
pub(in crate::report) use mels::{Clock, mel};
pub(super) use overview::overview;
