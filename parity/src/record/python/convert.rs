use std::collections::BTreeMap;

use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Error;
use crate::array::Array;
use crate::metric::Noise;
use crate::recording::{SegmentText, TextRecord};
use crate::stage::{Key, Stage};

/// Which rows of the logits a recording keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogitRows {
    /// The first eight, then every sixteenth, and the last: a row has 6,761 numbers.
    #[default]
    Some,
    /// All of them.
    All,
}

/// The rows to keep of `steps`.
pub fn logit_rows(steps: usize, which: LogitRows) -> Vec<usize> {
    let kept = |&row: &usize| row < 8 || row.is_multiple_of(16) || row + 1 == steps;
    (0..steps)
        .filter(|row| which == LogitRows::All || kept(row))
        .collect()
}

/// The stages of one case, out of a dictionary of NumPy arrays, and the whole sound.
pub(super) fn arrays(
    dict: &Bound<'_, PyDict>,
    which: LogitRows,
) -> Result<(BTreeMap<Key, Array>, Vec<f32>), Error> {
    let mut tensors = BTreeMap::new();
    let mut speech = Vec::new();
    for (name, value) in dict {
        let name = name.to_string();
        let key: Key = name.parse().map_err(|e| Error::unexpected(&name, e))?;
        let array = array(&name, &value)?;
        match key.stage {
            Stage::Speech => speech = floats(&name, &array)?.to_vec(),
            Stage::LlmLogits if key.tap.is_none() => {
                let (rows, logits) = choose_rows(&name, &array, which)?;
                let positions = Key {
                    stage: Stage::LlmLogitRows,
                    ..key.clone()
                };
                tensors.insert(positions, rows);
                tensors.insert(key, logits);
            }
            _ => {
                tensors.insert(key, array);
            }
        }
    }
    Ok((tensors, speech))
}

fn choose_rows(name: &str, logits: &Array, which: LogitRows) -> Result<(Array, Array), Error> {
    let &[steps, vocabulary] = logits.shape() else {
        let reason = format!("shape {:?} is not [steps, vocabulary]", logits.shape());
        return Err(Error::unexpected(name, reason));
    };
    let values = floats(name, logits)?;
    let rows = logit_rows(steps, which);
    let kept = rows
        .iter()
        .flat_map(|row| &values[row * vocabulary..(row + 1) * vocabulary]);
    let kept = Array::f32([rows.len(), vocabulary], kept.copied().collect());
    let rows = Array::ids(rows.into_iter().map(|row| row as i64).collect());
    Ok((rows, kept.map_err(|e| Error::unexpected(name, e))?))
}

fn floats<'a>(name: &str, array: &'a Array) -> Result<&'a [f32], Error> {
    array
        .as_f32()
        .ok_or_else(|| Error::unexpected(name, "is not of float32"))
}

fn array(name: &str, value: &Bound<'_, PyAny>) -> Result<Array, Error> {
    let contiguous = |e| Error::unexpected(name, e);
    let made = if let Ok(array) = value.cast::<PyArrayDyn<f32>>() {
        let array: PyReadonlyArrayDyn<'_, f32> = array.readonly();
        Array::f32(
            array.shape(),
            array.as_slice().map_err(contiguous)?.to_vec(),
        )
    } else if let Ok(array) = value.cast::<PyArrayDyn<i64>>() {
        let array: PyReadonlyArrayDyn<'_, i64> = array.readonly();
        Array::i64(
            array.shape(),
            array.as_slice().map_err(contiguous)?.to_vec(),
        )
    } else {
        let kind = value.get_type().to_string();
        return Err(Error::unexpected(
            name,
            format!("is {kind}, not of float32 or int64"),
        ));
    };
    made.map_err(|e| Error::unexpected(name, e))
}

/// What the text frontend made of the case.
pub(super) fn text(dict: &Bound<'_, PyDict>) -> PyResult<TextRecord> {
    fn field<'py>(dict: &Bound<'py, PyDict>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        dict.as_any().get_item(name)
    }
    let mut segments = Vec::new();
    for segment in field(dict, "segments")?.try_iter()? {
        let segment = segment?.cast_into::<PyDict>()?;
        let text = field(&segment, "text")?.extract()?;
        segments.push(SegmentText {
            text,
            ids: field(&segment, "ids")?.extract()?,
        });
    }
    Ok(TextRecord {
        prompt_text: field(dict, "prompt_text")?.extract()?,
        prompt_ids: field(dict, "prompt_ids")?.extract()?,
        segments,
        warnings: Vec::new(),
    })
}

/// The reference's own float32 error by stage.
pub(super) fn noise(dict: &Bound<'_, PyDict>) -> Result<BTreeMap<Key, Noise>, Error> {
    let mut noise = BTreeMap::new();
    for (name, value) in dict {
        let name = name.to_string();
        let key = name.parse().map_err(|e| Error::unexpected(&name, e))?;
        let field = |field: &str| -> Result<f64, Error> {
            let found = value.get_item(field).and_then(|v| v.extract());
            found.map_err(|e| Error::unexpected(&name, e))
        };
        let measured = Noise {
            max_abs: field("max_abs")?,
            p999: field("p999")?,
            rms: field("rms")?,
            nmse_db: field("nmse_db")?,
        };
        noise.insert(key, measured);
    }
    Ok(noise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_every_sixteenth_and_the_last_are_kept() {
        let rows = |steps| logit_rows(steps, LogitRows::Some);
        assert_eq!(rows(0), [0; 0]);
        assert_eq!(rows(3), [0, 1, 2]);
        assert_eq!(rows(40), [0, 1, 2, 3, 4, 5, 6, 7, 16, 32, 39]);
        assert_eq!(rows(33), [0, 1, 2, 3, 4, 5, 6, 7, 16, 32]);
        assert_eq!(logit_rows(9, LogitRows::All).len(), 9);
    }

    #[test]
    fn rows_of_logits_are_taken_whole() {
        let logits = Array::f32([10, 2], (0..20).map(|v| v as f32).collect()).unwrap();
        let (rows, kept) = choose_rows("llm.logits[0]", &logits, LogitRows::Some).unwrap();
        assert_eq!(rows.as_i64().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 9]);
        assert_eq!(kept.shape(), [9, 2]);
        assert_eq!(kept.as_f32().unwrap()[16..], [18.0, 19.0]);
    }
}
