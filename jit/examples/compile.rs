//! Compiles every function of the modules named on the command line and reports the throughput.

use heapwood_jit::{CompileEnv, CompileOptions, Scratch, compile_function};
use heapwood_module::{ContextLayout, Features, decode};
use std::time::Instant;

fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).expect("readable");
        let start = Instant::now();
        let decoded = match decode(bytes.into(), Features::default()) {
            Ok(decoded) => decoded,
            Err(error) => {
                println!("{path}: {error}");
                continue;
            }
        };
        let decode_us = start.elapsed().as_micros();
        let context = ContextLayout::new(&decoded.info);
        let env = CompileEnv { info: &decoded.info, context: &context, options: CompileOptions::default() };
        let mut scratch = Scratch::default();
        let (mut code, mut body, mut failed) = (0, 0, 0);
        let start = Instant::now();
        for (index, job) in (0..).zip(decoded.validators) {
            body += job.range.len();
            match compile_function(&env, index, job, &mut scratch) {
                Ok(function) => code += function.code.len(),
                Err(error) => {
                    failed += 1;
                    if failed < 3 {
                        println!("{path}: function {index}: {error}");
                    }
                }
            }
        }
        let us = start.elapsed().as_micros();
        println!(
            "{path}: {body} bytes of bodies to {code} bytes of code, {failed} failed, decode {decode_us} us, compile {us} us, {:.1} MB/s",
            body as f64 / us.max(1) as f64
        );
    }
}
