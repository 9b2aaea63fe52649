//! Types as text, in the words of the text format, with names where the module has them and layouts in bytes.

use crate::{
    CompositeType, ExportIndex, ExternType, FieldType, FuncType, GlobalType, HeapType, MemoryType, ModuleInfo, RefType,
    StorageType, TableType, TypeIndex, ValType, printable,
};
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use std::fmt::{self, Display, Formatter, from_fn};

impl ModuleInfo {
    /// A type on one line: `$name (sub $parent (struct (field $x (mut i32))))`.
    pub fn type_text(&self, index: TypeIndex) -> impl Display {
        from_fn(move |f| {
            let ty = self.types.get(index);
            let composite = from_fn(|f| self.write_composite(f, index, &ty.composite));
            write!(f, "{} ", self.type_name(index))?;
            match (ty.is_final, ty.supertype) {
                (true, None) => write!(f, "{composite}"),
                (is_final, supertype) => {
                    f.write_str(if is_final { "(sub final " } else { "(sub " })?;
                    if let Some(supertype) = supertype {
                        write!(f, "{} ", self.type_name(supertype))?;
                    }
                    write!(f, "{composite})")
                }
            }
        })
    }

    /// How objects of a type lie in memory: a line per field with its offset and size, then the size of the whole.
    /// Empty for function types.
    pub fn layout_text(&self, index: TypeIndex) -> impl Display {
        from_fn(move |f| match self.types.composite(index) {
            CompositeType::Func(_) => Ok(()),
            CompositeType::Struct(fields) => {
                let layout = self.types.layout(index);
                writeln!(f, "{:>6}  {:>2}  header", 0, 4)?;
                for ((number, field), offset) in (0..).zip(fields).zip(&layout.offsets) {
                    let bytes = field.storage.field_kind().bytes();
                    let name = from_fn(|f| match self.names().field(index, number) {
                        Some(name) => write!(f, "${}", printable(name)),
                        None => write!(f, "{number}"),
                    });
                    writeln!(f, "{offset:>6}  {bytes:>2}  {name} {}", self.field_text(*field))?;
                }
                writeln!(f, "{:>6}      bytes", layout.object_bytes())
            }
            CompositeType::Array(element) => {
                let bytes = element.storage.field_kind().bytes();
                writeln!(f, "{:>6}  {:>2}  header", 0, 4)?;
                writeln!(f, "{:>6}  {:>2}  length", 4, 4)?;
                writeln!(f, "{ARRAY_ELEMENTS_OFFSET:>6}  {bytes:>2}  each element {}", self.field_text(*element))
            }
        })
    }

    /// Bytes of an object of a struct type; none for arrays, whose objects differ, and functions.
    pub fn struct_bytes(&self, index: TypeIndex) -> Option<u32> {
        matches!(self.types.composite(index), CompositeType::Struct(_)).then(|| self.types.layout(index).object_bytes())
    }

    /// All types by rec group, with their layouts and what they are equal to.
    pub fn types_text(&self) -> impl Display {
        from_fn(move |f| {
            for (number, group) in self.types.rec_groups.iter().enumerate() {
                if group.len() != 1 {
                    writeln!(f, "rec group {number}: types {} to {}", group.start, i64::from(group.end) - 1)?;
                }
                group.clone().try_for_each(|index| write!(f, "{}", self.type_lines(index)))?;
            }
            Ok(())
        })
    }

    /// A type with its layout, and the first type that it is equal to.
    pub fn type_lines(&self, index: TypeIndex) -> impl Display {
        from_fn(move |f| {
            write!(f, "type {index} {}", self.type_text(index))?;
            match self.types.canonical[index as usize] {
                first if first == index => writeln!(f)?,
                first => writeln!(f, " = type {first}")?,
            }
            write!(f, "{}", self.layout_text(index))
        })
    }

    /// What is imported or exported: `(func (param i32))`, `(memory 1)`, `(global (mut i64))`.
    pub fn extern_text(&self, ty: &ExternType) -> impl Display {
        from_fn(move |f| match ty {
            ExternType::Func(index) => self.write_func(f, "func", self.types.func(*index)),
            ExternType::Tag(index) => self.write_func(f, "tag", self.types.func(*index)),
            ExternType::Table(table) => self.write_table(f, table),
            ExternType::Memory(memory) => write_memory(f, memory),
            ExternType::Global(GlobalType { val, mutable: true }) => {
                write!(f, "(global (mut {}))", self.val_text(*val))
            }
            ExternType::Global(global) => write!(f, "(global {})", self.val_text(global.val)),
        })
    }

    /// The type of an export as text.
    pub fn export_text(&self, index: ExportIndex) -> impl Display {
        from_fn(move |f| self.extern_text(&self.export_type(index)).fmt(f))
    }

    /// A value type as text.
    pub fn val_text(&self, ty: ValType) -> impl Display {
        from_fn(move |f| match ty {
            ValType::I32 => f.write_str("i32"),
            ValType::I64 => f.write_str("i64"),
            ValType::F32 => f.write_str("f32"),
            ValType::F64 => f.write_str("f64"),
            ValType::V128 => f.write_str("v128"),
            ValType::Ref(ty) => self.ref_text(ty).fmt(f),
        })
    }

    /// A reference type as text.
    pub fn ref_text(&self, ty: RefType) -> impl Display {
        from_fn(move |f| {
            let null = if ty.nullable { "null " } else { "" };
            match ty.heap {
                HeapType::Type(index) => write!(f, "(ref {null}{})", self.type_name(index)),
                heap => write!(f, "(ref {null}{})", heap.abstract_name()),
            }
        })
    }

    fn type_name(&self, index: TypeIndex) -> impl Display {
        from_fn(move |f| match self.names().ty(index) {
            Some(name) => write!(f, "${}", printable(name)),
            None => write!(f, "{index}"),
        })
    }

    fn field_text(&self, field: FieldType) -> impl Display {
        from_fn(move |f| {
            let storage = from_fn(|f| match field.storage {
                StorageType::I8 => f.write_str("i8"),
                StorageType::I16 => f.write_str("i16"),
                StorageType::Val(val) => self.val_text(val).fmt(f),
            });
            if field.mutable { write!(f, "(mut {storage})") } else { write!(f, "{storage}") }
        })
    }

    fn write_composite(&self, f: &mut Formatter<'_>, index: TypeIndex, composite: &CompositeType) -> fmt::Result {
        match composite {
            CompositeType::Func(func) => self.write_func(f, "func", func),
            CompositeType::Array(element) => write!(f, "(array {})", self.field_text(*element)),
            CompositeType::Struct(fields) => {
                f.write_str("(struct")?;
                for (number, field) in (0..).zip(fields) {
                    match self.names().field(index, number) {
                        Some(name) => write!(f, " (field ${} {})", printable(name), self.field_text(*field))?,
                        None => write!(f, " (field {})", self.field_text(*field))?,
                    }
                }
                f.write_str(")")
            }
        }
    }

    fn write_func(&self, f: &mut Formatter<'_>, word: &str, func: &FuncType) -> fmt::Result {
        write!(f, "({word}")?;
        for (word, types) in [("param", &func.params), ("result", &func.results)] {
            if !types.is_empty() {
                write!(f, " ({word}")?;
                types.iter().try_for_each(|ty| write!(f, " {}", self.val_text(*ty)))?;
                f.write_str(")")?;
            }
        }
        f.write_str(")")
    }

    fn write_table(&self, f: &mut Formatter<'_>, table: &TableType) -> fmt::Result {
        f.write_str("(table ")?;
        write_limits(f, table.table64, table.min, table.max)?;
        write!(f, " {})", self.ref_text(table.element))
    }
}

/// A memory type: `(memory 1 2 shared)`.
pub fn write_memory(f: &mut Formatter<'_>, memory: &MemoryType) -> fmt::Result {
    f.write_str("(memory ")?;
    write_limits(f, memory.memory64, memory.min, memory.max)?;
    if memory.page_size_log2 != 16 {
        write!(f, " (pagesize {})", 1u64 << memory.page_size_log2)?;
    }
    f.write_str(if memory.shared { " shared)" } else { ")" })
}

/// The limits of a memory or table: `i64 1 2`.
pub fn write_limits(f: &mut Formatter<'_>, wide: bool, min: u64, max: Option<u64>) -> fmt::Result {
    write!(f, "{}{min}", if wide { "i64 " } else { "" })?;
    max.map_or(Ok(()), |max| write!(f, " {max}"))
}

#[cfg(test)]
mod tests {
    use crate::{Features, decode};

    #[test]
    fn types_with_names_and_layouts() {
        let bytes = wat::parse_str(
            "(module
                (type $any (sub (struct (field $vtable (ref struct)) (field $hash (mut i32)))))
                (type $child (sub final $any
                    (struct (field (ref struct)) (field (mut i32)) (field $flag i8) (field $next (ref null $any)))))
                (rec
                    (type (array (mut i16)))
                    (type (func (param i32 (ref null $child)) (result exnref))))
                (type $again (sub (struct (field (ref struct)) (field (mut i32))))))",
        );
        let info = decode(bytes.unwrap().into(), Features::default()).unwrap().info;
        let expected = "\
type 0 $any (sub (struct (field $vtable (ref struct)) (field $hash (mut i32))))
     0   4  header
     4   4  $vtable (ref struct)
     8   4  $hash (mut i32)
    16      bytes
type 1 $child (sub final $any (struct (field (ref struct)) (field (mut i32)) (field $flag i8) (field $next (ref null $any))))
     0   4  header
     4   4  0 (ref struct)
     8   4  1 (mut i32)
    12   1  $flag i8
    16   4  $next (ref null $any)
    24      bytes
rec group 2: types 2 to 3
type 2 2 (array (mut i16))
     0   4  header
     4   4  length
     8   2  each element (mut i16)
type 3 3 (func (param i32 (ref null $child)) (result (ref null exn)))
type 4 $again (sub (struct (field (ref struct)) (field (mut i32)))) = type 0
     0   4  header
     4   4  0 (ref struct)
     8   4  1 (mut i32)
    16      bytes
";
        assert_eq!(info.types_text().to_string(), expected);
    }

    #[test]
    fn imports_and_exports() {
        let bytes = wat::parse_str(
            r#"(module
                (import "a" "f" (func (param i32) (result i64)))
                (import "a" "t" (table i64 1 2 (ref null func)))
                (import "a" "m" (memory 3 (pagesize 1)))
                (import "a" "g" (global (mut v128)))
                (import "a" "e" (tag (param f32)))
                (export "x" (global 0)))"#,
        );
        let info = decode(bytes.unwrap().into(), Features::default()).unwrap().info;
        let imports: Vec<_> = info.imports.iter().map(|import| info.extern_text(&import.ty).to_string()).collect();
        assert_eq!(
            imports,
            [
                "(func (param i32) (result i64))",
                "(table i64 1 2 (ref null func))",
                "(memory 3 (pagesize 1))",
                "(global (mut v128))",
                "(tag (param f32))"
            ]
        );
        assert_eq!(info.export_text(info.export("x").unwrap()).to_string(), "(global (mut v128))");
    }
}
