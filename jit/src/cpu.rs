//! What the compiler may expect of the machine that runs the code.

/// Features beyond x86-64 with SSE4.1 and popcnt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CpuFeatures {
    /// VEX encodings of 128 bits: all that vector instructions need.
    pub avx: bool,
    /// Shorter sequences for broadcasts of bytes and words.
    pub avx2: bool,
}

impl CpuFeatures {
    /// The features of this machine that its operating system supports, which must save the registers.
    pub fn detect() -> CpuFeatures {
        CpuFeatures { avx: std::is_x86_feature_detected!("avx"), avx2: std::is_x86_feature_detected!("avx2") }
    }
}

impl Default for CpuFeatures {
    fn default() -> CpuFeatures {
        CpuFeatures::detect()
    }
}
