//! Prints a hash of every function of the modules named on the command line: of its code, its tables and its record, or
//! of the reason why it was not compiled. A change that should not change what is generated prints the same lines.
//!
//! Each module is compiled with several options, so that checks of the code by itself, forms for other machines, and
//! what instructions do where they find few registers are covered as well.

use heapwood_jit::{Budget, CompileEnv, CompileOptions, CpuFeatures, Scratch, compile_function};
use heapwood_module::{ContextLayout, Features, decode};
use std::hash::{DefaultHasher, Hasher};

fn main() {
    let plain = CompileOptions { cpu: CpuFeatures { avx: true, avx2: true }, ..CompileOptions::default() };
    let variants = [
        plain,
        CompileOptions { debug_checks: true, source_map: true, ..plain },
        CompileOptions { memory64_guard: true, cpu: CpuFeatures { avx: true, avx2: false }, ..plain },
        CompileOptions { few_registers: true, ..plain },
        CompileOptions { few_registers: true, debug_checks: true, ..plain },
    ];
    let mut scratch = Scratch::default();
    for path in std::env::args().skip(1) {
        for (variant, options) in variants.iter().enumerate() {
            print_module(&path, variant, *options, &mut scratch);
        }
    }
}

fn print_module(path: &str, variant: usize, options: CompileOptions, scratch: &mut Scratch) {
    let bytes = std::fs::read(path).expect("readable");
    let decoded = match decode(bytes.into(), Features::all()) {
        Ok(decoded) => decoded,
        Err(error) => return println!("{path} {variant}: {error}"),
    };
    let context = ContextLayout::new(&decoded.info);
    let budget = Budget::default();
    let env = CompileEnv { options, ..CompileEnv::new(&decoded.info, &context, &budget) };
    for (index, job) in (0..).zip(decoded.validators) {
        let mut hash = DefaultHasher::new();
        let bytes = match compile_function(&env, index, job, scratch) {
            Ok(function) => {
                hash.write(format!("{function:?}").as_bytes());
                function.code.len()
            }
            Err(error) => {
                hash.write(error.to_string().as_bytes());
                0
            }
        };
        println!("{path} {variant} {index}: {bytes} {:016x}", hash.finish());
    }
}
