//! Compiling a function again, and putting its code in the place of what there was.

use super::Tier;
use crate::engine::Tiering;
use crate::errors::{Error, Result};
use crate::module::ModuleInner;
use crate::module::compile::{Relocator, compiling_budget, exceptions, to_error};
use heapwood_jit::abi::CompiledFunction;
use heapwood_jit::{CompileEnv, CompileOptions, Inline, Scratch, Targets, compile_function};
use std::collections::HashSet;

impl ModuleInner {
    /// Has a function, by defined index, tell what its calls by reference call.
    pub(super) fn compile_counting(&self, tier: &Tier, function: u32) {
        let config = self.engine.config();
        let options = CompileOptions { count_targets: true, loop_heads: true, ..config.compile_options(false) };
        let Ok(compiled) = self.compile_again(tier, function, options, None) else {
            return tier.state.lock().functions.give_up(function);
        };
        let has_calls = !compiled[0].1.counted.is_empty();
        if has_calls {
            tier.state.lock().seen.number(function, &compiled[0].1);
            self.code.set_counting(function, true);
            if !self.put(tier, compiled) {
                return;
            }
        }
        tier.state.lock().functions.begin_counting(config.tiering_mode(), function, has_calls);
    }

    /// Compiles a function, by defined index, with what its calls usually call inlined.
    pub(super) fn compile_hot(&self, tier: &Tier, function: u32) {
        self.code.set_counting(function, false);
        let config = self.engine.config();
        let options = CompileOptions { inline: Inline::Hot, loop_heads: true, ..config.compile_options(false) };
        let targets = tier.state.lock().seen.usual(config.tiering_mode(), &self.info);
        let compiled = self.compile_again(tier, function, options, Some(&targets));
        // Where nothing more is inlined than at first, the code is as it was: of use to tests only.
        let is_new = |code: &CompiledFunction| code.inlined.len() > self.code.first_inlined(function);
        let is_on = config.tiering_mode() == Tiering::On;
        let compiled = compiled.ok().filter(|compiled| !is_on || is_new(&compiled[0].1));
        if compiled.is_some_and(|compiled| self.put(tier, compiled)) {
            tier.state.lock().done += 1;
        } else {
            // Code that counts has done its duty.
            self.code.go_back(function);
        }
    }

    /// Compiles a function, by defined index, as it was compiled first, and learns where it has what the heads of its
    /// loops need.
    pub(super) fn compile_learning(&self, tier: &Tier, function: u32) {
        let options = CompileOptions { loop_heads: true, ..self.engine.config().compile_options(false) };
        let budget = compiling_budget(&self.engine, self.info.bytes.len());
        let Some(bodies) = tier.bodies(self) else { return };
        let callees = bodies.first.as_ref();
        let env = CompileEnv { options, callees, ..CompileEnv::new(&self.info, &self.layout, &budget) };
        let job = bodies.hot.job(&self.info, function);
        if let Ok(compiled) = compile_function(&env, function, job, &mut Scratch::default()) {
            self.code.learn_heads(function, &compiled);
        }
    }

    /// The code of a function, by defined index, and behind it that of functions which it calls and which have none.
    fn compile_again(
        &self,
        tier: &Tier,
        function: u32,
        options: CompileOptions,
        targets: Option<&Targets>,
    ) -> Result<Vec<(u32, CompiledFunction)>> {
        let budget = compiling_budget(&self.engine, self.info.bytes.len());
        let Some(bodies) = tier.bodies(self) else {
            return Err(Error::limit("the module does not decode again".to_owned()));
        };
        let callees = Some(&bodies.hot);
        let env = CompileEnv { info: &self.info, context: &self.layout, options, callees, targets, budget: &budget };
        let mut compiled: Vec<(u32, CompiledFunction)> = Vec::new();
        let mut known = HashSet::from([function]);
        let (mut wanted, mut scratch) = (vec![function], Scratch::default());
        while let Some(defined) = wanted.pop() {
            let job = bodies.hot.job(&self.info, defined);
            let code = compile_function(&env, defined, job, &mut scratch).map_err(to_error)?;
            compiled.push((defined, code));
            let called = compiled.last().into_iter().flat_map(|(_, code)| code.callees());
            let called = called.map(|callee| callee - self.info.imported_functions);
            wanted.extend(called.filter(|callee| !self.code.has_code(*callee) && known.insert(*callee)));
        }
        Ok(compiled)
    }

    /// Puts functions in the place of what there was; says whether it did. If there was no room, nothing is compiled
    /// any more.
    fn put(&self, tier: &Tier, compiled: Vec<(u32, CompiledFunction)>) -> bool {
        let (functions, compiled): (Vec<u32>, Vec<CompiledFunction>) = compiled.into_iter().unzip();
        let imported = self.info.imported_functions;
        let added = Relocator::new(&self.engine, exceptions(&compiled), &self.types)
            .and_then(|relocator| self.code.add(functions, &compiled, imported, &relocator));
        let is_put = matches!(added, Ok(true));
        if !is_put {
            tier.state.lock().functions.end();
        }
        is_put
    }
}
