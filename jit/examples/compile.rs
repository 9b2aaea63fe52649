//! Compiles every function of the modules named on the command line and reports the throughput, and a checksum of the
//! code: a change that should not change it shows so. `--inline` inlines small functions, in the modules that follow.

use heapwood_jit::{Budget, Callees, CompileEnv, CompileOptions, Inline, Scratch, compile_function};
use heapwood_module::{ContextLayout, Features, decode};
use std::hash::{DefaultHasher, Hasher};
use std::time::Instant;

fn main() {
    let mut options = CompileOptions::default();
    for path in std::env::args().skip(1) {
        if path == "--inline" {
            options.inline = Inline::Small;
            continue;
        }
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
        let start = Instant::now();
        let callees =
            (options.inline != Inline::Never).then(|| Callees::new(&decoded.validators, options.inline, options.fuel));
        let budget = Budget::default();
        let env =
            CompileEnv { options, callees: callees.as_ref(), ..CompileEnv::new(&decoded.info, &context, &budget) };
        let mut scratch = Scratch::default();
        let (mut code, mut body, mut failed, mut checksum) = (0, 0, 0, DefaultHasher::new());
        for (index, job) in (0..).zip(decoded.validators) {
            body += job.range.len();
            match compile_function(&env, index, job, &mut scratch) {
                Ok(function) => {
                    code += function.code.len();
                    checksum.write(&function.code);
                }
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
            "{path}: {body} bytes of bodies to {code} bytes of code ({:016x}), {failed} failed, decode {decode_us} us, compile {us} us, {:.1} MB/s",
            checksum.finish(),
            body as f64 / us.max(1) as f64
        );
    }
}
