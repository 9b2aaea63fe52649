//! A memory's type: what it may say, and a builder for hosts.

/// A memory's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryType {
    /// Least size in pages.
    pub min: u64,
    /// Largest size in pages.
    pub max: Option<u64>,
    /// 64-bit addresses.
    pub memory64: bool,
    /// Shared between threads.
    pub shared: bool,
    /// log2 of the page size in bytes: 16, or 0 (custom page sizes).
    pub page_size_log2: u32,
}

/// A type that no memory has. Sizes are in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MemoryTypeError {
    /// Pages have one byte or 64 KiB.
    #[error("page_size_log2 is {0}, but a page has 1 byte (0) or 64 KiB (16)")]
    PageSize(u32),
    /// The least size is above the largest.
    #[error("min is {min} pages, above max, which is {max}")]
    MinAboveMax {
        /// The least size.
        min: u64,
        /// The largest size.
        max: u64,
    },
    /// A size that addresses of this width cannot reach.
    #[error("{what} is {pages} pages, but a memory with {bits}-bit addresses has at most {most}")]
    BeyondAddresses {
        /// `min` or `max`.
        what: &'static str,
        /// The value in pages.
        pages: u64,
        /// Bits of an address.
        bits: u32,
        /// The largest value.
        most: u64,
    },
    /// A shared memory never moves, so it has to say how large it may become.
    #[error("shared is set, but max is not: a shared memory needs one")]
    SharedWithoutMax,
}

impl MemoryType {
    /// A memory with 32-bit addresses; sizes are in pages of 64 KiB, no largest one means 65,536.
    ///
    /// # Panics
    /// If no memory has the type ([`MemoryType::builder`] says so in an error).
    pub fn new(minimum: u32, maximum: Option<u32>) -> MemoryType {
        MemoryType::builder().min(minimum.into()).max(maximum.map(u64::from)).build_or_panic()
    }

    /// A memory with 64-bit addresses; sizes are in pages of 64 KiB, no largest one means 2^48.
    ///
    /// # Panics
    /// As for [`MemoryType::new`].
    pub fn new64(minimum: u64, maximum: Option<u64>) -> MemoryType {
        MemoryType::builder().memory64(true).min(minimum).max(maximum).build_or_panic()
    }

    /// A memory with 32-bit addresses that threads share; sizes are in pages of 64 KiB.
    ///
    /// # Panics
    /// As for [`MemoryType::new`].
    pub fn shared(minimum: u32, maximum: u32) -> MemoryType {
        MemoryType::builder().shared(true).min(minimum.into()).max(u64::from(maximum)).build_or_panic()
    }

    /// A builder: 32-bit addresses, pages of 64 KiB, not shared, from 0 pages on without a largest size.
    pub const fn builder() -> MemoryTypeBuilder {
        MemoryTypeBuilder(MemoryType { min: 0, max: None, memory64: false, shared: false, page_size_log2: 16 })
    }

    /// Bytes of a page.
    pub const fn page_size(&self) -> u64 {
        1 << self.page_size_log2
    }

    /// The largest size in pages that a memory with these addresses can have: a 32-bit memory with pages of one byte
    /// ends at 2^32 - 1, since its size is a 32-bit number as well.
    pub const fn pages_max(&self) -> u64 {
        let sizes = if self.memory64 { u64::MAX } else { u32::MAX as u64 };
        match self.page_size_log2 {
            0 => sizes,
            // As many as there are addresses, divided by the page size.
            log2 => (sizes >> (log2 % 64)) + 1,
        }
    }

    /// Whether a memory can have this type.
    ///
    /// # Errors
    /// It cannot; the value that is wrong.
    pub fn check(&self) -> Result<(), MemoryTypeError> {
        if !matches!(self.page_size_log2, 0 | 16) {
            return Err(MemoryTypeError::PageSize(self.page_size_log2));
        }
        let (bits, most) = (if self.memory64 { 64 } else { 32 }, self.pages_max());
        for (what, pages) in [("min", Some(self.min)), ("max", self.max)] {
            if let Some(pages) = pages.filter(|pages| *pages > most) {
                return Err(MemoryTypeError::BeyondAddresses { what, pages, bits, most });
            }
        }
        match self.max {
            Some(max) if max < self.min => Err(MemoryTypeError::MinAboveMax { min: self.min, max }),
            None if self.shared => Err(MemoryTypeError::SharedWithoutMax),
            _ => Ok(()),
        }
    }
}

/// A memory's type in the making; see [`MemoryType::builder`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct MemoryTypeBuilder(MemoryType);

impl MemoryTypeBuilder {
    /// Least size in pages.
    pub const fn min(mut self, pages: u64) -> MemoryTypeBuilder {
        self.0.min = pages;
        self
    }

    /// Largest size in pages; `None` for as much as addresses reach.
    pub fn max(mut self, pages: impl Into<Option<u64>>) -> MemoryTypeBuilder {
        self.0.max = pages.into();
        self
    }

    /// log2 of the page size in bytes: 16 or 0.
    pub const fn page_size_log2(mut self, log2: u32) -> MemoryTypeBuilder {
        self.0.page_size_log2 = log2;
        self
    }

    /// 64-bit addresses.
    pub const fn memory64(mut self, memory64: bool) -> MemoryTypeBuilder {
        self.0.memory64 = memory64;
        self
    }

    /// Shared between threads.
    pub const fn shared(mut self, shared: bool) -> MemoryTypeBuilder {
        self.0.shared = shared;
        self
    }

    /// The type.
    ///
    /// # Errors
    /// No memory has it; the value that is wrong.
    pub fn build(self) -> Result<MemoryType, MemoryTypeError> {
        self.0.check().map(|()| self.0)
    }

    fn build_or_panic(self) -> MemoryType {
        self.build().unwrap_or_else(|error| panic!("a memory type: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(builder: MemoryTypeBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn what_is_possible_is_built() {
        let ty = MemoryType::builder().min(2).max(3).page_size_log2(0).memory64(true).shared(true).build().unwrap();
        let expected = MemoryType { min: 2, max: Some(3), memory64: true, shared: true, page_size_log2: 0 };
        assert_eq!((ty, ty.page_size()), (expected, 1));
        let plain = MemoryType::builder().build().unwrap();
        assert_eq!((plain.min, plain.max, plain.page_size()), (0, None, 65536));
        for (bits, log2, most) in [(32, 16, 1 << 16), (32, 0, (1 << 32) - 1), (64, 16, 1 << 48), (64, 0, u64::MAX)] {
            let all = MemoryType::builder().memory64(bits == 64).page_size_log2(log2).min(most).max(most);
            assert_eq!(all.build().unwrap().min, most);
        }
    }

    #[test]
    fn the_usual_types_have_functions_of_their_own() {
        let expected = MemoryType { min: 2, max: Some(3), memory64: false, shared: false, page_size_log2: 16 };
        assert_eq!(MemoryType::new(2, Some(3)), expected);
        assert_eq!(MemoryType::shared(2, 3), MemoryType { shared: true, ..expected });
        assert_eq!(MemoryType::new64(2, Some(3)), MemoryType { memory64: true, ..expected });
        assert_eq!(MemoryType::new64(1 << 48, None).min, MemoryType::new64(0, None).pages_max());
        let error = std::panic::catch_unwind(|| MemoryType::new(3, Some(2))).unwrap_err();
        let message = error.downcast_ref::<String>().unwrap();
        assert_eq!(message, "a memory type: min is 3 pages, above max, which is 2");
    }

    #[test]
    fn errors_name_the_wrong_value() {
        let builder = MemoryType::builder;
        for log2 in [1, 12, 15, 17, 64, u32::MAX] {
            assert!(message(builder().page_size_log2(log2)).contains(&format!("page_size_log2 is {log2},")));
        }
        assert_eq!(message(builder().min(3).max(2)), "min is 3 pages, above max, which is 2");
        assert!(message(builder().shared(true).min(1)).contains("max is not"));
        let beyond = message(builder().min(65537));
        assert_eq!(beyond, "min is 65537 pages, but a memory with 32-bit addresses has at most 65536");
        assert!(message(builder().max(65537)).starts_with("max is 65537 pages"));
        assert!(message(builder().page_size_log2(0).max(1 << 32)).contains("32-bit addresses"));
        assert!(message(builder().memory64(true).max((1 << 48) + 1)).contains("64-bit addresses"));
    }
}
