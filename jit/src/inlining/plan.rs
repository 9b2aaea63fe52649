//! The plan of a function: which of its calls are inlined.

use super::Inline;
use super::callees::{Callee, CalleeScratch, Callees};
use super::targets::Targets;
use crate::analysis::{CallSite, Findings};
use crate::budget::{Budget, list_bytes};
use heapwood_gc_abi::Narrow;
use heapwood_module::{ModuleInfo, limits};
use smallvec::SmallVec;

/// So many bodies lie in each other at most, the function's own not among them.
const DEPTH_MAX: usize = 3;
/// What a call, or what has a slow path, costs beside other operators, which cost 1 each.
const HEAVY_COST: u32 = 4;
/// What a body costs at most that is inlined wherever it is called: a call with its frame is hardly smaller.
const TINY_COST: u32 = 8;
/// What a body costs at most that is inlined while the function's budget lasts.
const SMALL_COST: u32 = 32;
/// What bodies cost together that are inlined into a function, beside tiny ones: so much, and a share of its own
/// operators.
const BUDGET_BASE: u32 = 40;
const BUDGET_SHARE: u32 = 3;
/// The same of functions that run often.
const HOT_COST: u32 = 100;
const HOT_BASE: u32 = 400;
/// How often a function that runs often may be around itself.
const HOT_RECURSIONS_MAX: usize = 2;
/// What bodies cost together that are inlined into a function, tiny ones among them, where all calls are inlined.
const BUDGET_ALWAYS: u32 = 4096;
/// Functions with more operands or locals than that get nothing more: their frames may be as large as they may be.
const SLOTS_MAX: u32 = limits::FRAME_BYTES_MAX / 64;

/// An inlined call, in the order in which the pass comes to them: its own follow those of the body that it is in, up to
/// there. The k-th entry is the body with the number k, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The body that the call is in; 0 is the function's own.
    body: u16,
    /// Operator index of the call in that body.
    op: u32,
    /// What is called, by defined index.
    defined: u32,
}

/// Which calls of a function are inlined; reused from function to function.
#[derive(Default)]
pub(crate) struct Plan {
    entries: Vec<Entry>,
    /// Home slots of references that all these bodies need at most at the same time.
    ref_homes: u32,
    /// What may still be inlined, in costs.
    budget: u32,
}

/// What a plan is made of.
pub(crate) struct Planner<'p> {
    pub(crate) info: &'p ModuleInfo,
    pub(crate) callees: &'p Callees,
    /// What calls by reference were seen to call.
    pub(crate) targets: Option<&'p Targets>,
    pub(crate) inline: Inline,
    pub(crate) budget: &'p Budget,
    pub(crate) scratch: &'p mut CalleeScratch,
    /// What is needed by the function that is planned.
    pub(crate) found: &'p mut Findings,
}

/// A body whose calls are decided on.
struct OpenBody<'c> {
    /// Its number.
    body: u16,
    /// Height of the operand stack below it.
    base: u32,
    /// The functions around it, by defined index, and its own.
    around: &'c SmallVec<[u32; 4]>,
    /// The innermost loop of the function around it.
    in_loop: Option<u32>,
}

impl Plan {
    /// Nothing is inlined.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.ref_homes = 0;
    }

    /// The function, by defined index, that the call with this operator index in this body is inlined of, if it is.
    /// `next` entries were taken before.
    pub(crate) fn inlined(&self, next: usize, body: u16, op: u32) -> Option<u32> {
        let entry = self.entries.get(next)?;
        (entry.body == body && entry.op == op).then_some(entry.defined)
    }

    /// Whether another function than that of the entry before `next` is inlined of the call with this operator index in
    /// this body.
    pub(crate) fn has_more(&self, next: usize, body: u16, op: u32) -> bool {
        let rest = self.entries[next..].iter();
        // Calls of bodies that are inlined there come between.
        rest.take_while(|entry| entry.body > body || entry.body == body && entry.op == op)
            .any(|entry| entry.body == body)
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Home slots of references that inlined bodies need at most at the same time.
    pub(crate) fn ref_homes(&self) -> u32 {
        self.ref_homes
    }

    /// Bytes of the list.
    pub(crate) fn bytes(&self) -> usize {
        list_bytes(&self.entries)
    }

    /// Plans a function, by defined index. What is inlined adds to what was found in it, and every other call does.
    pub(crate) fn make(&mut self, defined: u32, planner: &mut Planner<'_>) {
        self.clear();
        self.budget = match planner.inline {
            Inline::Never | Inline::Small => BUDGET_BASE + planner.found.operators / BUDGET_SHARE,
            Inline::Hot => HOT_BASE + planner.found.operators / BUDGET_SHARE,
            Inline::Always => BUDGET_ALWAYS,
        };
        let sites = std::mem::take(&mut planner.found.calls);
        let around = SmallVec::from_slice(&[defined]);
        let place = OpenBody { body: 0, base: 0, around: &around, in_loop: None };
        self.ref_homes = self.decide(&sites, &place, planner);
        planner.found.calls = sites;
    }

    /// Decides on the calls of a body; says how many home slots of references those that are inlined need at most.
    fn decide(&mut self, sites: &[CallSite], place: &OpenBody<'_>, planner: &mut Planner<'_>) -> u32 {
        let mut ref_homes = 0;
        for site in sites {
            match site.function {
                Some(function) => {
                    let homes = self.decide_on(function, site, place, planner);
                    if homes.is_none() {
                        planner.found.calls_in(place.in_loop.or(site.in_loop));
                    }
                    ref_homes = ref_homes.max(homes.unwrap_or(0));
                }
                None => {
                    let own = *place.around.last().expect("a body is of a function");
                    for target in planner.targets.map_or(&[][..], |targets| targets.of(own, site.op)) {
                        let function = planner.info.imported_functions + target;
                        // Nothing relies on what was seen, the types of operands neither.
                        let ty = planner.info.functions[function as usize];
                        if !planner.info.types.is_subtype(ty, site.ty) {
                            continue;
                        }
                        ref_homes = ref_homes.max(self.decide_on(function, site, place, planner).unwrap_or(0));
                    }
                }
            }
        }
        ref_homes
    }

    /// Decides whether a function is inlined at a site; how many home slots of references it needs at most, if it is.
    fn decide_on(
        &mut self,
        function: u32,
        site: &CallSite,
        place: &OpenBody<'_>,
        planner: &mut Planner<'_>,
    ) -> Option<u32> {
        let in_loop = place.in_loop.or(site.in_loop);
        let base = place.base + site.base;
        let (defined, callee) = self.chosen(function, base, place, planner)?;
        self.entries.push(Entry { body: place.body, op: site.op, defined });
        add(planner.found, &callee.found, base, in_loop);
        let mut around = place.around.clone();
        around.push(defined);
        let inner = OpenBody { body: self.entries.len().narrow(), base, around: &around, in_loop };
        let inside = self.decide(&callee.found.calls, &inner, planner);
        Some(callee.locals.references + inside)
    }

    /// What is called, if it is inlined.
    fn chosen<'p>(
        &mut self,
        function: u32,
        base: u32,
        place: &OpenBody<'_>,
        planner: &mut Planner<'p>,
    ) -> Option<(u32, &'p Callee)> {
        let defined = function.checked_sub(planner.info.imported_functions)?;
        let is_deep = place.around.len() > DEPTH_MAX;
        let locals = planner.found.weight.len().narrow::<u32>();
        let slots = base.max(planner.found.height_max).max(locals);
        let is_full = self.entries.len() == usize::from(u16::MAX) || slots > SLOTS_MAX;
        let recursions = place.around.iter().filter(|around| **around == defined).count();
        let recursions_max = if planner.inline == Inline::Hot { HOT_RECURSIONS_MAX } else { 0 };
        if is_deep || is_full || planner.inline == Inline::Never || recursions > recursions_max {
            return None;
        }
        let callee = planner.callees.get(planner.info, defined, planner.budget, planner.scratch)?;
        let cost = callee.found.operators + HEAVY_COST * callee.found.heavy;
        let (is_free, is_small) = match planner.inline {
            Inline::Always => (false, true),
            Inline::Hot => (cost <= TINY_COST, cost <= HOT_COST),
            Inline::Never | Inline::Small => (cost <= TINY_COST, cost <= SMALL_COST),
        };
        if !is_free {
            self.budget = self.budget.checked_sub(cost).filter(|_| is_small)?;
        }
        Some((defined, callee))
    }
}

/// What a body needs that is compiled into a function at this height.
fn add(found: &mut Findings, callee: &Findings, base: u32, in_loop: Option<u32>) {
    found.height_max = found.height_max.max(base + callee.height_max);
    found.has_cold_calls |= callee.has_cold_calls;
    found.uses_memory0 |= callee.uses_memory0;
    for (memory, weight) in &callee.memory_weight {
        found.weigh_memory(*memory, *weight);
    }
    if callee.has_calls {
        found.calls_in(in_loop);
    }
}
