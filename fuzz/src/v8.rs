//! V8: the npm package `node` of one version, and programs in a form that `driver.js` reads.

use crate::generate::{Arg, Kind, Program, letters};
use crate::types::{Ty, Types};
use std::path::PathBuf;
use std::process::Command;

/// The version that is compared with.
pub const VERSION: u32 = 26;

/// The command `node` of `HEAPWOOD_NODE` (or of `PATH`), if it is of the version.
///
/// # Errors
/// It is absent or of another version; says so.
pub fn node() -> Result<PathBuf, String> {
    let command = std::env::var_os("HEAPWOOD_NODE").map_or_else(|| PathBuf::from("node"), PathBuf::from);
    let output = Command::new(&command).arg("--version").output();
    let output = output.map_err(|error| format!("{}: {error}", command.display()))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.strip_prefix('v').and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if major == Some(VERSION) {
        Ok(command)
    } else {
        Err(format!("{}: version {version}, not {VERSION}", command.display()))
    }
}

/// Options of node: a stack as large as ours is deep enough, and collections between programs.
pub const OPTIONS: [&str; 2] = ["--stack-size=3900", "--expose-gc"];

/// A program as a line of JSON.
pub fn json(program: &Program) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    let text = |text: &str| format!("\"{text}\"");
    let chars = |letters: &str| list(letters.chars().map(|letter| format!("\"{letter}\"")).collect());
    let none = Types::default();
    let host = |(params, results): &(Vec<Ty>, Vec<Ty>)| {
        list(vec![chars(&letters(&none, params)), chars(&letters(&none, results))])
    };
    let instance = |spec: &crate::generate::InstanceSpec| {
        let kind = |kind: &Kind| match kind {
            Kind::Memory => "\"memory\"",
            Kind::Table => "\"table\"",
            Kind::Global => "\"global\"",
        };
        let observed =
            spec.observed.iter().map(|(name, of, letter)| format!("[{},{},\"{letter}\"]", text(name), kind(of)));
        let tags = spec.tags.iter().map(|(name, payload)| format!("[{},{}]", text(name), chars(payload)));
        let (observed, tags) = (list(observed.collect()), list(tags.collect()));
        format!("{{\"module\":{},\"observed\":{observed},\"tags\":{tags}}}", spec.module)
    };
    let argument = |arg: &Arg| match *arg {
        Arg::I32(value) => format!("[\"i\",{value}]"),
        Arg::I64(value) => format!("[\"l\",\"{value}\"]"),
        Arg::F32(bits) => format!("[\"f\",{bits}]"),
        Arg::F64(bits) => format!("[\"d\",\"{bits}\"]"),
        Arg::Extern(None) => "[\"e\",null]".to_owned(),
        Arg::Extern(Some(number)) => format!("[\"e\",{number}]"),
        Arg::Any(None) => "[\"a\",null]".to_owned(),
        Arg::Any(Some(value)) => format!("[\"a\",{}]", value << 1 >> 1),
    };
    let call = |call: &crate::generate::Call| {
        let args = list(call.args.iter().map(argument).collect());
        let (instance, export, results) = (call.instance, text(&call.export), chars(&call.results));
        format!("{{\"instance\":{instance},\"export\":{export},\"args\":{args},\"results\":{results}}}")
    };
    format!(
        "{{\"seed\":{},\"modules\":{},\"instances\":{},\"host\":{},\"calls\":{}}}",
        program.seed,
        list(program.modules.iter().map(|bytes| text(&base64(bytes))).collect()),
        list(program.instances.iter().map(instance).collect()),
        list(program.host.iter().map(host).collect()),
        list(program.calls.iter().map(call).collect()),
    )
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | *byte as u32) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let shown = digit <= chunk.len();
            text.push(if shown { DIGITS[(word >> (18 - 6 * digit)) as usize & 63] as char } else { '=' });
        }
    }
    text
}
