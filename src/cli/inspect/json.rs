//! `--json`: what a module holds, for programs. The fields are described in docs/inspect.md.

use super::parts::{Part, PartOptions};
use super::surface::Servers;
use crate::cli::kotlin;
use heapwood::{ExportIndex, Features, ModuleInfo};
use serde_json::{Map, Value, json};

/// The object of a module of `bytes` bytes that needs some features, of which those in `on` are on.
pub fn of_module(info: &ModuleInfo, bytes: usize, needed: Features, on: Features, parts: &PartOptions) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("kind", "module".into());
    put("name", info.names().module().into());
    put("bytes", bytes.into());
    put("features", needed.iter().map(|feature| feature.name).collect());
    put("features_off", needed.missing_in(on).iter().map(|feature| feature.name).collect());
    put("is_kotlin", kotlin::is_kotlin(info).into());
    put("start", info.start.into());
    put("counts", counts(info));
    put("sections", sections(info));
    for (part, name, rows) in [
        (Part::Imports, "imports", imports as fn(&ModuleInfo, &PartOptions) -> Value),
        (Part::Exports, "exports", exports),
        (Part::Functions, "functions", functions),
        (Part::Types, "types", types),
    ] {
        if parts.shows(part) {
            put(name, rows(info, parts));
        }
    }
    Value::Object(object)
}

fn counts(info: &ModuleInfo) -> Value {
    json!({
        "functions": info.functions.len(),
        "imported_functions": info.imported_functions,
        "body_bytes": super::body_bytes(info),
        "types": info.types.len(),
        "rec_groups": info.types.rec_groups.len(),
        "globals": info.globals.len(),
        "memories": info.memories.len(),
        "tables": info.tables.len(),
        "tags": info.tags.len(),
    })
}

fn sections(info: &ModuleInfo) -> Value {
    let rows = info.sections.iter().map(|section| {
        json!({
            "name": section.name,
            "is_custom": section.id == 0,
            "offset": section.range.start,
            "bytes": section.range.len(),
        })
    });
    rows.collect()
}

fn imports(info: &ModuleInfo, parts: &PartOptions) -> Value {
    let servers = Servers::new(info);
    let shown = info.imports.iter().filter(|import| parts.fits(None, &[&import.module, &import.name]));
    let rows = shown.map(|import| {
        let ty = info.extern_text(&import.ty).to_string();
        json!({
            "module": import.module,
            "name": import.name,
            "type": ty,
            "served_by": servers.of(&import.module, &import.name, import.ty.may_be_string()),
        })
    });
    rows.collect()
}

fn exports(info: &ModuleInfo, parts: &PartOptions) -> Value {
    let shown = info.exports.iter().filter(|(name, _)| parts.fits(None, &[name]));
    shown.map(|(name, index)| json!({ "name": name, "type": info.export_text(*index).to_string() })).collect()
}

fn functions(info: &ModuleInfo, parts: &PartOptions) -> Value {
    let row = |index: u32| {
        let body = index.checked_sub(info.imported_functions).map(|defined| &info.bodies[defined as usize]);
        let exports = info.exports.iter().filter(|export| export.1 == ExportIndex::Func(index));
        json!({
            "index": index,
            "name": info.names().function(index),
            "type": info.functions[index as usize],
            "is_imported": body.is_none(),
            "offset": body.map(|body| body.start),
            "bytes": body.map(ExactSizeIterator::len),
            "exports": exports.map(|(name, _)| name).collect::<Vec<_>>(),
        })
    };
    parts.functions_of(info).map(row).collect()
}

fn types(info: &ModuleInfo, parts: &PartOptions) -> Value {
    let groups = &info.types.rec_groups;
    let rows = parts.types_of(info).map(|index| {
        let layout = info.types.layout(index);
        let fields = (0..).zip(layout.offsets.iter().zip(&layout.kinds)).map(|(number, (offset, kind))| {
            json!({ "name": info.names().field(index, number), "offset": offset, "bytes": kind.bytes() })
        });
        json!({
            "index": index,
            "name": info.names().ty(index),
            "rec_group": groups.partition_point(|group| group.end <= index),
            "text": info.type_text(index).to_string(),
            "equal_to": info.types.canonical[index as usize],
            "object_bytes": info.struct_bytes(index),
            "fields": fields.collect::<Vec<_>>(),
        })
    });
    rows.collect()
}
