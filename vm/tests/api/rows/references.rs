//! What functions of references answer to what does not belong to them.

use super::*;

/// See the module.
pub static ROWS: &[Row] = rows! {
    // References.
    "Val::ref_kind", ForeignStore, STORE => |w| any(w.there.object).ref_kind(&w.store).map(text);
    "Val::ref_kind", ForeignStore, STORE => |w| Val::ExternRef(Some(w.there.host)).ref_kind(&w.store).map(text);
    "Val::ref_kind", ForeignStore, STORE => |w| Val::ExnRef(Some(w.there.thrown)).ref_kind(&w.store).map(text);
    "Val::ref_kind", ForeignStore, STORE => |w| Val::from(w.there.func).ref_kind(&w.store).map(text);
    "Val::ref_kind", StaleHandle, SCOPE => |w| any(w.stale.any).ref_kind(&w.store).map(text);
    "Val::ref_kind", StaleHandle, SCOPE => |w| Val::ExternRef(Some(w.stale.host)).ref_kind(&w.store).map(text);
    "Val::ref_kind", StaleHandle, SCOPE => |w| Val::ExnRef(Some(w.stale.thrown)).ref_kind(&w.store).map(text);
    "Rooted<AnyRef>::kind", ForeignStore, STORE => |w| w.there.object.kind(&w.store).map(text);
    "Rooted<AnyRef>::kind", StaleHandle, SCOPE => |w| w.stale.any.kind(&w.store).map(text);
    "Rooted<AnyRef>::type_index", ForeignEngine, ENGINE => |w| {
        w.here.object.type_index(&w.store, &w.foreign_module).map(text)
    };
    "Rooted<AnyRef>::type_index", ForeignStore, STORE => |w| w.there.object.type_index(&w.store, &w.module).map(text);
    "Rooted<AnyRef>::type_index", StaleHandle, SCOPE => |w| w.stale.any.type_index(&w.store, &w.module).map(text);
    "Rooted<AnyRef>::field", ForeignStore, STORE => |w| w.there.object.field(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::field", StaleHandle, SCOPE => |w| w.stale.any.field(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::set_field", ForeignStore, STORE => |w| {
        w.there.object.set_field(&mut w.store, 0, Val::I32(1)).map(text)
    };
    "Rooted<AnyRef>::set_field", ForeignStore, STORE => |w| {
        w.here.object.set_field(&mut w.store, 1, any(w.there.object)).map(text)
    };
    "Rooted<AnyRef>::set_field", StaleHandle, SCOPE =>
        |w| w.stale.any.set_field(&mut w.store, 0, Val::I32(1)).map(text);
    "Rooted<AnyRef>::set_field", StaleHandle, SCOPE => |w| {
        w.here.object.set_field(&mut w.store, 1, any(w.stale.any)).map(text)
    };
    "Rooted<AnyRef>::array_len", ForeignStore, STORE => |w| w.there.array.array_len(&w.store).map(text);
    "Rooted<AnyRef>::array_len", StaleHandle, SCOPE => |w| w.stale.array.array_len(&w.store).map(text);
    "Rooted<AnyRef>::element", ForeignStore, STORE => |w| w.there.array.element(&mut w.store, 0).map(text);
    "Rooted<AnyRef>::element", StaleHandle, SCOPE => |w| w.stale.array.element(&mut w.store, 0).map(text);
    "Rooted<ExternRef>::kind", ForeignStore, STORE => |w| w.there.host.kind(&w.store).map(text);
    "Rooted<ExternRef>::kind", StaleHandle, SCOPE => |w| w.stale.host.kind(&w.store).map(text);
    "Rooted<StringRef>::len", ForeignStore, STORE => |w| w.there.string.len(&w.store).map(text);
    "Rooted<StringRef>::len", StaleHandle, SCOPE => |w| w.stale.string.len(&w.store).map(text);
    "Rooted<StringRef>::units", ForeignStore, STORE => |w| w.there.string.units(&mut w.store).map(text);
    "Rooted<StringRef>::units", StaleHandle, SCOPE => |w| w.stale.string.units(&mut w.store).map(text);
    "Rooted<StringRef>::to_string_lossy", ForeignStore, STORE =>
        |w| w.there.string.to_string_lossy(&mut w.store).map(text);
    "Rooted<StringRef>::to_string_lossy", StaleHandle, SCOPE =>
        |w| w.stale.string.to_string_lossy(&mut w.store).map(text);
    "Rooted<StringRef>::hash", ForeignStore, STORE => |w| w.there.string.hash(&mut w.store).map(text);
    "Rooted<StringRef>::hash", StaleHandle, SCOPE => |w| w.stale.string.hash(&mut w.store).map(text);
    "Rooted<StringRef>::concat", ForeignStore, STORE =>
        |w| w.there.string.concat(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::concat", ForeignStore, STORE =>
        |w| w.here.string.concat(&mut w.store, &w.there.string).map(text);
    "Rooted<StringRef>::concat", StaleHandle, SCOPE =>
        |w| w.stale.string.concat(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::concat", StaleHandle, SCOPE =>
        |w| w.here.string.concat(&mut w.store, &w.stale.string).map(text);
    "Rooted<StringRef>::equals", ForeignStore, STORE =>
        |w| w.there.string.equals(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::equals", ForeignStore, STORE =>
        |w| w.here.string.equals(&mut w.store, &w.there.string).map(text);
    "Rooted<StringRef>::equals", StaleHandle, SCOPE =>
        |w| w.stale.string.equals(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::equals", StaleHandle, SCOPE =>
        |w| w.here.string.equals(&mut w.store, &w.stale.string).map(text);
    "Rooted<StringRef>::compare", ForeignStore, STORE =>
        |w| w.there.string.compare(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::compare", ForeignStore, STORE =>
        |w| w.here.string.compare(&mut w.store, &w.there.string).map(text);
    "Rooted<StringRef>::compare", StaleHandle, SCOPE =>
        |w| w.stale.string.compare(&mut w.store, &w.here.string).map(text);
    "Rooted<StringRef>::compare", StaleHandle, SCOPE =>
        |w| w.here.string.compare(&mut w.store, &w.stale.string).map(text);
    "Rooted<StringRef>::substring", ForeignStore, STORE => |w| w.there.string.substring(&mut w.store, 0..1).map(text);
    "Rooted<StringRef>::substring", StaleHandle, SCOPE => |w| w.stale.string.substring(&mut w.store, 0..1).map(text);
    "Rooted<ExternRef>::as_string", ForeignStore, STORE => |w| w.there.host.as_string(&w.store).map(text);
    "Rooted<ExternRef>::as_string", StaleHandle, SCOPE => |w| w.stale.host.as_string(&w.store).map(text);
    "Rooted<ExternRef>::data", ForeignStore, STORE => |w| w.there.host.data(&w.store).map(|data| text(data.is_some()));
    "Rooted<ExternRef>::data", StaleHandle, SCOPE => |w| w.stale.host.data(&w.store).map(|data| text(data.is_some()));
    "Rooted::to_owned", ForeignStore, STORE => |w| w.there.object.to_owned(&mut w.store).map(text);
    "Rooted::to_owned", StaleHandle, SCOPE => |w| w.stale.any.to_owned(&mut w.store).map(text);
    "Rooted::ref_eq", ForeignStore, STORE => |w| w.there.object.ref_eq(&w.store, &w.here.object).map(text);
    "Rooted::ref_eq", ForeignStore, STORE => |w| w.here.object.ref_eq(&w.store, &w.there.object).map(text);
    "Rooted::ref_eq", StaleHandle, SCOPE => |w| w.stale.any.ref_eq(&w.store, &w.here.object).map(text);
    "Rooted::ref_eq", StaleHandle, SCOPE => |w| w.here.object.ref_eq(&w.store, &w.stale.any).map(text);
    "Rooted::transfer", ForeignStore, STORE => |w| {
        let mut to = Store::new(&w.engine, ());
        w.there.object.transfer(&w.store, &mut to, u64::MAX).map(text)
    };
    "Rooted::transfer", StaleHandle, SCOPE => |w| {
        let mut to = Store::new(&w.engine, ());
        w.stale.any.transfer(&w.store, &mut to, u64::MAX).map(text)
    };
    "Rooted::register_finalizer", ForeignStore, STORE =>
        |w| w.there.object.register_finalizer(&mut w.store, 1).map(text);
    "Rooted::register_finalizer", StaleHandle, SCOPE => |w| w.stale.any.register_finalizer(&mut w.store, 1).map(text);
    "Rooted::register_finalizer_in", ForeignStore, STORE => |w| {
        w.there.object.register_finalizer_in(&mut w.store, &FinalizerQueue::new(), 1).map(text)
    };
    "Rooted::register_finalizer_in", StaleHandle, SCOPE => |w| {
        w.stale.any.register_finalizer_in(&mut w.store, &FinalizerQueue::new(), 1).map(text)
    };
    "StackTrace::backtrace", ForeignStore, STORE => |w| {
        let (sender, traces) = std::sync::mpsc::channel();
        let mut other = Store::new(&w.engine, ());
        let look = move |mut caller: Caller<'_, ()>| sender.send(caller.stack_trace()).expect("somebody receives");
        Func::wrap(&mut other, look).call(&mut other, &[], &mut [])?;
        traces.recv().expect("a trace was sent").backtrace(&w.store).map(text)
    };
    "Rooted::downgrade", ForeignStore, STORE => |w| w.there.object.downgrade(&mut w.store).map(text);
    "Rooted::downgrade", StaleHandle, SCOPE => |w| w.stale.any.downgrade(&mut w.store).map(text);
    // Typed references. That none leaves its scope is the compiler's business.
    "Rooted::local", ForeignStore, STORE => |w| {
        let there = w.there.object;
        w.store.scope(|s| there.local(s).map(text))
    };
    "Rooted::local", StaleHandle, SCOPE => |w| {
        let stale = w.stale.structure;
        w.store.scope(|s| stale.local(s).map(text))
    };
    "Rooted::local_as", ForeignStore, STORE => |w| {
        let there = w.there.object;
        w.store.scope(|s| there.local_as::<StructRef>(s).map(text))
    };
    "Rooted::local_as", StaleHandle, SCOPE => |w| {
        let stale = w.stale.any;
        w.store.scope(|s| stale.local_as::<StructRef>(s).map(text))
    };
    "Root::local", ForeignStore, STORE => |w| {
        let there = &w.there.owned;
        w.store.scope(|s| there.local(s).map(text))
    };
    "WeakRoot::local", ForeignStore, STORE => |w| {
        let there = &w.there.weak;
        w.store.scope(|s| there.local(s).map(text))
    };
    "Scope::func", ForeignStore, STORE => |w| {
        let there = w.there.func;
        w.store.scope(|s| s.func(&there).map(text))
    };
    "Scope::bind", ForeignEngine, ENGINE => |w| {
        let foreign = ArrayType::new(&w.foreign_engine, variable(ValType::I64)).bind::<i64, ()>()?;
        w.store.scope(|s| s.bind(&foreign).map(text))
    };
    "Scope::bind", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let bound = dead.array.bind::<f32, ()>()?;
        drop(dead);
        w.store.scope(|s| {
            s.bind(&bound)?;
            let array = bound.alloc(s, 2, 1.5)?;
            Ok(text(array.to_any().cast::<GcArray<f32>>(s).is_some_and(|array| array.get_number(s, 1) == 1.5)))
        })
    };
    "Root::to_rooted", ForeignStore, STORE => |w| w.there.owned.to_rooted(&mut w.store).map(text);
    "Root::downgrade", ForeignStore, STORE => |w| w.there.owned.downgrade(&mut w.store).map(text);
    "WeakRoot::upgrade", ForeignStore, STORE => |w| w.there.weak.upgrade(&mut w.store).map(text);
    "WeakEntry::new", ForeignStore, STORE => |w| WeakEntry::new(&mut w.store, &w.there.object, &w.here.host).map(text);
    "WeakEntry::new", ForeignStore, STORE => |w| WeakEntry::new(&mut w.store, &w.here.object, &w.there.host).map(text);
    "WeakEntry::new", StaleHandle, SCOPE => |w| WeakEntry::new(&mut w.store, &w.stale.any, &w.here.host).map(text);
    "WeakEntry::new", StaleHandle, SCOPE => |w| WeakEntry::new(&mut w.store, &w.here.object, &w.stale.host).map(text);
    "WeakEntry::get", ForeignStore, STORE => |w| w.there.entry.get(&mut w.store).map(text);
    "WeakEntry::set_value", ForeignStore, STORE => |w| w.there.entry.set_value(&mut w.store, &w.here.host).map(text);
    "WeakEntry::set_value", ForeignStore, STORE => |w| w.here.entry.set_value(&mut w.store, &w.there.host).map(text);
    "WeakEntry::set_value", StaleHandle, SCOPE => |w| w.here.entry.set_value(&mut w.store, &w.stale.host).map(text);
    "Binding::alloc", ForeignEngine, ENGINE => |w| {
        let foreign = ArrayType::new(&w.foreign_engine, variable(ValType::I64)).bind::<i64, ()>()?;
        w.store.scope(|s| foreign.alloc(s, 1, 2).map(text))
    };
    "Binding::from_slice", ForeignEngine, ENGINE => |w| {
        let foreign = ArrayType::new(&w.foreign_engine, variable(ValType::I64)).bind::<i64, ()>()?;
        w.store.scope(|s| foreign.from_slice(s, &[1]).map(text))
    };
};
