use serde_json::{Map, Value, json};

use crate::metric::Metric;
use crate::report::model::{REPORT_VERSION, Report};

/// The JSON Schema (2020-12) of `report.json`, which is kept in `parity/docs/report.schema.json`.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Report);
    schema.insert("title".into(), "report.json of parity".into());
    if let Some(version) = schema.pointer_mut("/properties/version") {
        *version = json!({"const": REPORT_VERSION, "description": "Version of the format."});
    }
    let mut measures = None;
    for part in schema.as_object_mut().into_iter().flat_map(Map::values_mut) {
        share_measures(part, &mut measures);
    }
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        definitions.extend(measures.map(|measures| (MEASURES.to_owned(), measures)));
    }
    // Serialising a JSON value cannot fail.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

const MEASURES: &str = "Measures";

/// Replaces every map from a metric to its value, which schemars writes out in full at each place,
/// with a reference to one definition.
fn share_measures(schema: &mut Value, definition: &mut Option<Value>) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(|s| share_measures(s, definition)),
        Value::Object(object) if is_measures(object) => {
            let description = object.remove("description");
            let mut reference = Map::new();
            reference.extend(description.map(|d| ("description".to_owned(), d)));
            reference.insert("$ref".into(), format!("#/$defs/{MEASURES}").into());
            let mut map = std::mem::replace(object, reference);
            map.insert("description".into(), "Values by metric.".into());
            definition.get_or_insert(Value::Object(map));
        }
        Value::Object(object) => object
            .values_mut()
            .for_each(|s| share_measures(s, definition)),
        _ => {}
    }
}

fn is_measures(schema: &Map<String, Value>) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|properties| {
        properties.len() == Metric::ALL.len()
            && properties.keys().all(|name| name.parse::<Metric>().is_ok())
    })
}
