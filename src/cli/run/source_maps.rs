//! The source maps of the modules that run: the one that `--source-map` names, and those that modules name themselves.
//! The latter are looked up when a backtrace needs them; what is wrong with one of them is said with `--verbose`, and
//! costs the lines and nothing else.

use crate::cli::failure::shown;
use crate::cli::output;
use anyhow::{Context, Result, anyhow, bail};
use heapwood::Module;
use heapwood::source_map::{SOURCE_MAP_BYTES_MAX, SourceMap, SourceMapLink};
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads the map of `--source-map`.
///
/// # Errors
/// The file cannot be read, is no file, or no map. They name the file.
pub fn given(path: &Path) -> Result<SourceMap> {
    read(path).map_err(|error| anyhow!("--source-map {error:#}"))
}

fn read(path: &Path) -> Result<SourceMap> {
    let named = || shown(path);
    // A pipe would be waited for, and a device has no end.
    if !std::fs::metadata(path).with_context(named)?.is_file() {
        bail!("{}: not a file", named());
    }
    let file = File::open(path).with_context(named)?;
    let mut bytes = Vec::new();
    // One byte more than allowed is too much.
    file.take(SOURCE_MAP_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(named)?;
    SourceMap::new(&bytes).map_err(|error| anyhow!("{}: {error}", named()))
}

/// Where the maps of modules are.
pub struct SourceMaps<'a> {
    /// The source map of the program itself.
    pub given: Option<&'a SourceMap>,
    /// Each module, with the file that it is of; the program's comes last.
    pub modules: Vec<(&'a Module, &'a Path)>,
}

impl<'a> SourceMaps<'a> {
    /// The map of a module, if there is one that can be read.
    pub fn of(&self, module: &Module) -> Option<Cow<'a, SourceMap>> {
        let is_it = |(of, _): &(&Module, &Path)| std::ptr::eq(of.info(), module.info());
        let number = self.modules.iter().position(is_it)?;
        if number + 1 == self.modules.len() && self.given.is_some() {
            return self.given.map(Cow::Borrowed);
        }
        let path = self.modules[number].1;
        linked(module, path).unwrap_or_else(|error| {
            output::more(|| format!("{}: no lines of the source: {error:#}", shown(path)));
            None
        })
    }
}

/// The map that a module names.
fn linked<'a>(module: &Module, path: &Path) -> Result<Option<Cow<'a, SourceMap>>> {
    let map = match SourceMapLink::of(module)? {
        None => return Ok(None),
        Some(SourceMapLink::Data(bytes)) => SourceMap::new(&bytes)?,
        Some(SourceMapLink::File(map)) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            read(&folder.join(map)).context("the module names its source map")?
        }
        Some(SourceMapLink::Other(url)) => {
            bail!(
                "the source map at `{url}` is not looked up: it is no file beside the module (--source-map names one)"
            )
        }
        Some(_) => return Ok(None),
    };
    Ok(Some(Cow::Owned(map)))
}
