//! What functions answer where the heap is full: those that need room are refused, all others work.

use super::*;

/// The heap is full, and has no room for an object of any size.
const HEAP: Right = Right::Error("bytes do not fit the heap's limit of 4194304 bytes)");
/// As for functions that return no `Result`.
const HEAP_PANIC: Right = Right::Panic("bytes do not fit the heap's limit of 4194304 bytes");

/// Fills the heap of the first store to the last byte.
fn fill(w: &mut World) {
    let bytes = ArrayType::new(&w.engine, FieldType::new(Mutability::Var, StorageType::I8));
    let mut len = 1 << 20;
    while len > 0 {
        let mut scope = RootScope::new(&mut w.store);
        let made = ArrayRef::new(&mut scope, &bytes, &Val::I32(1), len);
        match made.and_then(|array| array.to_owned(&mut scope)) {
            Ok(array) => w.kept.push(array),
            Err(error) => {
                assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::HeapExhausted), "{error}");
                len /= 2;
            }
        }
    }
}

/// Fills the place of function objects, too, which never move.
fn fill_functions(w: &mut World) {
    fill(w);
    let ty = FuncType::new(&w.engine, [], []).unwrap();
    while Func::try_new(&mut w.store, ty.clone(), |_, _, _| Ok(())).is_ok() {}
}

/// Calls something in a full heap.
fn full<R: Debug>(w: &mut World, run: impl FnOnce(&mut World) -> Result<R>) -> Result<String> {
    fill(w);
    run(w).map(text)
}

/// Calls something where no function can be made.
fn without_functions<R: Debug>(w: &mut World, run: impl FnOnce(&mut World) -> Result<R>) -> Result<String> {
    fill_functions(w);
    run(w).map(text)
}

/// Two long strings that are the same, each of two parts that nobody has put together.
fn ropes(w: &mut World) -> Result<[Rooted<StringRef>; 2]> {
    let half = StringRef::new(&mut w.store, &"heap".repeat(100))?;
    Ok([half.concat(&mut w.store, &half)?, half.concat(&mut w.store, &half)?])
}

/// Calls something with ropes in a full heap.
fn with_ropes<R: Debug>(
    w: &mut World,
    run: impl FnOnce(&mut Store<()>, [Rooted<StringRef>; 2]) -> Result<R>,
) -> Result<String> {
    let ropes = ropes(w)?;
    full(w, |w| run(&mut w.store, ropes))
}

/// Calls something with a bound array type in a full heap.
fn bound(
    w: &mut World,
    run: impl for<'s> FnOnce(&mut Scope<'s, ()>, &Bound<GcArray<i64>>) -> Result<String>,
) -> Result<String> {
    let array = w.here.array.unwrap_array(&w.store)?.ty(&w.store)?.bind::<i64, ()>()?;
    w.store.scope(|s| s.bind(&array))?;
    full(w, |w| w.store.scope(|s| run(s, &array)))
}

/// A guest's function that allocates.
fn allocating(w: &mut World) -> Result<Func> {
    let text = r#"(module (type $s (struct (field i64))) (func (export "f") (drop (struct.new_default $s))))"#;
    let module = module(&w.engine, text);
    let instance = Instance::new(&mut w.store, &module, &[])?;
    Ok(instance.get_func(&mut w.store, "f").expect("a function"))
}

/// See the module.
pub static ROWS: &[Row] = rows! {
    "ArrayRef::new", OverLimit, HEAP => |w| {
        let ty = anys(w);
        full(w, |w| ArrayRef::new(&mut w.store, &ty, &Val::AnyRef(None), 1))
    };
    "ArrayRef::new", OverLimit,
    Right::Error(
        "allocation size too large (4294967304 bytes for an array of 1073741824 elements; the limit is \
         4194304 bytes)"
    ) =>
    |w| {
        let ty = anys(w);
        ArrayRef::new(&mut w.store, &ty, &Val::AnyRef(None), 1 << 30).map(text)
    };
    "ArrayRef::new_fixed", OverLimit, HEAP => |w| {
        let ty = anys(w);
        full(w, |w| ArrayRef::new_fixed(&mut w.store, &ty, &[Val::AnyRef(None); 3]))
    };
    "ArrayRef::from_slice", OverLimit, HEAP => |w| {
        let ty = w.here.array.unwrap_array(&w.store)?.ty(&w.store)?;
        full(w, |w| ArrayRef::from_slice(&mut w.store, &ty, &[1i64; 3]))
    };
    "ArrayRef::from_slice", OverLimit,
    Right::Error(
        "allocation size too large (8388616 bytes for an array of 1048576 elements; the limit is 4194304 \
         bytes)"
    ) =>
    |w| {
        let ty = w.here.array.unwrap_array(&w.store)?.ty(&w.store)?;
        ArrayRef::from_slice(&mut w.store, &ty, &vec![1i64; 1 << 20]).map(text)
    };
    "Binding::alloc", OverLimit, HEAP => |w| bound(w, |s, array| array.alloc(s, 3, 1).map(text));
    "Binding::from_slice", OverLimit, HEAP => |w| bound(w, |s, array| array.from_slice(s, &[1; 3]).map(text));
    "StructRef::new", OverLimit, HEAP => |w| {
        fill(w);
        new_struct(w, Val::AnyRef(None))
    };
    "ExternRef::new", OverLimit, HEAP => |w| full(w, |w| ExternRef::new(&mut w.store, 1));
    "StringRef::new", OverLimit, HEAP => |w| full(w, |w| StringRef::new(&mut w.store, "text"));
    "StringRef::from_utf16", OverLimit, HEAP => |w| full(w, |w| StringRef::from_utf16(&mut w.store, &[500; 9]));
    "Rooted<StringRef>::concat", OverLimit, HEAP => |w| with_ropes(w, |store, [a, b]| a.concat(store, &b));
    "Rooted<StringRef>::substring", OverLimit, HEAP => |w| with_ropes(w, |store, [a, _]| a.substring(store, 1..700));
    "Rooted<StringRef>::units", OverLimit, HEAP => |w| with_ropes(w, |store, [a, _]| a.units(store).map(|_| ()));
    "Rooted<StringRef>::to_string_lossy", OverLimit, HEAP =>
        |w| with_ropes(w, |store, [a, _]| a.to_string_lossy(store));
    "Rooted<StringRef>::hash", OverLimit, HEAP => |w| with_ropes(w, |store, [a, _]| a.hash(store));
    "Rooted<StringRef>::equals", OverLimit, HEAP => |w| with_ropes(w, |store, [a, b]| a.equals(store, &b));
    "Rooted<StringRef>::compare", OverLimit, HEAP => |w| with_ropes(w, |store, [a, b]| a.compare(store, &b));
    "Exception::new", OverLimit, HEAP => |w| {
        full(w, |w| Exception::new(&mut w.store, w.here.tag, &[Val::I32(1), Val::AnyRef(None)]))
    };
    "Rooted::downgrade", OverLimit, HEAP => |w| full(w, |w| w.here.object.downgrade(&mut w.store));
    "Root::downgrade", OverLimit, HEAP => |w| full(w, |w| w.here.owned.downgrade(&mut w.store));
    "Local::downgrade", OverLimit, HEAP => |w| {
        let object = w.here.object;
        full(w, |w| w.store.scope(|s| object.local(s)?.downgrade(s)))
    };
    "Rooted::register_finalizer", OverLimit, HEAP => |w| full(w, |w| w.here.object.register_finalizer(&mut w.store, 1));
    "Rooted::register_finalizer_in", OverLimit, HEAP => |w| {
        full(w, |w| w.here.object.register_finalizer_in(&mut w.store, &FinalizerQueue::new(), 1))
    };
    "WeakEntry::new", OverLimit, HEAP => |w| {
        full(w, |w| WeakEntry::new(&mut w.store, &w.here.object, &w.here.host))
    };
    "Rooted::transfer", OverLimit, HEAP => |w| {
        let there = w.there.object;
        fill(w);
        there.transfer(&w.others[0], &mut w.store, u64::MAX).map(text)
    };
    "Rooted::transfer", OverLimit, Right::Error("the objects take more than the limit of 8 bytes") => |w| {
        w.there.array.transfer(&w.others[0], &mut w.store, 8).map(text)
    };
    "Func::try_new", OverLimit, HEAP => |w| {
        let ty = FuncType::new(&w.engine, [], [])?;
        without_functions(w, |w| Func::try_new(&mut w.store, ty, |_, _, _| Ok(())))
    };
    "Func::new", OverLimit, HEAP_PANIC => |w| {
        let ty = FuncType::new(&w.engine, [], [])?;
        without_functions(w, |w| Ok(Func::new(&mut w.store, ty, |_, _, _| Ok(()))))
    };
    "Func::new_async", OverLimit, HEAP_PANIC => |w| {
        let ty = FuncType::new(&w.engine, [], [])?;
        without_functions(w, |w| Ok(Func::new_async(&mut w.store, ty, |_, _, _| Box::new(async { Ok(()) }))))
    };
    "Func::wrap", OverLimit, HEAP_PANIC => |w| without_functions(w, |w| Ok(Func::wrap(&mut w.store, || 1)));
    "Func::wrap_async", OverLimit, HEAP_PANIC => |w| {
        without_functions(w, |w| Ok(Func::wrap_async(&mut w.store, |_, ()| Box::new(async { 1 }))))
    };
    "Func::call", OverLimit, HEAP => |w| {
        let func = allocating(w)?;
        full(w, |w| func.call(&mut w.store, &[], &mut []))
    };
    "Func::call_async", OverLimit, HEAP => |w| {
        let func = allocating(w)?;
        full(w, |w| run(func.call_async(&mut w.store, &[], &mut [])))
    };
    "TypedFunc::call", OverLimit, HEAP => |w| {
        let func = allocating(w)?.typed::<(), ()>(&w.store)?;
        full(w, |w| func.call(&mut w.store, ()))
    };
    "TypedFunc::call_async", OverLimit, HEAP => |w| {
        let func = allocating(w)?.typed::<(), ()>(&w.store)?;
        full(w, |w| run(func.call_async(&mut w.store, ())))
    };
    "Linker::get", OverLimit, HEAP => |w| {
        let mut linker = linker(w);
        linker.func_wrap("m", "f", || 1)?;
        without_functions(w, |w| linker.get(&mut w.store, "m", "f"))
    };

    // What has to work in a heap that is full.
    "Store::gc", OverLimit, Right::Value("()") => |w| full(w, |w| w.store.gc());
    "Store::checkpoint", OverLimit, Right::Value("()") => |w| full(w, |w| w.store.checkpoint().map(|_| ()));
    "Store::rollback", OverLimit, Right::Value("()") => |w| {
        let checkpoint = w.store.checkpoint()?;
        full(w, |w| {
            w.store.rollback(&checkpoint)?;
            // The handles in the scope are older than the checkpoint and younger than nothing.
            w.kept.clear();
            Ok(())
        })
    };
    "Store::reset", OverLimit, Right::Value("0") => |w| {
        let mut store = Store::builder(&w.engine).gc_heap_max(4 << 20).build(())?;
        let bytes = ArrayType::new(&w.engine, FieldType::new(Mutability::Var, StorageType::I8));
        let mut kept = Vec::new();
        while let Ok(array) = ArrayRef::new(&mut store, &bytes, &Val::I32(1), 100_000) {
            kept.push(array.to_owned(&mut store)?);
        }
        store.reset()?;
        store.gc()?;
        ArrayRef::new(&mut store, &bytes, &Val::I32(1), 1_000_000)?;
        Ok(text(store.instances().count()))
    };
    "Store::heap_snapshot", OverLimit, Right::Value("()") =>
        |w| full(w, |w| Ok(w.store.heap_snapshot(std::io::sink())?));
    "Store::histogram", OverLimit, Right::Value("true") => |w| full(w, |w| Ok(w.store.histogram()?.objects() > 10));
    "Global::new", OverLimit, Right::Value("true") => |w| {
        let ty = GlobalType::new(ValType::ANYREF, true);
        full(w, |w| {
            let global = Global::new(&mut w.store, ty, any(w.here.object))?;
            Ok(matches!(global.get(&mut w.store), Val::AnyRef(Some(_))))
        })
    };
    "Global::get", OverLimit, Right::Value("true") => |w| full(w, |w| Ok(w.here.global.get(&mut w.store).is_null()));
    "Global::set", OverLimit, Right::Value("()") => |w| {
        full(w, |w| {
            w.here.global.set(&mut w.store, any(w.here.object))?;
            w.here.global.set(&mut w.store, Val::AnyRef(None))
        })
    };
    "Table::get", OverLimit, Right::Value("true") => |w| {
        full(w, |w| Ok(w.here.table.get(&mut w.store, 0).is_some_and(|value| value.is_null())))
    };
    "Table::set", OverLimit, Right::Value("()") => |w| {
        full(w, |w| {
            w.here.table.set(&mut w.store, 1, any(w.here.object))?;
            w.here.table.set(&mut w.store, 1, Val::AnyRef(None))
        })
    };
    "Table::fill", OverLimit, Right::Value("()") => |w| {
        full(w, |w| {
            w.here.table.fill(&mut w.store, 0, any(w.here.object), 4)?;
            w.here.table.fill(&mut w.store, 0, Val::AnyRef(None), 4)
        })
    };
    "Rooted<AnyRef>::set_field", OverLimit, Right::Value("()") => |w| {
        full(w, |w| w.here.object.set_field(&mut w.store, 1, Val::AnyRef(None)))
    };
    "Rooted<StructRef>::set_field", OverLimit, Right::Value("()") => |w| {
        full(w, |w| {
            let object = w.here.object.unwrap_struct(&w.store)?;
            object.set_field(&mut w.store, 1, any(w.here.object))?;
            object.set_field(&mut w.store, 1, Val::AnyRef(None))
        })
    };
    "Rooted<ArrayRef>::set", OverLimit, Right::Value("()") => |w| {
        let array = array_of_anys(w)?;
        full(w, |w| array.set(&mut w.store, 1, any(w.here.object)))
    };
    "Rooted<ArrayRef>::fill", OverLimit, Right::Value("()") => |w| {
        let array = array_of_anys(w)?;
        full(w, |w| array.fill(&mut w.store, 0, 2, any(w.here.object)))
    };
    "Rooted<ArrayRef>::copy_within", OverLimit, Right::Value("()") => |w| {
        let array = array_of_anys(w)?;
        full(w, |w| array.copy_within(&mut w.store, 0..1, 1))
    };
    "Local::fill", OverLimit, Right::Value("\"()\"") => |w| {
        let ty = anys(w).bind::<Option<Ref<AnyRef>>, ()>()?;
        let (array, object) = (array_of_anys(w)?, w.here.object);
        full(w, |w| {
            w.store.scope(|s| {
                s.bind(&ty)?;
                let object = object.local(s)?;
                let array = array.to_anyref().local_as::<GcArray<Option<Ref<AnyRef>>>>(s)?.expect("an array");
                array.fill(s, 0, 2, Some(object)).map(text)
            })
        })
    };
    "Scope::bind", OverLimit, Right::Value("()") => |w| {
        let ty = anys(w).bind::<Option<Ref<AnyRef>>, ()>()?;
        full(w, |w| w.store.scope(|s| s.bind(&ty)))
    };
    "Scope::func", OverLimit, Right::Value("true") => |w| {
        let func = w.here.func;
        full(w, |w| w.store.scope(|s| Ok(s.func(&func)?.to_func(s).ty(&mut *s).params().len() == 2)))
    };
    "Scope::root", OverLimit, Right::Value("true") => |w| {
        let object = w.here.object;
        full(w, |w| {
            let root = w.store.scope(|s| {
                let object = object.local(s)?;
                Ok(s.root(object))
            })?;
            root.to_rooted(&mut w.store)?.ref_eq(&w.store, &object)
        })
    };
    "Rooted::local", OverLimit, Right::Value("()") => |w| {
        let object = w.here.object;
        full(w, |w| w.store.scope(|s| object.local(s).map(|_| ())))
    };
    "Rooted::local_as", OverLimit, Right::Value("true") => |w| {
        let object = w.here.object;
        full(w, |w| w.store.scope(|s| Ok(object.local_as::<StructRef>(s)?.is_some())))
    };
    "Root::local", OverLimit, Right::Value("()") => |w| {
        full(w, |w| w.store.scope(|s| w.here.owned.local(s).map(|_| ())))
    };
    "Root::to_rooted", OverLimit, Right::Value("true") => |w| {
        full(w, |w| w.here.owned.to_rooted(&mut w.store)?.ref_eq(&w.store, &w.here.object))
    };
    "Rooted::to_owned", OverLimit, Right::Value("true") => |w| {
        full(w, |w| {
            let owned = w.here.object.to_owned(&mut w.store)?;
            owned.to_rooted(&mut w.store)?.ref_eq(&w.store, &w.here.object)
        })
    };
    "WeakRoot::local", OverLimit, Right::Value("true") => |w| {
        full(w, |w| w.store.scope(|s| Ok(w.here.weak.local(s)?.is_some())))
    };
    "WeakRoot::upgrade", OverLimit, Right::Value("true") => |w| {
        full(w, |w| Ok(w.here.weak.upgrade(&mut w.store)?.is_some()))
    };
    "WeakEntry::get", OverLimit, Right::Value("true") => |w| full(w, |w| Ok(w.here.entry.get(&mut w.store)?.is_some()));
    "WeakEntry::set_value", OverLimit, Right::Value("true") => |w| {
        full(w, |w| w.here.entry.set_value(&mut w.store, &w.here.host))
    };
    "Exception::describe", OverLimit, Right::Value("None") => |w| full(w, |w| w.here.exception.describe(&mut w.store));
    "Exception::payload", OverLimit, Right::Value("2") => |w| {
        full(w, |w| Ok(w.here.exception.payload(&mut w.store)?.len()))
    };
    "Exception::to_ref", OverLimit, Right::Value("true") => |w| {
        full(w, |w| w.here.exception.to_ref(&mut w.store)?.ref_eq(&w.store, &w.here.thrown))
    };
    "Instance::get_func", OverLimit, Right::Value("true") => |w| {
        full(w, |w| Ok(w.here.instance.get_func(&mut w.store, "throw").is_some()))
    };
};
