//! Lets a `parity` with the `record` feature find the Python library that it was linked to.

fn main() {
    #[cfg(feature = "record")]
    {
        // Where the library lies in the environment and not in the system's folders.
        pyo3_build_config::add_libpython_rpath_link_args();
        if !pyo3_build_config::get().shared() {
            // A static interpreter's symbols have to be there for the modules that it loads.
            println!("cargo::rustc-link-arg-bins=-rdynamic");
        }
    }
}
