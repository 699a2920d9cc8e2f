//! The arrays that a recording keeps: a shape and its values, row-major.

/// A tensor of a recording, independent of device and framework.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Data,
}

/// The values of an [`Array`].
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Mels, logits, waveforms and everything else that is measured.
    F32(Vec<f32>),
    /// Token ids and positions.
    I64(Vec<i64>),
}

/// The number of values does not fit the shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shape {shape:?} holds {wanted} values, but {found} were given")]
pub struct ShapeError {
    /// The shape.
    pub shape: Vec<usize>,
    /// The number of values that it holds.
    pub wanted: usize,
    /// The number of values given.
    pub found: usize,
}

impl Array {
    /// An array of floats; `data` is row-major.
    ///
    /// # Errors
    /// If the number of values does not fit the shape.
    pub fn f32(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self, ShapeError> {
        Self::new(shape.into(), Data::F32(data))
    }

    /// An array of integers; `data` is row-major.
    ///
    /// # Errors
    /// If the number of values does not fit the shape.
    pub fn i64(shape: impl Into<Vec<usize>>, data: Vec<i64>) -> Result<Self, ShapeError> {
        Self::new(shape.into(), Data::I64(data))
    }

    /// A list of token ids or positions, `[n]`.
    pub fn ids(ids: Vec<i64>) -> Self {
        Self {
            shape: vec![ids.len()],
            data: Data::I64(ids),
        }
    }

    /// A list of floats, `[n]`.
    pub fn vector(values: Vec<f32>) -> Self {
        Self {
            shape: vec![values.len()],
            data: Data::F32(values),
        }
    }

    fn new(shape: Vec<usize>, data: Data) -> Result<Self, ShapeError> {
        // A shape may come from a damaged file, where its product may overflow.
        let wanted = shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .unwrap_or(usize::MAX);
        let found = data.len();
        if wanted == found {
            Ok(Self { shape, data })
        } else {
            Err(ShapeError {
                shape,
                wanted,
                found,
            })
        }
    }

    /// The size along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, if they are floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            Data::I64(_) => None,
        }
    }

    /// The values, if they are integers.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(v) => Some(v),
            Data::F32(_) => None,
        }
    }

    /// `f32` or `i64`.
    pub fn dtype(&self) -> &'static str {
        match self.data {
            Data::F32(_) => "f32",
            Data::I64(_) => "i64",
        }
    }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::I64(v) => v.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_must_fill_the_shape() {
        assert!(Array::f32([2, 3], vec![0.0; 6]).is_ok());
        let error = Array::f32([2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!((error.wanted, error.found), (6, 5));
    }

    #[test]
    fn a_shape_beyond_the_machine_word_is_an_error() {
        assert!(Array::i64([usize::MAX, 2], vec![]).is_err());
    }
}
