//! What a component holds: its core modules, what it imports and exports.

use anyhow::{Result, anyhow};
use heapwood::component::{self, Plan};
use heapwood::printable;
use std::io::{self, Write};

/// # Errors
/// The component is not valid, or needs something by which it cannot even be taken apart.
pub fn print(out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    let plan = Plan::new(bytes).map_err(|error| anyhow!("{error}"))?;
    Ok(write(out, &plan)?)
}

fn write(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    let kind = if plan.run().is_some() { "a command" } else { "no command: it exports no `wasi:cli/run`" };
    writeln!(out, "component, {kind}; {} core instances", plan.instances().len())?;
    writeln!(out, "\ncore modules                 offset     bytes")?;
    for (number, range) in plan.modules().iter().enumerate() {
        writeln!(out, "  {number:<24} {:>#8x} {:>9}", range.start, range.len())?;
    }
    writeln!(out, "\nimports")?;
    for interface in plan.imports() {
        let of = |(name, _): &(&str, &str)| name == interface;
        let count = plan.lowered().filter(of).count();
        let server = match plan.missing().any(|function| of(&function)) {
            true => "nobody",
            false if count == 0 => "not needed",
            false => "WASI 0.2",
        };
        writeln!(out, "  {} ({count} functions) <- {server}", printable(interface))?;
        for (_, name) in plan.lowered().filter(of) {
            let missing = if component::lookup(interface, name).is_none() { ", which is not there" } else { "" };
            writeln!(out, "    {}{missing}", printable(name))?;
        }
    }
    writeln!(out, "\nexports")?;
    for name in plan.exports() {
        writeln!(out, "  {}", printable(name))?;
    }
    Ok(())
}
