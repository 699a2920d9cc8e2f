use crate::report::model::{REPORT_VERSION, Report};

/// The JSON Schema (2020-12) of `report.json`, as it stands in `parity/docs/report.schema.json`.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Report);
    schema.insert("title".into(), "report.json of parity".into());
    if let Some(version) = schema.pointer_mut("/properties/version") {
        *version =
            serde_json::json!({"const": REPORT_VERSION, "description": "Version of this form."});
    }
    // Serialising a JSON value cannot fail.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
