//! `-D`: what a debugger is told of compiled code.

use clap::{Args, ValueEnum};
use heapwood::{DebuggerSymbols, Module};

#[derive(Args)]
pub struct DebuggerOptions {
    /// Tell a debugger the names of compiled functions, for breakpoints and backtraces: gdb
    #[arg(short = 'D', value_name = "DEBUGGER")]
    debugger: Option<Debugger>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Debugger {
    /// GDB, by its interface for code that a process compiles
    Gdb,
}

impl DebuggerOptions {
    /// Tells of `modules` if that is asked for, until the result is dropped.
    pub fn tell<'m>(&self, modules: impl IntoIterator<Item = &'m Module>) -> Vec<DebuggerSymbols> {
        match self.debugger {
            Some(Debugger::Gdb) => modules.into_iter().map(Module::tell_debugger).collect(),
            None => Vec::new(),
        }
    }
}
