//! Pickles as torch writes them.
//!
//! A pickle is a program for a stack machine. Only the instructions that build plain data and
//! describe tensors are understood, and nothing is called. Containers live in one table and refer to
//! each other by index, so that neither deep nesting nor circles nor an object that is fetched a
//! million times costs more than the bytes that ask for it.

use std::collections::HashMap;

use super::storage::Element;

/// The published language model has a pickle of 60 kB; nine thousand saved speakers fit in this.
pub(super) const MAX_BYTES: usize = 32 << 20;
/// Objects of the largest pickle that is read.
const MAX_OBJECTS: usize = 4 << 20;

/// Something on the machine's stack. Strings are the pickle's own bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Object<'a> {
    /// `None`.
    None,
    /// `True` or `False`, which nothing that is read depends on.
    Bool,
    /// A whole number.
    Int(i64),
    /// A number with a fraction, which nothing that is read depends on.
    Float,
    /// Text.
    Text(&'a str),
    /// A Python class or function: its module and its name, with a line feed between.
    Global(&'a str),
    /// Index of its elements.
    Tuple(u32),
    /// Index of its elements.
    List(u32),
    /// Index of its keys and values, in turns.
    Dict(u32),
    /// Index of a function and its arguments: what it would return, had it been called.
    Call(u32),
    /// Index of an identifier: an object that the file keeps elsewhere.
    Persistent(u32),
}

/// What a pickle has built.
#[derive(Debug)]
pub(crate) struct Objects<'a> {
    containers: Vec<Vec<Object<'a>>>,
    root: Object<'a>,
    /// Bytes of the pickle, its last instruction included.
    pub(super) length: usize,
}

impl<'a> Objects<'a> {
    /// Runs the pickle that `bytes` begins with. The error says what is wrong and where.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            containers: Vec::new(),
            objects: 0,
        };
        loop {
            let start = machine.at;
            match machine.step() {
                Ok(Some(root)) => {
                    return Ok(Self {
                        containers: machine.containers,
                        root,
                        length: machine.at,
                    });
                }
                Ok(None) => {}
                Err(reason) => return Err(format!("byte {start} of the pickle: {reason}")),
            }
        }
    }

    /// The object that was pickled.
    pub(crate) fn root(&self) -> Object<'a> {
        self.root
    }

    /// The elements of a container; none for anything else.
    pub(super) fn elements(&self, object: Object<'a>) -> &[Object<'a>] {
        let (Object::Tuple(i)
        | Object::List(i)
        | Object::Dict(i)
        | Object::Call(i)
        | Object::Persistent(i)) = object
        else {
            return &[];
        };
        self.containers.get(i as usize).map_or(&[], Vec::as_slice)
    }

    /// The storages that its tensors are in, by name.
    pub(super) fn storages(&self) -> impl Iterator<Item = (&'a str, Element)> {
        self.containers.iter().filter_map(|container| {
            let &[
                Object::Text("storage"),
                Object::Global(class),
                Object::Text(key),
                ..,
            ] = container.as_slice()
            else {
                return None;
            };
            Some((key, Element::of_storage(class)?))
        })
    }

    /// The entries of a dictionary whose keys are text; `None` for anything else.
    pub(crate) fn dict(&self, object: Object<'a>) -> Option<Vec<(&'a str, Object<'a>)>> {
        let Object::Dict(_) = object else {
            return None;
        };
        let (pairs, _) = self.elements(object).as_chunks::<2>();
        pairs
            .iter()
            .map(|&[key, value]| match key {
                Object::Text(key) => Some((key, value)),
                _ => None,
            })
            .collect()
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Object<'a>>,
    /// Heights of the stack at which marks stand.
    marks: Vec<usize>,
    memo: HashMap<u32, Object<'a>>,
    containers: Vec<Vec<Object<'a>>>,
    objects: usize,
}

impl<'a> Machine<'a> {
    /// Runs one instruction; the object at the end of the program.
    fn step(&mut self) -> Result<Option<Object<'a>>, String> {
        match self.byte()? {
            b'.' => return Ok(Some(self.pop()?)),
            0x80 => {
                let version = self.byte()?;
                if version != 2 {
                    return Err(format!(
                        "it is of protocol {version}; torch.save writes protocol 2"
                    ));
                }
            }
            b'N' => self.push(Object::None)?,
            0x88 | 0x89 => self.push(Object::Bool)?,
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Object::Int(value.into()))?;
            }
            0x8a => {
                let length = self.byte()?;
                self.long(length)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Object::Float)?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            b'c' => self.global()?,
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b')' => self.container(Object::Tuple, vec![])?,
            b']' => self.container(Object::List, vec![])?,
            b'}' => self.container(Object::Dict, vec![])?,
            b't' => {
                let elements = self.pop_to_mark()?;
                self.container(Object::Tuple, elements)?;
            }
            code @ 0x85..=0x87 => {
                let elements = self.pop_last(usize::from(code - 0x84))?;
                self.container(Object::Tuple, elements)?;
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.container(Object::Dict, vec![])?;
                self.extend_dict(items)?;
            }
            b's' => {
                let item = self.pop_last(2)?;
                self.extend_dict(item)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(items)?;
            }
            b'a' => {
                let element = self.pop_last(1)?;
                self.extend_list(element)?;
            }
            b'e' => {
                let elements = self.pop_to_mark()?;
                self.extend_list(elements)?;
            }
            b'q' => {
                let id = self.byte()?;
                self.put(id.into())?;
            }
            b'r' => {
                let id = u32::from_le_bytes(self.array()?);
                self.put(id)?;
            }
            b'h' => {
                let id = self.byte()?;
                self.get(id.into())?;
            }
            b'j' => {
                let id = u32::from_le_bytes(self.array()?);
                self.get(id)?;
            }
            b'Q' => {
                let id = self.pop_last(1)?;
                self.container(Object::Persistent, id)?;
            }
            b'R' | 0x81 => self.call()?,
            // A state dict is an OrderedDict with attributes: its entries are not among them.
            b'b' => {
                self.pop()?;
                let &object = self.stack.last().ok_or(EMPTY)?;
                if !matches!(object, Object::Dict(_)) {
                    return Err("it changes an object that is no dictionary".to_owned());
                }
            }
            code => {
                return Err(format!(
                    "instruction {code:#04x}, which a file of tensors does not need"
                ));
            }
        }
        Ok(None)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or("it is cut short")?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| "it is cut short".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.array().map(|[byte]| byte)
    }

    /// An unsigned number of `width` bytes.
    fn integer(&mut self, width: usize) -> Result<(), String> {
        let bytes = self.take(width)?.iter().rev();
        let value = bytes.fold(0, |value, &byte| value << 8 | i64::from(byte));
        self.push(Object::Int(value))
    }

    /// A signed number of `width` bytes.
    fn long(&mut self, width: u8) -> Result<(), String> {
        let bytes = self.take(width.into())?;
        if bytes.len() > 8 {
            return Err(format!("a number of {width} bytes"));
        }
        let sign = if bytes.last().is_some_and(|&b| b >= 0x80) {
            -1
        } else {
            0
        };
        let value = bytes
            .iter()
            .rev()
            .fold(sign, |value, &byte| value << 8 | i64::from(byte));
        self.push(Object::Int(value))
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
        self.push(Object::Text(text))
    }

    fn global(&mut self) -> Result<(), String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut feeds = rest.iter().enumerate().filter(|(_, b)| **b == b'\n');
        let end = feeds.nth(1).ok_or("it is cut short")?.0;
        let name = rest.get(..end).unwrap_or_default();
        self.at += end + 1;
        let name = std::str::from_utf8(name).map_err(|_| "a name that is not UTF-8")?;
        let known = matches!(
            name,
            "collections\nOrderedDict" | "collections\ndefaultdict"
        ) || name.starts_with("torch\n")
            || name.starts_with("torch.");
        if !known {
            return Err(format!(
                "it asks for `{}`, which a file of tensors does not need; do not load it with \
                 Python either, which would run it",
                dotted(name)
            ));
        }
        self.push(Object::Global(name))
    }

    /// Counts an object against the limit.
    fn count(&mut self) -> Result<(), String> {
        self.objects += 1;
        if self.objects > MAX_OBJECTS {
            return Err(format!("more than {MAX_OBJECTS} objects"));
        }
        Ok(())
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), String> {
        self.count()?;
        self.stack.push(object);
        Ok(())
    }

    /// The height of the stack below which the last mark does not let anything be taken.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Object<'a>, String> {
        if self.stack.len() <= self.floor() {
            return Err(EMPTY.to_owned());
        }
        self.stack.pop().ok_or_else(|| EMPTY.to_owned())
    }

    fn pop_last(&mut self, count: usize) -> Result<Vec<Object<'a>>, String> {
        let from = self.stack.len().checked_sub(count);
        match from.filter(|&from| from >= self.floor()) {
            Some(from) => Ok(self.stack.split_off(from)),
            None => Err(EMPTY.to_owned()),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Object<'a>>, String> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    fn container(
        &mut self,
        kind: fn(u32) -> Object<'a>,
        elements: Vec<Object<'a>>,
    ) -> Result<(), String> {
        let index = u32::try_from(self.containers.len()).map_err(|e| e.to_string())?;
        self.containers.push(elements);
        self.push(kind(index))
    }

    fn extend_dict(&mut self, items: Vec<Object<'a>>) -> Result<(), String> {
        if !items.len().is_multiple_of(2) {
            return Err("a key without a value".to_owned());
        }
        match self.stack.last() {
            Some(Object::Dict(index)) => self.extend(*index, items),
            _ => Err("it adds entries to what is no dictionary".to_owned()),
        }
    }

    fn extend_list(&mut self, elements: Vec<Object<'a>>) -> Result<(), String> {
        match self.stack.last() {
            Some(Object::List(index)) => self.extend(*index, elements),
            _ => Err("it adds elements to what is no list".to_owned()),
        }
    }

    fn extend(&mut self, container: u32, elements: Vec<Object<'a>>) -> Result<(), String> {
        let container = self.containers.get_mut(container as usize);
        container.ok_or(EMPTY)?.extend(elements);
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let call = self.pop_last(2)?;
        match call.first() {
            Some(Object::Global(name)) if name.starts_with("collections\n") => {
                self.container(Object::Dict, vec![])
            }
            Some(Object::Global(_)) => self.container(Object::Call, call),
            _ => Err("it calls what is no function".to_owned()),
        }
    }

    fn put(&mut self, id: u32) -> Result<(), String> {
        let &object = self.stack.last().ok_or(EMPTY)?;
        self.count()?;
        self.memo.insert(id, object);
        Ok(())
    }

    fn get(&mut self, id: u32) -> Result<(), String> {
        let object = self.memo.get(&id).copied();
        self.push(object.ok_or_else(|| format!("object {id} was never stored"))?)
    }
}

const EMPTY: &str = "it takes from an empty stack";

/// A class or function as Python writes it.
pub(super) fn dotted(global: &str) -> String {
    crate::file::shown(&global.replace('\n', "."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nested_and_shared_objects_cost_no_more_than_their_bytes() {
        let deep = [&b"\x80\x02}"[..], &[0x85; 300_000], b"."].concat();
        assert!(matches!(
            Objects::parse(&deep).unwrap().root(),
            Object::Tuple(_)
        ));
        // Each pair holds the one before it twice: 2^60 objects, were they copied.
        let mut doubled = b"\x80\x02)".to_vec();
        for id in 0..60 {
            doubled.extend([b'q', id, b'h', id, 0x86]);
        }
        doubled.push(b'.');
        assert_eq!(Objects::parse(&doubled).unwrap().containers.len(), 61);
    }

    #[test]
    fn integers_are_read_with_their_signs() {
        for (bytes, value) in [
            (&b"K\xff."[..], 255),
            (b"M\x01\x02.", 513),
            (b"J\xfe\xff\xff\xff.", -2),
            (b"\x8a\x00.", 0),
            (b"\x8a\x01\xfe.", -2),
            (b"\x8a\x05\x00\x00\x00\x00\x01.", 1 << 32),
        ] {
            assert_eq!(Objects::parse(bytes).unwrap().root(), Object::Int(value));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Objects::parse(&bytes);
        }

        #[test]
        fn no_sequence_of_instructions_makes_it_panic(
            codes in proptest::collection::vec(
                proptest::sample::select(&b"N\x88)]}(tdsuaeQRb.\x81\x85\x86\x87K\x00q\x00h\x00"[..]),
                0..60,
            ),
        ) {
            if let Ok(pickle) = Objects::parse(&codes) {
                pickle.dict(pickle.root());
            }
        }
    }
}
