//! Protocol Buffers on the wire, as far as reading a model needs them: the fields of a message in memory, and how to write one.
//!
//! It is written for files that nobody vouches for: a length is believed only if its bytes are there. Nothing is copied except short texts.
//! (rten-onnx has a reader of its own; it seeks backwards on a hostile length and never ends.) Format:
//! protobuf.dev/programming-guides/encoding.

/// One field of a message.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    /// The field as it stands in its message, tag and length included.
    pub(super) raw: &'a [u8],
    value: Value<'a>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes.
    Fixed(&'a [u8]),
}

impl<'a> Field<'a> {
    /// The message, or the bytes, that the field holds.
    pub(super) fn message(self) -> Result<&'a [u8], String> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(format!("field {} is no message", self.number)),
        }
    }

    pub(super) fn text(self) -> Result<String, String> {
        let bytes = self.message()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("field {} is no UTF-8", self.number))
    }

    pub(super) fn number(self) -> Result<u64, String> {
        match self.value {
            Value::Number(number) => Ok(number),
            _ => Err(format!("field {} is no number", self.number)),
        }
    }

    /// The number, or all the numbers where they are packed.
    pub(super) fn numbers(self) -> Result<Vec<u64>, String> {
        let Value::Bytes(mut packed) = self.value else { return self.number().map(|number| vec![number]) };
        let mut numbers = Vec::new();
        while !packed.is_empty() {
            numbers.push(varint(&mut packed)?);
        }
        Ok(numbers)
    }

    /// The bytes of a float, or of all the floats where they are packed: four each, the lowest first.
    pub(super) fn floats(self) -> Result<&'a [u8], String> {
        match self.value {
            Value::Fixed(bytes) | Value::Bytes(bytes) if bytes.len() % 4 == 0 => Ok(bytes),
            _ => Err(format!("field {} is no float", self.number)),
        }
    }
}

/// Writes a field that holds a message, or bytes.
pub(super) fn put_message(out: &mut Vec<u8>, number: u64, message: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, message.len() as u64);
    out.extend_from_slice(message);
}

/// Writes a field that holds a number.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Shows `each` every field of a message, in order.
pub(super) fn fields<'a>(
    mut message: &'a [u8],
    mut each: impl FnMut(Field<'a>) -> Result<(), String>,
) -> Result<(), String> {
    while !message.is_empty() {
        let whole = message;
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Fixed(take(&mut message, 8)?),
            2 => {
                let length = varint(&mut message)?;
                Value::Bytes(take(&mut message, length)?)
            }
            5 => Value::Fixed(take(&mut message, 4)?),
            other => return Err(format!("wire type {other}")),
        };
        let raw = &whole[..whole.len() - message.len()];
        each(Field { number: tag >> 3, raw, value })?;
    }
    Ok(())
}

fn take<'a>(message: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let taken = usize::try_from(length).ok().and_then(|length| message.split_at_checked(length));
    let (taken, rest) =
        taken.ok_or_else(|| format!("{length} bytes are announced, and {} are left", message.len()))?;
    *message = rest;
    Ok(taken)
}

/// Seven bits a byte, the lowest first.
fn varint(message: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first().ok_or("it ends in the middle of a number")?;
        *message = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number of more than 64 bits".to_string())
}
