//! Storage types, and values of them at which widths and signs show.

/// A storage type.
pub struct Storage {
    pub name: &'static str,
    /// The type of its values.
    pub ty: &'static str,
    /// Bytes in an object.
    pub bytes: u32,
    /// How a field is read.
    pub get: &'static str,
}

pub const STORAGES: [Storage; 8] = [
    Storage { name: "i8", ty: "i32", bytes: 1, get: "get_u" },
    Storage { name: "i16", ty: "i32", bytes: 2, get: "get_u" },
    Storage { name: "i32", ty: "i32", bytes: 4, get: "get" },
    Storage { name: "i64", ty: "i64", bytes: 8, get: "get" },
    Storage { name: "f32", ty: "f32", bytes: 4, get: "get" },
    Storage { name: "f64", ty: "f64", bytes: 8, get: "get" },
    Storage { name: "v128", ty: "v128", bytes: 16, get: "get" },
    Storage { name: "i31ref", ty: "i31ref", bytes: 4, get: "get" },
];

/// What lies around a place, and in it before.
pub const PATTERN: u128 = 0xa5a5_a5a5_a5a5_a5a5_a5a5_a5a5_a5a5_a5a5;

/// The reference that is null.
pub const NULL: u128 = u64::MAX as u128;

/// Bits of integers of 32 bits, and of floats.
pub const BITS32: [u32; 24] = [
    0,
    1,
    u32::MAX,
    0x8000_0000,
    0x8000_0001,
    0x7fff_ffff,
    0x3f80_0000,
    0xbf80_0000,
    10,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0xffff_ff80,
    0x007f_ffff,
    0x7f7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffa0_0001,
];

/// Values of 64 bits: constants that fit a sign-extended 32-bit immediate, NaNs among them, and such that just do not.
pub const BITS64: [u64; 26] = [
    0,
    1,
    u64::MAX,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    10,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_ffff_ff7f,
    0xffff_ffff_ffff_0000,
    0x0000_0000_ffff_ff80,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff4_0000_0000_0001,
    0x7ff0_0000_ffff_ffff,
];

impl Storage {
    /// Bits of the values that are stored.
    pub fn values(&self) -> Vec<u128> {
        match self.ty {
            "i32" | "f32" => BITS32.iter().map(|bits| *bits as u128).collect(),
            "i64" | "f64" => BITS64.iter().map(|bits| *bits as u128).collect(),
            // What an i31 holds, and null.
            "i31ref" => BITS32.iter().map(|bits| (bits & 0x7fff_ffff) as u128).chain([NULL]).collect(),
            _ => {
                let halves = [0, 1, u64::MAX, 0xffff_ffff_ffff_ff7f, 0x8000_0000, 0x7fff_ffff_8000_0001];
                halves.iter().flat_map(|high| halves.map(|low| (*high as u128) << 64 | low as u128)).collect()
            }
        }
    }

    /// Bits of a value of the type that are the lowest of `bits`.
    pub fn truncated(&self, bits: u128) -> u128 {
        match self.ty {
            "i31ref" if bits == NULL => NULL,
            "i31ref" => bits & 0x7fff_ffff,
            "i32" | "f32" => bits & u32::MAX as u128,
            "i64" | "f64" => bits & u64::MAX as u128,
            _ => bits,
        }
    }

    /// What is read where `bits` were stored.
    pub fn stored(&self, bits: u128) -> u128 {
        match self.name {
            "i8" => bits & 0xff,
            "i16" => bits & 0xffff,
            _ => bits,
        }
    }

    /// The instruction of a constant.
    pub fn constant(&self, bits: u128) -> String {
        match self.ty {
            "i32" => format!("(i32.const {})", bits as i32),
            "i64" => format!("(i64.const {})", bits as i64),
            "f32" => format!("(f32.const {})", float(bits as u64, 8, 23)),
            "f64" => format!("(f64.const {})", float(bits as u64, 11, 52)),
            "v128" => format!("(v128.const i64x2 {} {})", bits as i64, (bits >> 64) as i64),
            _ if bits == NULL => "(ref.null i31)".into(),
            _ => format!("(ref.i31 (i32.const {}))", bits as u32),
        }
    }

    /// The pattern, as a constant.
    pub fn pattern(&self) -> String {
        self.constant(self.truncated(PATTERN))
    }
}

/// A float as the text format has it, bit by bit.
pub fn float(bits: u64, exponent_bits: u32, fraction_bits: u32) -> String {
    let fraction = bits & ((1 << fraction_bits) - 1);
    let most = (1 << exponent_bits) - 1;
    let exponent = (bits >> fraction_bits) & most;
    let sign = if bits >> (exponent_bits + fraction_bits) & 1 == 1 { "-" } else { "" };
    // Whole hexadecimal digits.
    let digits = fraction_bits.div_ceil(4);
    let shown = fraction << (4 * digits - fraction_bits);
    let (bias, digits) = (most as i64 / 2, digits as usize);
    match (exponent, fraction) {
        (e, 0) if e == most => format!("{sign}inf"),
        (e, _) if e == most => format!("{sign}nan:{fraction:#x}"),
        (0, _) => format!("{sign}0x0.{shown:0digits$x}p{}", 1 - bias),
        (e, _) => format!("{sign}0x1.{shown:0digits$x}p{}", e as i64 - bias),
    }
}
