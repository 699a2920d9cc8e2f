use super::pickle::{Object, Objects, dotted};
use super::storage::Element;

/// Dimensions of the widest tensor that is read.
const MAX_DIMENSIONS: usize = 8;

/// What torch rebuilds a tensor from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TensorInfo {
    /// The storage's name, by which the file keeps it.
    pub(super) storage: String,
    pub(crate) element: Element,
    /// Elements of the whole storage.
    pub(super) storage_elements: usize,
    offset: usize,
    pub(crate) shape: Vec<usize>,
    strides: Vec<usize>,
}

impl TensorInfo {
    /// The tensor that `object` would be; `None` if it is none.
    pub(crate) fn of(pickle: &Objects<'_>, object: Object<'_>) -> Result<Option<Self>, String> {
        let Object::Call(_) = object else {
            return Ok(None);
        };
        let &[Object::Global(function), arguments] = pickle.elements(object) else {
            return Ok(None);
        };
        match function {
            "torch._utils\n_rebuild_tensor_v2" => {
                Self::rebuilt(pickle, pickle.elements(arguments)).map(Some)
            }
            // A parameter is a tensor that is trained; it is not one of another parameter.
            "torch._utils\n_rebuild_parameter" => {
                let data = pickle.elements(arguments).first().copied();
                match data.map(|data| (data, pickle.elements(data))) {
                    Some((
                        _,
                        &[
                            Object::Global("torch._utils\n_rebuild_tensor_v2"),
                            arguments,
                        ],
                    )) => Self::rebuilt(pickle, pickle.elements(arguments)).map(Some),
                    _ => Err("a parameter without its tensor".to_owned()),
                }
            }
            _ => Err(format!(
                "it is made by `{}`, which is not supported",
                dotted(function)
            )),
        }
    }

    fn rebuilt(pickle: &Objects<'_>, arguments: &[Object<'_>]) -> Result<Self, String> {
        let &[storage, Object::Int(offset), shape, strides, ..] = arguments else {
            return Err("the arguments of its `_rebuild_tensor_v2` are not a tensor's".to_owned());
        };
        let (Object::Persistent(_), &[identifier]) = (storage, pickle.elements(storage)) else {
            return Err("its storage is not one of the file's".to_owned());
        };
        let &[
            Object::Text("storage"),
            Object::Global(class),
            Object::Text(storage),
            _device,
            Object::Int(elements),
            ref view @ ..,
        ] = pickle.elements(identifier)
        else {
            return Err("its storage is not described as torch describes one".to_owned());
        };
        if !matches!(view, [] | [Object::None]) {
            return Err(
                "its storage is a view of another, as torch before 0.4 wrote them; save \
                        the file again with a newer one"
                    .to_owned(),
            );
        }
        let element = Element::of_storage(class)
            .ok_or_else(|| format!("a storage of `{}` is not supported", dotted(class)))?;
        let info = Self {
            storage: storage.to_owned(),
            element,
            storage_elements: whole(elements)?,
            offset: whole(offset)?,
            shape: numbers(pickle, shape)?,
            strides: numbers(pickle, strides)?,
        };
        info.check()?;
        Ok(info)
    }

    fn check(&self) -> Result<(), String> {
        if self.shape.len() > MAX_DIMENSIONS || self.shape.len() != self.strides.len() {
            return Err(format!(
                "it has {} dimensions and {} strides, which are not a tensor's",
                self.shape.len(),
                self.strides.len()
            ));
        }
        let count = self.elements().ok_or("its number of elements overflows")?;
        if count == 0 {
            return Ok(());
        }
        let span = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |last, (&dimension, &stride)| {
                last.checked_add((dimension - 1).checked_mul(stride)?)
            });
        if count > self.storage_elements || span.is_none_or(|last| last >= self.storage_elements) {
            return Err(format!(
                "shape {:?}, strides {:?} and offset {} reach beyond its storage of {} elements",
                self.shape, self.strides, self.offset, self.storage_elements
            ));
        }
        Ok(())
    }

    fn elements(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1_usize, |count, &dimension| count.checked_mul(dimension))
    }

    /// Whether its elements are those of its storage, all of them and in their order.
    pub(super) fn is_whole(&self) -> bool {
        self.elements() == Some(self.storage_elements) && self.is_contiguous()
    }

    /// Bytes of the tensor.
    pub(super) fn size(&self) -> Option<u64> {
        u64::try_from(self.elements()?.checked_mul(self.element.size())?).ok()
    }

    /// Bytes of the storage.
    pub(super) fn storage_size(&self) -> Option<u64> {
        let bytes = self.storage_elements.checked_mul(self.element.size())?;
        u64::try_from(bytes).ok()
    }

    /// The elements in row-major order: what is saved may be a slice or a transpose.
    pub(super) fn gather(&self, storage: &[u8]) -> Result<Vec<u8>, String> {
        const BEYOND: &str = "it reaches beyond its data";
        let size = self.element.size();
        let count = self.elements().ok_or(BEYOND)?;
        if count == 0 {
            return Ok(vec![]);
        }
        if self.is_contiguous() {
            let (from, bytes) = (self.offset * size, count * size);
            let slice = storage.get(from..).and_then(|rest| rest.get(..bytes));
            return Ok(slice.ok_or(BEYOND)?.to_vec());
        }
        let mut gathered = Vec::with_capacity(count * size);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..count {
            let element = storage.get(at * size..).and_then(|rest| rest.get(..size));
            gathered.extend_from_slice(element.ok_or(BEYOND)?);
            // The last dimension runs fastest.
            for ((i, &dimension), &stride) in
                index.iter_mut().zip(&self.shape).zip(&self.strides).rev()
            {
                *i += 1;
                at += stride;
                if *i < dimension {
                    break;
                }
                at -= dimension * stride;
                *i = 0;
            }
        }
        Ok(gathered)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&dimension, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if dimension != 1 && stride != expected {
                return false;
            }
            expected *= dimension;
        }
        true
    }
}

fn whole(number: i64) -> Result<usize, String> {
    usize::try_from(number).map_err(|_| format!("a size or stride of {number}"))
}

fn numbers<'a>(pickle: &Objects<'a>, tuple: Object<'a>) -> Result<Vec<usize>, String> {
    let elements = pickle.elements(tuple).iter();
    elements
        .map(|&element| match element {
            Object::Int(number) => whole(number),
            _ => Err("a shape or stride that is no number".to_owned()),
        })
        .collect()
}
