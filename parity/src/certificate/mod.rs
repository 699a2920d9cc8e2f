//! Certificates: a small JSON file that says how far an engine is from the reference, for those who ask
//! whether a precision, a device or a port is good enough.
//!
//! Everything in it follows from a report and the recordings behind it; `parity/docs/formats/certificate.md`
//! describes it.

mod build;
mod model;

pub use build::certify;
pub use model::{
    CERTIFICATE_VERSION, Candidate, Certificate, Draws, Golden, Logits, Places, Processor, Sound,
    WorstWindow,
};

/// The JSON Schema (2020-12) of a certificate, which is kept in
/// `parity/docs/certificate.schema.json`.
pub fn certificate_schema() -> String {
    let mut schema = schemars::schema_for!(Certificate);
    schema.insert("title".into(), "A certificate of parity".into());
    if let Some(version) = schema.pointer_mut("/properties/version") {
        *version = serde_json::json!({
            "const": CERTIFICATE_VERSION,
            "description": "Version of the format.",
        });
    }
    // Serialising a JSON value cannot fail.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
