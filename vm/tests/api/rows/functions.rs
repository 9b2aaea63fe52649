//! What functions of functions answer to what does not belong to them.

use super::*;

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Functions.
    "Func::new", ForeignEngine, Right::Panic("another engine") => |w| {
        let ty = foreign_func_type(w);
        Ok(text(Func::new(&mut w.store, ty, |_, _, _| Ok(()))))
    };
    "Func::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let func = Func::new(&mut w.store, dead.func.clone(), |_, _, _| Ok(()));
        Ok(text(func.ty(&w.store) == dead.func))
    };
    "Func::try_new", ForeignEngine, ENGINE => |w| {
        let ty = foreign_func_type(w);
        Func::try_new(&mut w.store, ty, |_, _, _| Ok(())).map(text)
    };
    "Func::try_new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let func = Func::try_new(&mut w.store, dead.func.clone(), |_, _, _| Ok(()))?;
        let mut results = [Val::I32(0)];
        func.call(&mut w.store, &[Val::AnyRef(None)], &mut results)?;
        Ok(text(results[0].is_null() && func.ty(&w.store) == dead.func))
    };
    "Func::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.func.ty(&w.store)));
    "Func::call", ForeignStore, STORE => |w| {
        w.there.func.call(&mut w.store, &[Val::I32(1), Val::AnyRef(None)], &mut [Val::I32(0)]).map(text)
    };
    "Func::call", ForeignStore, STORE => |w| call_with(w, any(w.there.object));
    "Func::call", ForeignStore, STORE => |w| call_with(w, any(w.foreign.object));
    "Func::call", ForeignStore, STORE => |w| call_with(w, Val::ExternRef(Some(w.there.host)));
    "Func::call", ForeignStore, STORE => |w| call_with(w, Val::ExnRef(Some(w.there.thrown)));
    "Func::call", ForeignStore, STORE => |w| call_with(w, w.there.func.into());
    "Func::call", StaleHandle, SCOPE => |w| call_with(w, any(w.stale.any));
    "Func::call", StaleHandle, SCOPE => |w| call_with(w, Val::ExternRef(Some(w.stale.host)));
    "Func::call", StaleHandle, SCOPE => |w| call_with(w, Val::ExnRef(Some(w.stale.thrown)));
    "Func::new_async", ForeignEngine, Right::Panic("another engine") => |w| {
        let ty = foreign_func_type(w);
        Ok(text(Func::new_async(&mut w.store, ty, |_, _, _| Box::new(async { Ok(()) }))))
    };
    "Func::new_async", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let func = Func::new_async(&mut w.store, dead.func.clone(), |_, _, _| Box::new(async { Ok(()) }));
        let mut results = [Val::I32(0)];
        run(func.call_async(&mut w.store, &[Val::AnyRef(None)], &mut results))?;
        Ok(text(results[0].is_null() && func.ty(&w.store) == dead.func))
    };
    "Func::call_async", ForeignStore, STORE => |w| {
        let args = [Val::I32(1), Val::AnyRef(None)];
        run(w.there.func.call_async(&mut w.store, &args, &mut [Val::I32(0)])).map(text)
    };
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, any(w.there.object));
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, any(w.foreign.object));
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, Val::ExternRef(Some(w.there.host)));
    "Func::call_async", ForeignStore, STORE => |w| call_async_with(w, w.there.func.into());
    "Func::call_async", ForeignStore, STORE => |w| {
        let foreign = any(w.there.object);
        let ty = FuncType::new(&w.engine, [], [ValType::ANYREF])?;
        let give = Func::new_async(&mut w.store, ty, move |_, _, results| {
            Box::new(async move {
                results[0] = foreign;
                Ok(())
            })
        });
        run(give.call_async(&mut w.store, &[], &mut [Val::AnyRef(None)])).map(text)
    };
    "Func::call_async", StaleHandle, SCOPE => |w| call_async_with(w, any(w.stale.any));
    "Func::call_async", StaleHandle, SCOPE => |w| call_async_with(w, Val::ExternRef(Some(w.stale.host)));
    "Func::typed", ForeignStore, STORE => |w| w.there.func.typed::<i32, i32>(&w.store).map(|_| String::new());
    "TypedFunc::call", ForeignStore, STORE => |w| {
        let typed = Func::wrap(&mut w.foreign_store, |value: i32| value).typed::<i32, i32>(&w.foreign_store)?;
        typed.call(&mut w.store, 1).map(text)
    };
    "TypedFunc::call", ForeignStore, STORE => |w| call_typed(w, w.there_typed.0.to_anyref());
    "TypedFunc::call", ForeignStore, STORE => |w| {
        let func = w.there.func;
        let typed = Func::wrap(&mut w.store, |_: Func| ()).typed::<Func, ()>(&w.store)?;
        typed.call(&mut w.store, func).map(text)
    };
    "TypedFunc::call", ForeignStore, STORE => |w| {
        let foreign = w.there_typed.0;
        let typed = Func::wrap(&mut w.store, move || foreign).typed::<(), Rooted<StructRef>>(&w.store)?;
        typed.call(&mut w.store, ()).map(|_| String::new())
    };
    "TypedFunc::call", StaleHandle, SCOPE => |w| call_typed(w, w.stale.any);
    "TypedFunc::call_async", ForeignStore, STORE => |w| {
        let typed = Func::wrap(&mut w.foreign_store, |value: i32| value).typed::<i32, i32>(&w.foreign_store)?;
        run(typed.call_async(&mut w.store, 1)).map(text)
    };
    "TypedFunc::call_async", ForeignStore, STORE => |w| call_typed_async(w, w.there_typed.0.to_anyref());
    "TypedFunc::call_async", ForeignStore, STORE => |w| {
        let foreign = w.there_typed.0;
        let give = Func::wrap_async(&mut w.store, move |_, ()| Box::new(async move { foreign }));
        let typed = give.typed::<(), Rooted<StructRef>>(&w.store)?;
        run(typed.call_async(&mut w.store, ())).map(|_| String::new())
    };
    "TypedFunc::call_async", StaleHandle, SCOPE => |w| call_typed_async(w, w.stale.any);
};
