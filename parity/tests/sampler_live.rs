//! The native sampler against the live reference's `ras_sampling`:
//!
//!     COSYVOICE_ROOT=… VIRTUAL_ENV=… cargo test -p parity --features record sampler_live -- --ignored

use std::path::Path;

use crate::sampler_draws::{assert_same, data, native_draws};

#[test]
#[ignore = "needs the Python reference: COSYVOICE_ROOT and VIRTUAL_ENV"]
fn a_hundred_thousand_draws_match_the_reference() {
    let path = |name| std::path::PathBuf::from(std::env::var_os(name).expect(name));
    let (root, env) = (path("COSYVOICE_ROOT"), path("VIRTUAL_ENV"));
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python_ref");
    let (rows, _) = data();
    let count = 100_000;
    let reference =
        parity::record::python::draws((&root, &env, &package), &rows, 7, count).expect("draws");
    let (drawn, counts) = native_draws(&rows, 7, count);
    assert_same(&drawn, &reference);
    println!("{count} draws: {counts:?}");
    assert!(counts.repetitions > 5000, "{counts:?}");
}
