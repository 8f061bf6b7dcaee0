//! The types of values in data files, and how they become `f32`.

use std::fmt;

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F64,
    F32,
    F16,
    Bf16,
    I8,
    U8,
}

impl Kind {
    /// The name of the type in messages and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I8 => "i8",
            Self::U8 => "u8",
        }
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// The type and the byte order of the values of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    pub kind: Kind,
    pub big_endian: bool,
}

impl Cells {
    pub const F32: Self = Self::little(Kind::F32);

    pub const fn little(kind: Kind) -> Self {
        Self { kind, big_endian: false }
    }

    /// Whether the values are no plain values of a kind that a codec takes exactly, so that a user
    /// should know that they are converted.
    pub fn are_converted(self) -> bool {
        self.big_endian || self.kind == Kind::F64
    }

    /// Converts values to `f32`. `bytes` hold as many values as `out`, begin at a multiple of 8 in
    /// memory, and are overwritten.
    ///
    /// Fails with the position and the value of a finite f64 that f32 cannot hold.
    pub(super) fn convert(self, bytes: &mut [u8], out: &mut [f32]) -> Result<(), (usize, f64)> {
        if self.big_endian {
            bytes.chunks_exact_mut(self.kind.bytes()).for_each(<[u8]>::reverse);
        }
        match self.kind {
            Kind::F64 => {
                for (at, (value, out)) in bytes.as_chunks().0.iter().zip(out).enumerate() {
                    let value = f64::from_le_bytes(*value);
                    *out = value as f32;
                    if value.is_finite() && !out.is_finite() {
                        return Err((at, value));
                    }
                }
            }
            Kind::F32 => {
                let values = bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value));
                out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
            }
            Kind::F16 => bytemuck::cast_slice::<u8, f16>(bytes).convert_to_f32_slice(out),
            Kind::Bf16 => bytemuck::cast_slice::<u8, bf16>(bytes).convert_to_f32_slice(out),
            Kind::I8 => out.iter_mut().zip(bytes).for_each(|(out, v)| *out = f32::from(*v as i8)),
            Kind::U8 => out.iter_mut().zip(bytes).for_each(|(out, v)| *out = f32::from(*v)),
        }
        Ok(())
    }
}

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.big_endian { "big-endian " } else { "" };
        write!(f, "{order}{}", self.kind.name())
    }
}
