//! What functions of structs and arrays answer to what does not belong to them.

use super::*;

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Structs and arrays.
    "StructRef::new", ForeignEngine, ENGINE => |w| {
        let RefKind::Struct(foreign) = w.foreign.object.kind(&w.foreign_store)? else { panic!() };
        StructRef::new(&mut w.store, &foreign, &[Val::I32(1), Val::AnyRef(None)]).map(text)
    };
    "StructRef::new", ForeignStore, STORE => |w| new_struct(w, any(w.there.object));
    "StructRef::new", ForeignStore, STORE => |w| new_struct(w, any(w.foreign.object));
    "StructRef::new", StaleHandle, SCOPE => |w| new_struct(w, any(w.stale.any));
    "StructRef::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = StructRef::new(&mut w.store, &dead.structure, &[Val::I64(1), Val::I64(2)])?;
        Ok(text(made.ty(&w.store)? == dead.structure && made.field(&mut w.store, 1)?.i64() == Some(2)))
    };
    "ArrayRef::new", ForeignEngine, ENGINE => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        ArrayRef::new(&mut w.store, &foreign, &Val::I64(1), 2).map(text)
    };
    "ArrayRef::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayRef::new(&mut w.store, &dead.array, &Val::F32(5), 2)?;
        Ok(text(made.ty(&w.store)? == dead.array))
    };
    "ArrayRef::new_fixed", ForeignEngine, ENGINE => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        ArrayRef::new_fixed(&mut w.store, &foreign, &[Val::I64(1)]).map(text)
    };
    "ArrayRef::new_fixed", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayRef::new_fixed(&mut w.store, &dead.array, &[Val::F32(5)])?;
        Ok(text(made.ty(&w.store)? == dead.array))
    };
    "ArrayRef::from_slice", ForeignEngine, ENGINE => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        ArrayRef::from_slice(&mut w.store, &foreign, &[1i64]).map(text)
    };
    "ArrayRef::from_slice", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayRef::from_slice(&mut w.store, &dead.array, &[1.5f32])?;
        Ok(text(made.ty(&w.store)? == dead.array))
    };
    "ArrayRef::new", ForeignStore, STORE => |w| {
        let (ty, value) = (anys(w), any(w.there.object));
        ArrayRef::new(&mut w.store, &ty, &value, 0).map(text)
    };
    "ArrayRef::new_fixed", ForeignStore, STORE => |w| {
        let (ty, values) = (anys(w), [any(w.here.object), any(w.there.object)]);
        ArrayRef::new_fixed(&mut w.store, &ty, &values).map(text)
    };
    "Rooted<StructRef>::set_field", ForeignStore, STORE => |w| {
        w.here.object.unwrap_struct(&w.store)?.set_field(&mut w.store, 1, any(w.there.object)).map(text)
    };
    "Rooted<ArrayRef>::set", ForeignStore, STORE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.there.object));
        array.set(&mut w.store, 0, value).map(text)
    };
    "Rooted<ArrayRef>::fill", ForeignStore, STORE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.there.object));
        array.fill(&mut w.store, 0, 0, value).map(text)
    };
    "ArrayRef::new", StaleHandle, SCOPE => |w| {
        let (ty, value) = (anys(w), any(w.stale.any));
        ArrayRef::new(&mut w.store, &ty, &value, 0).map(text)
    };
    "ArrayRef::new_fixed", StaleHandle, SCOPE => |w| {
        let (ty, values) = (anys(w), [any(w.here.object), any(w.stale.any)]);
        ArrayRef::new_fixed(&mut w.store, &ty, &values).map(text)
    };
    "Rooted<StructRef>::set_field", StaleHandle, SCOPE => |w| {
        w.here.object.unwrap_struct(&w.store)?.set_field(&mut w.store, 1, any(w.stale.any)).map(text)
    };
    "Rooted<ArrayRef>::set", StaleHandle, SCOPE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.stale.any));
        array.set(&mut w.store, 0, value).map(text)
    };
    "Rooted<ArrayRef>::fill", StaleHandle, SCOPE => |w| {
        let (array, value) = (array_of_anys(w)?, any(w.stale.any));
        array.fill(&mut w.store, 0, 0, value).map(text)
    };
    "Rooted<StructRef>::ty", ForeignStore, STORE => |w| w.there_typed.0.ty(&w.store).map(text);
    "Rooted<StructRef>::field", ForeignStore, STORE => |w| w.there_typed.0.field(&mut w.store, 0).map(text);
    "Rooted<StructRef>::fields", ForeignStore, STORE => |w| w.there_typed.0.fields(&mut w.store).map(|fields| text(fields.len()));
    "Rooted<StructRef>::set_field", ForeignStore, STORE => |w| {
        w.there_typed.0.set_field(&mut w.store, 0, Val::I32(1)).map(text)
    };
    "Rooted<ArrayRef>::ty", ForeignStore, STORE => |w| w.there_typed.1.ty(&w.store).map(text);
    "Rooted<ArrayRef>::len", ForeignStore, STORE => |w| w.there_typed.1.len(&w.store).map(text);
    "Rooted<ArrayRef>::get", ForeignStore, STORE => |w| w.there_typed.1.get(&mut w.store, 0).map(text);
    "Rooted<ArrayRef>::elems", ForeignStore, STORE => |w| w.there_typed.1.elems(&mut w.store).map(|elems| text(elems.len()));
    "Rooted<ArrayRef>::set", ForeignStore, STORE => |w| w.there_typed.1.set(&mut w.store, 0, Val::I64(1)).map(text);
    "Rooted<ArrayRef>::fill", ForeignStore, STORE => |w| {
        w.there_typed.1.fill(&mut w.store, 0, 1, Val::I64(1)).map(text)
    };
    "Rooted<ArrayRef>::with_slice", ForeignStore, STORE => |w| {
        w.there_typed.1.with_slice(&mut w.store, |cells: &[Cell<i64>]| text(cells.len()))
    };
    "Rooted<ArrayRef>::copy_within", ForeignStore, STORE => |w| {
        w.there_typed.1.copy_within(&mut w.store, 0..1, 1).map(text)
    };
    "Rooted<ArrayRef>::copy_to_slice", ForeignStore, STORE => |w| {
        w.there_typed.1.copy_to_slice(&w.store, 0, &mut [0i64]).map(text)
    };
    "Rooted<ArrayRef>::copy_from_slice", ForeignStore, STORE => |w| {
        w.there_typed.1.copy_from_slice(&mut w.store, 0, &[9i64]).map(text)
    };
    "Rooted<StructRef>::ty", StaleHandle, SCOPE => |w| w.stale.structure.ty(&w.store).map(text);
    "Rooted<StructRef>::field", StaleHandle, SCOPE => |w| w.stale.structure.field(&mut w.store, 0).map(text);
    "Rooted<StructRef>::fields", StaleHandle, SCOPE => |w| w.stale.structure.fields(&mut w.store).map(|fields| text(fields.len()));
    "Rooted<StructRef>::set_field", StaleHandle, SCOPE => |w| {
        w.stale.structure.set_field(&mut w.store, 0, Val::I32(1)).map(text)
    };
    "Rooted<ArrayRef>::ty", StaleHandle, SCOPE => |w| w.stale.typed_array.ty(&w.store).map(text);
    "Rooted<ArrayRef>::len", StaleHandle, SCOPE => |w| w.stale.typed_array.len(&w.store).map(text);
    "Rooted<ArrayRef>::get", StaleHandle, SCOPE => |w| w.stale.typed_array.get(&mut w.store, 0).map(text);
    "Rooted<ArrayRef>::elems", StaleHandle, SCOPE => |w| w.stale.typed_array.elems(&mut w.store).map(|elems| text(elems.len()));
    "Rooted<ArrayRef>::set", StaleHandle, SCOPE => |w| w.stale.typed_array.set(&mut w.store, 0, Val::I64(1)).map(text);
    "Rooted<ArrayRef>::fill", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.fill(&mut w.store, 0, 1, Val::I64(1)).map(text)
    };
    "Rooted<ArrayRef>::with_slice", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.with_slice(&mut w.store, |cells: &[Cell<i64>]| text(cells.len()))
    };
    "Rooted<ArrayRef>::copy_within", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.copy_within(&mut w.store, 0..1, 1).map(text)
    };
    "Rooted<ArrayRef>::copy_to_slice", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.copy_to_slice(&w.store, 0, &mut [0i64]).map(text)
    };
    "Rooted<ArrayRef>::copy_from_slice", StaleHandle, SCOPE => |w| {
        w.stale.typed_array.copy_from_slice(&mut w.store, 0, &[9i64]).map(text)
    };
    "Rooted<AnyRef>::as_struct", ForeignStore, STORE => |w| w.there.object.as_struct(&w.store).map(text);
    "Rooted<AnyRef>::as_array", ForeignStore, STORE => |w| w.there.array.as_array(&w.store).map(text);
    "Rooted<AnyRef>::as_i31", ForeignStore, STORE => |w| w.there.object.as_i31(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_struct", ForeignStore, STORE => |w| w.there.object.unwrap_struct(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_array", ForeignStore, STORE => |w| w.there.array.unwrap_array(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_i31", ForeignStore, STORE => |w| w.there.object.unwrap_i31(&w.store).map(text);
    "Rooted<ExternRef>::data_mut", ForeignStore, STORE => |w| {
        w.there.host.data_mut(&mut w.store).map(|data| text(data.is_some()))
    };
    "Rooted<AnyRef>::as_struct", StaleHandle, SCOPE => |w| w.stale.any.as_struct(&w.store).map(text);
    "Rooted<AnyRef>::as_array", StaleHandle, SCOPE => |w| w.stale.array.as_array(&w.store).map(text);
    "Rooted<AnyRef>::as_i31", StaleHandle, SCOPE => |w| w.stale.any.as_i31(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_struct", StaleHandle, SCOPE => |w| w.stale.any.unwrap_struct(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_array", StaleHandle, SCOPE => |w| w.stale.array.unwrap_array(&w.store).map(text);
    "Rooted<AnyRef>::unwrap_i31", StaleHandle, SCOPE => |w| w.stale.any.unwrap_i31(&w.store).map(text);
    "Rooted<ExternRef>::data_mut", StaleHandle, SCOPE => |w| {
        w.stale.host.data_mut(&mut w.store).map(|data| text(data.is_some()))
    };
};
