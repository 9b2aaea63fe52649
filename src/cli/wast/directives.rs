//! The directives of a script in order; `thread` starts others of their own, `wait` ends when they end.

use super::script::{Script, SharedModule};
use super::{Engines, Totals, WastArgs, fail};
use crate::cli::trace::Trace;
use anyhow::{Result, anyhow};
use std::collections::HashMap;
use std::path::Path;
use std::thread::{Scope, ScopedJoinHandle};
use wast::{WastDirective, WastThread};

/// What all threads of a script share.
pub struct Context<'a> {
    pub args: &'a WastArgs,
    pub engines: Engines<'a>,
    pub trace: Option<&'a Trace>,
    pub path: &'a Path,
    pub text: &'a str,
}

impl Context<'_> {
    fn line(&self, directive: &WastDirective<'_>) -> usize {
        directive.span().linecol_in(self.text).0
    }
}

/// Runs directives in a store of their own. `shared` is the module that a thread may register.
///
/// # Errors
/// There is no store to run them in.
pub fn run<'scope>(
    scope: &'scope Scope<'scope, '_>,
    context: &'scope Context<'scope>,
    shared: Option<SharedModule>,
    directives: Vec<WastDirective<'scope>>,
) -> Result<Totals> {
    let options = &context.args.engine;
    let (store, watch) = options.store(context.engines.run, (), context.trace, None)?;
    let mut script = Script::new(store, context.engines.press.cloned(), options.code.features.set()?, shared)?;
    let mut totals = Totals::default();
    let mut threads = Threads::default();
    for directive in directives {
        let line = context.line(&directive);
        let result = match directive {
            WastDirective::Thread(thread) => threads.start(scope, context, &mut script, thread),
            WastDirective::Wait { thread, .. } => threads.wait(thread.name()).map(|of_thread| totals.add(of_thread)),
            directive => script.run(directive),
        };
        match result {
            Ok(()) => totals.passed += 1,
            Err(error) => fail(context.path, line, &format!("{error:#}"), &mut totals),
        }
    }
    for name in threads.names() {
        totals.add(threads.wait(&name)?);
    }
    watch.finish(script.store_mut());
    Ok(totals)
}

/// Threads that were started, by name.
#[derive(Default)]
struct Threads<'scope>(HashMap<String, ScopedJoinHandle<'scope, Result<Totals>>>);

impl<'scope> Threads<'scope> {
    fn start(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        context: &'scope Context<'scope>,
        script: &mut Script,
        thread: WastThread<'scope>,
    ) -> Result<()> {
        let shared = thread.shared_module.map(|module| script.shared_module(module)).transpose()?;
        let handle = scope.spawn(move || run(scope, context, shared, thread.directives));
        self.0.insert(thread.name.name().to_owned(), handle);
        Ok(())
    }

    fn wait(&mut self, name: &str) -> Result<Totals> {
        let handle = self.0.remove(name).ok_or_else(|| anyhow!("there is no thread ${name}"))?;
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
