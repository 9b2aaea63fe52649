//! From a seed to a module, and to the values that its functions are called with.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// Loops and calls of a module until it traps.
const FUEL: u32 = 1000;

/// A sequence of numbers (xorshift64*).
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One of a list.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[(self.next() >> 16) as usize % list.len()]
    }
}

/// The module of a seed; none where the generator made nothing of its bytes.
pub fn module(seed: u64) -> Option<Vec<u8>> {
    let mut numbers = Numbers::new(seed);
    let words = 1000 + numbers.next() % 6000;
    let data: Vec<u8> = (0..words).flat_map(|_| numbers.next().to_le_bytes()).collect();
    let mut module = Module::new(config(&mut numbers), &mut Unstructured::new(&data)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

/// All that we have, small; vectors, canonical NaNs and traps in half of the modules, arrays of absurd lengths in few.
fn config(numbers: &mut Numbers) -> Config {
    let vectors = numbers.pick(&[true, false]);
    Config {
        gc_enabled: true,
        reference_types_enabled: true,
        exceptions_enabled: true,
        tail_call_enabled: true,
        memory64_enabled: true,
        custom_page_sizes_enabled: numbers.pick(&[true, false]),
        simd_enabled: vectors,
        relaxed_simd_enabled: vectors,
        threads_enabled: false,
        canonicalize_nans: numbers.pick(&[true, false]),
        disallow_traps: numbers.pick(&[true, false]),
        limit_arrays_in_const_exprs: numbers.pick(&[true, true, true, false]),
        allow_start_export: numbers.pick(&[true, false, false, false]),
        export_everything: true,
        max_imports: numbers.pick(&[0, 6]),
        min_funcs: 5,
        max_funcs: 15,
        min_types: 8,
        max_types: 25,
        max_tags: 5,
        max_globals: 15,
        min_globals: 3,
        max_elements: 10,
        max_element_segments: 5,
        max_data_segments: 5,
        min_memories: 1,
        min_tables: 1,
        max_memories: 3,
        max_tables: 3,
        max_memory32_bytes: 1 << 22,
        max_memory64_bytes: 1 << 22,
        memory_max_size_required: true,
        max_table_elements: 1000,
        table_max_size_required: true,
        max_instructions: 300,
        ..Config::default()
    }
}
