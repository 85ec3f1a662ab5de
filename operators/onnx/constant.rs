//! Constants of a graph: the numbers of a TensorProto, in whichever field it keeps them, and how to write one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use half::f16;

use super::graph::{entry, map};
use super::wire::{fields, put_message, put_number};

/// A TensorProto, of the kinds that are looked at here.
#[derive(Default)]
pub(super) struct Constant<'a> {
    pub(super) name: &'a [u8],
    pub(super) dims: Vec<usize>,
    /// TensorProto.DataType.
    pub(super) kind: u64,
    values: Values<'a>,
}

enum Values<'a> {
    /// As they lie in memory, the lowest byte first: floats in 4 bytes, halves in 2, i64 in 8.
    Raw(Cow<'a, [u8]>),
    /// One number after another; a half by its 16 bits.
    Numbers(Vec<u64>),
    /// In another file, by the entries' keys.
    External(BTreeMap<String, String>),
}

impl Default for Values<'_> {
    fn default() -> Self {
        Values::Raw(Cow::Borrowed(&[]))
    }
}

pub(super) const FLOAT: u64 = 1;
pub(super) const UINT8: u64 = 2;
pub(super) const INT8: u64 = 3;
pub(super) const INT32: u64 = 6;
pub(super) const INT64: u64 = 7;
pub(super) const BOOL: u64 = 9;
const FLOAT16: u64 = 10;

/// More integers than these are no shape, no axes and no zero points.
const MOST_SMALL: usize = 4096;

impl<'a> Constant<'a> {
    /// Reads a TensorProto; its numbers are not looked at yet.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, String> {
        let mut found = Constant::default();
        let (mut floats, mut numbers, mut external) = (Vec::new(), Vec::new(), BTreeMap::new());
        fields(message, |field| {
            match field.number {
                1 => {
                    let lengths = field.numbers()?.into_iter().map(usize::try_from);
                    found.dims.extend(lengths.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?);
                }
                2 => found.kind = field.number()?,
                4 => floats.extend_from_slice(field.floats()?),
                5 | 7 => numbers.extend(field.numbers()?),
                8 => found.name = field.message()?,
                9 => found.values = Values::Raw(Cow::Borrowed(field.message()?)),
                13 => external.extend([entry(field.message()?)?]),
                _ => {}
            }
            Ok(())
        })?;
        if !external.is_empty() {
            found.values = Values::External(external);
        } else if !floats.is_empty() {
            found.values = Values::Raw(Cow::Owned(floats));
        } else if !numbers.is_empty() {
            found.values = Values::Numbers(numbers);
        }
        Ok(found)
    }

    /// The numbers of a tensor of floats, halves widened; `external` says where the files beside the graph lie.
    pub(super) fn floats(&self, external: &BTreeMap<String, PathBuf>) -> Result<Vec<f32>, String> {
        let half = |bits: u16| f16::from_bits(bits).to_f32();
        let values: Vec<f32> = match (self.kind, &self.values) {
            (FLOAT16, Values::Numbers(bits)) => bits.iter().map(|&bits| half(bits as u16)).collect(),
            (FLOAT, _) => self.raw(external)?.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            (FLOAT16, _) => {
                let raw = self.raw(external)?;
                raw.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect()
            }
            (other, _) => return Err(format!("of type {other}, and not of floats")),
        };
        self.counted(values)
    }

    /// The numbers of a tensor of i64.
    pub(super) fn integers(&self, external: &BTreeMap<String, PathBuf>) -> Result<Vec<i64>, String> {
        let values = match (self.kind, &self.values) {
            (INT64, Values::Numbers(numbers)) => numbers.iter().map(|&number| number as i64).collect(),
            (INT64, _) => self.raw(external)?.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
            (other, _) => return Err(format!("of type {other}, and not of i64")),
        };
        self.counted(values)
    }

    /// The integers of a small tensor that lies in the graph itself: shapes, axes, zero points. `None` for all others.
    pub(super) fn small_integers(&self) -> Option<Vec<i64>> {
        let count = self.dims.iter().try_fold(1usize, |product, &length| product.checked_mul(length))?;
        if count > MOST_SMALL {
            return None;
        }
        let values: Vec<i64> = match (self.kind, &self.values) {
            (UINT8 | INT8 | INT32 | INT64 | BOOL, Values::Numbers(numbers)) => {
                numbers.iter().map(|&number| number as i64).collect()
            }
            (INT64, Values::Raw(raw)) => raw.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
            (INT32, Values::Raw(raw)) => {
                raw.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()
            }
            (UINT8 | BOOL, Values::Raw(raw)) => raw.iter().map(|&byte| byte.into()).collect(),
            (INT8, Values::Raw(raw)) => raw.iter().map(|&byte| (byte as i8).into()).collect(),
            _ => return None,
        };
        (values.len() == count).then_some(values)
    }

    /// Whether integers of 64 bits in it have no place in 32; those that lie beside the graph are looked at too.
    pub(super) fn is_beyond_32_bits(&self, external: &BTreeMap<String, PathBuf>) -> Result<bool, String> {
        let wide = |value: i64| i32::try_from(value).is_err();
        match (self.kind, &self.values) {
            (INT64, Values::Numbers(numbers)) => Ok(numbers.iter().any(|&number| wide(number as i64))),
            (INT64, _) => Ok(self.raw(external)?.as_chunks().0.iter().any(|b| wide(i64::from_le_bytes(*b)))),
            _ => Ok(false),
        }
    }

    fn counted<T>(&self, values: Vec<T>) -> Result<Vec<T>, String> {
        let wanted = self.dims.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        match wanted == Some(values.len()) {
            true => Ok(values),
            false => Err(format!("of the shape {:?} with {} values", self.dims, values.len())),
        }
    }

    fn raw(&self, external: &BTreeMap<String, PathBuf>) -> Result<Cow<'_, [u8]>, String> {
        let entries = match &self.values {
            Values::Raw(bytes) => return Ok(Cow::Borrowed(bytes)),
            Values::Numbers(_) => return Err("kept as numbers of another type".to_string()),
            Values::External(entries) => entries,
        };
        let location = entries.get("location").map_or("", String::as_str);
        let path = external.get(location).ok_or_else(|| format!("in `{location}`, which nobody knows"))?;
        let bytes = map(path).map_err(|why| format!("in `{location}`: {why}"))?;
        let number = |key: &str, usual: usize| match entries.get(key) {
            Some(text) => text.parse().map_err(|_| format!("in `{location}` with {key} `{text}`")),
            None => Ok(usual),
        };
        let offset = number("offset", 0)?;
        let length = number("length", bytes.len().saturating_sub(offset))?;
        let end = offset.checked_add(length).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| format!("in `{location}`, behind its end"))?;
        Ok(Cow::Owned(bytes[offset..end].to_vec()))
    }
}

/// A TensorProto of floats.
pub(super) fn write_floats(name: &[u8], dims: &[usize], values: &[f32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 * values.len() + 64);
    dims.iter().for_each(|&length| put_number(&mut out, 1, length as u64));
    put_number(&mut out, 2, FLOAT);
    put_message(&mut out, 8, name);
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    put_message(&mut out, 9, &raw);
    out
}
