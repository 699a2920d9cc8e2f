//! Floats in JSON, infinities and NaN included.
//!
//! The signal-to-noise ratio of two identical sounds is infinite, and a NaN in a tensor makes
//! every mean of it NaN. JSON has neither, so they are written as the strings `"Infinity"`,
//! `"-Infinity"` and `"NaN"`. Use as `#[serde(with = "crate::number")]`.

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Writes a number, or a string where JSON has no number for it.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if *value > 0.0 {
        serializer.serialize_str("Infinity")
    } else {
        serializer.serialize_str("-Infinity")
    }
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(Number)
}

struct Number;

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number, \"Infinity\", \"-Infinity\" or \"NaN\"")
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<f64, E> {
        Ok(v)
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<f64, E> {
        Ok(v as f64)
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<f64, E> {
        Ok(v as f64)
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<f64, E> {
        match v {
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            "NaN" => Ok(f64::NAN),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "crate::number")] f64);

    fn round_trip(v: f64) -> f64 {
        let json = serde_json::to_string(&Wrapped(v)).unwrap();
        serde_json::from_str::<Wrapped>(&json).unwrap().0
    }

    #[test]
    fn every_float_survives_json() {
        for v in [0.0, -1.5, 3e-9, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(round_trip(v), v);
        }
        assert!(round_trip(f64::NAN).is_nan());
    }

    #[test]
    fn integers_are_numbers_too_and_words_are_not() {
        assert_eq!(serde_json::from_str::<Wrapped>("3").unwrap().0, 3.0);
        assert!(serde_json::from_str::<Wrapped>("\"lots\"").is_err());
    }
}
