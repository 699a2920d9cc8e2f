//! Ways to spoil what the harness is given, in tables: each must be found out, for the right reason.

mod files;
mod folders;
mod recordings;

use parity::exit::Exit;

/// One way to spoil `T`, a folder or a value of which every row gets a fresh one.
pub struct Row<T> {
    /// What is spoiled, as a sentence.
    pub name: &'static str,
    /// Spoils it.
    pub spoil: fn(&mut T),
    /// How the judgement must end.
    pub exit: Exit,
    /// What it must say, in any amount of white space.
    pub says: &'static str,
}

/// Spoils a fresh `T` row by row, and panics with every row that was not found out.
///
/// `judge` returns the exit status and everything that was said. A fresh `T` must end with
/// [`Exit::Parity`]: otherwise a row could be red for a reason of its own.
pub fn assert_found_out<T>(
    fresh: impl Fn() -> T,
    judge: impl Fn(&T) -> (Exit, String),
    rows: &[Row<T>],
) {
    let (exit, said) = judge(&fresh());
    assert_eq!(exit, Exit::Parity, "nothing is spoiled, but: {said}");
    let missed: Vec<_> = rows
        .iter()
        .filter_map(|row| missed(row, &fresh, &judge))
        .collect();
    let (count, all) = (missed.len(), rows.len());
    assert!(
        missed.is_empty(),
        "{count} of {all}:\n{}",
        missed.join("\n")
    );
}

/// What is wrong with the judgement of a row, if anything is.
fn missed<T>(
    row: &Row<T>,
    fresh: &impl Fn() -> T,
    judge: &impl Fn(&T) -> (Exit, String),
) -> Option<String> {
    let mut spoiled = fresh();
    (row.spoil)(&mut spoiled);
    let (exit, said) = judge(&spoiled);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    (exit != row.exit || !said.contains(row.says)).then(|| {
        let (name, wanted, says) = (row.name, row.exit, row.says);
        format!("- {name}: {exit:?} instead of {wanted:?}, {says:?} expected in: {said}")
    })
}
