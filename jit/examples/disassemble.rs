//! Prints the code of one function of a module: `disassemble MODULE INDEX` (index among the defined functions).

use heapwood_jit::{Budget, CompileEnv, CompileOptions, Scratch, compile_function};
use heapwood_module::{ContextLayout, Features, decode};
use iced_x86::{Decoder, DecoderOptions, Formatter, NasmFormatter};

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("a module");
    let wanted: usize = args.next().expect("a function").parse().expect("a number");
    let bytes = wat::parse_file(&path).expect("a module");
    let decoded = decode(bytes.into(), Features::default()).expect("valid");
    let context = ContextLayout::new(&decoded.info);
    let options = CompileOptions { source_map: true, ..CompileOptions::default() };
    let budget = Budget::default();
    let env = CompileEnv { options, ..CompileEnv::new(&decoded.info, &context, &budget) };
    let job = decoded.validators.into_iter().nth(wanted).expect("a defined function");
    let function = compile_function(&env, wanted as u32, job, &mut Scratch::default()).expect("compiles");
    let mut decoder = Decoder::with_ip(64, &function.code, 0, DecoderOptions::NONE);
    let mut formatter = NasmFormatter::new();
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let at = instruction.ip() as u32;
        for (_, offset) in function.source_map.iter().filter(|s| s.0 == at) {
            println!("                                        ; {offset:#x}");
        }
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let point = function.safe_points.iter().find(|p| p.pc == instruction.next_ip() as u32);
        let note = point.map_or(String::new(), |p| format!("   ; refs {} gprs {:#06x}", p.ref_count, p.gpr_mask));
        println!("{at:6x}  {text}{note}");
    }
}
