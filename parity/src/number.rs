//! Floats in JSON, infinities and NaN included.
//!
//! The signal-to-noise ratio of two identical sounds is infinite, and a NaN in a tensor makes
//! every mean of it NaN. JSON has neither, so this module writes them as the strings `"Infinity"`,
//! `"-Infinity"` and `"NaN"`. Use as `#[serde(with = "crate::number")]`.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a number, or a string if JSON has no number for it.
///
/// # Errors
/// If the serializer fails.
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
///
/// # Errors
/// If there is neither a number nor one of the three strings.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(Number)
}

/// Lists of floats, for `#[serde(with = "crate::number::list")]`.
pub mod list {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Single;

    /// Writes each as a number, or as a string if JSON has no number for it.
    ///
    /// # Errors
    /// If the serializer fails.
    pub fn serialize<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().copied().map(Single))
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// If an entry has neither a number nor one of the three strings.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let values = Vec::<Single>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|v| v.0).collect())
    }
}

/// Lists of positions with a float, for `#[serde(with = "crate::number::pairs")]`.
pub mod pairs {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Single;

    /// Writes each float as a number, or as a string if JSON has no number for it.
    ///
    /// # Errors
    /// If the serializer fails.
    pub fn serialize<S: Serializer>(
        pairs: &[(i64, f32)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(pairs.iter().map(|&(at, v)| (at, Single(v))))
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// If an entry has neither a number nor one of the three strings.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(i64, f32)>, D::Error> {
        let pairs = Vec::<(i64, Single)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().map(|(at, v)| (at, v.0)).collect())
    }
}

/// A float32, written with the digits of a float32.
struct Single(f32);

impl Serialize for Single {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f32(self.0)
        } else {
            serialize(&f64::from(self.0), serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Single {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(deserialize(deserializer)? as f32))
    }
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

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Lists {
        #[serde(with = "crate::number::list")]
        list: Vec<f32>,
        #[serde(with = "crate::number::pairs")]
        pairs: Vec<(i64, f32)>,
    }

    #[test]
    fn lists_keep_infinities_and_the_digits_of_a_float32() {
        let lists = Lists {
            list: vec![0.1, f32::INFINITY],
            pairs: vec![(7, f32::NEG_INFINITY), (8, 1e-9)],
        };
        let json = serde_json::to_string(&lists).unwrap();
        assert_eq!(
            json,
            r#"{"list":[0.1,"Infinity"],"pairs":[[7,"-Infinity"],[8,1e-9]]}"#
        );
        assert_eq!(serde_json::from_str::<Lists>(&json).unwrap(), lists);
    }

    #[test]
    fn integers_are_numbers_and_words_are_not() {
        assert_eq!(serde_json::from_str::<Wrapped>("3").unwrap().0, 3.0);
        assert!(serde_json::from_str::<Wrapped>("\"lots\"").is_err());
    }
}
