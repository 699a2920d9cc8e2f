//! Messages of protocol buffers, field by field.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

/// One field of a message.
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Wire<'a>,
    /// The field with its tag, as it stands in the message.
    pub(super) raw: &'a [u8],
}

pub(super) enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A number of 4 or 8 bytes.
    Fixed(&'a [u8]),
}

/// The fields of a message, in order.
pub(super) struct Fields<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = read_field(self.rest);
        // Nothing can be read after a damaged field.
        self.rest = field.as_ref().map_or(&[][..], |(_, rest)| *rest);
        Some(field.map(|(field, _)| field))
    }
}

fn read_field(message: &[u8]) -> Result<(Field<'_>, &[u8]), String> {
    let mut rest = message;
    let tag = varint(&mut rest)?;
    let value = match tag & 7 {
        0 => Wire::Varint(varint(&mut rest)?),
        1 => Wire::Fixed(take(&mut rest, 8)?),
        2 => {
            let length = varint(&mut rest)?;
            Wire::Bytes(take(
                &mut rest,
                usize::try_from(length).unwrap_or(usize::MAX),
            )?)
        }
        5 => Wire::Fixed(take(&mut rest, 4)?),
        _ => return Err("not an ONNX file, or a damaged one".to_owned()),
    };
    let (raw, _) = message.split_at(message.len() - rest.len());
    Ok((
        Field {
            number: tag >> 3,
            value,
            raw,
        },
        rest,
    ))
}

const CUT_SHORT: &str = "the ONNX file is cut short";

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, left) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
    *rest = left;
    Ok(taken)
}

/// A number of up to ten bytes.
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, left) = rest.split_first().ok_or(CUT_SHORT)?;
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("not an ONNX file, or a damaged one".to_owned())
}

pub(super) fn write_bytes(message: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    write_varint(message, number << 3 | 2);
    write_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

pub(super) fn write_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    message.push(low_byte(value));
}

fn low_byte(value: u64) -> u8 {
    let [byte, ..] = value.to_le_bytes();
    byte
}
