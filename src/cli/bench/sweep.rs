//! `--gc-heap-sweep`: the same measurement at several limits of the heap, in multiples of the least one.
//!
//! The least heap is found by bisection: the smallest limit with which the program ends three times, to a sixty-fourth.
//! Comparisons at multiples of it are fair to programs of any size, and show what memory buys.

use super::subject::{self, Measurement};
use super::{BenchArgs, Desk, call_fields};
use anyhow::{Context, Result, bail};
use heapwood::{Config, Engine, ErrorKind, Module, TrapKind};
use serde_json::{Map, Value};

/// The smallest limit that is tried: no heap can be smaller.
const LEAST_BYTES: u64 = 1 << 20;
/// The limit is found to one part in this.
const PRECISION: u64 = 64;
/// How many runs have to succeed with the least heap.
const RUNS_OF_LEAST: usize = 3;

/// Multiples of the least heap, `1.5,2,4`.
#[derive(Clone, Debug)]
pub struct Factors(pub Vec<f64>);

impl std::str::FromStr for Factors {
    type Err = String;

    fn from_str(text: &str) -> Result<Factors, String> {
        let factor = |part: &str| part.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor >= 1.0);
        let factors: Option<Vec<f64>> = text.split(',').map(factor).collect();
        factors.map(Factors).ok_or_else(|| format!("`{text}` is not a list of numbers from 1 on"))
    }
}

/// One heap of a sweep.
pub struct SweepRun {
    pub factor: f64,
    pub heap_bytes: u64,
    pub measured: Measurement,
}

/// A sweep.
pub struct Sweep {
    pub least_bytes: u64,
    pub runs: Vec<SweepRun>,
}

/// Finds the least heap, then measures at multiples of it. Nothing if somebody asks for the end before the first
/// multiple is measured; those behind are left out then.
///
/// # Errors
/// The program does not end with the largest heap; anything that [`subject::measure`] says.
pub fn sweep(desk: Desk<'_>, config: &Config, bytes: &[u8], factors: &[f64]) -> Result<Option<Sweep>> {
    let Desk { args, progress } = desk;
    progress.begin("least heap", 1);
    let Some(least_bytes) = least_heap(desk, config, bytes)? else { return Ok(None) };
    let mut runs = Vec::new();
    for &factor in factors {
        let heap_bytes = ((least_bytes as f64 * factor) as u64).min(heapwood::HEAP_BYTES_LIMIT);
        progress.begin(format!("calls with {factor} times the least heap"), args.warmup + args.reps);
        let measured = with_heap(desk, config, bytes, heap_bytes, args.warmup + args.reps);
        let measured = measured.with_context(|| format!("with {factor} times the least heap ({heap_bytes} bytes)"))?;
        if measured.calls.len() <= args.warmup {
            break;
        }
        runs.push(SweepRun { factor, heap_bytes, measured });
    }
    Ok((!runs.is_empty()).then_some(Sweep { least_bytes, runs }))
}

fn with_heap(desk: Desk<'_>, config: &Config, bytes: &[u8], heap_bytes: u64, count: usize) -> Result<Measurement> {
    let mut config = config.clone();
    config.gc_heap_max(heap_bytes);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, bytes)?;
    subject::measure(desk, &engine, &module, None, count, desk.args.slice)
}

/// Whether one call (and the slices, if they are asked for) succeeds with this limit. Of what somebody ended, that says
/// nothing.
fn fits(desk: Desk<'_>, config: &Config, bytes: &[u8], heap_bytes: u64) -> Result<bool> {
    match with_heap(desk, config, bytes, heap_bytes, 1) {
        Ok(_) => Ok(true),
        Err(error) if is_exhausted(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_exhausted(error: &anyhow::Error) -> bool {
    match ErrorKind::of(error.as_ref()) {
        // A larger limit does not help where the system refuses.
        Some(ErrorKind::Trap(trap)) if trap.is_refused_by_system() => false,
        Some(ErrorKind::Trap(trap)) => matches!(trap.kind(), TrapKind::HeapExhausted | TrapKind::AllocationTooLarge),
        // Objects of constant expressions may not fit either.
        Some(ErrorKind::Limit(_)) => true,
        _ => false,
    }
}

/// Nothing if somebody asks for the end.
fn least_heap(desk: Desk<'_>, config: &Config, bytes: &[u8]) -> Result<Option<u64>> {
    let mut enough = LEAST_BYTES;
    while !fits(desk, config, bytes, enough)? {
        enough *= 2;
        if enough > heapwood::HEAP_BYTES_LIMIT {
            bail!("the program does not end with a heap of {} bytes", heapwood::HEAP_BYTES_LIMIT);
        }
    }
    let mut too_small = if enough == LEAST_BYTES { LEAST_BYTES } else { enough / 2 };
    while enough - too_small > enough / PRECISION {
        let middle = too_small + (enough - too_small) / 2;
        if fits(desk, config, bytes, middle)? {
            enough = middle;
        } else {
            too_small = middle;
        }
    }
    // Near its end a heap may carry one run and not the next: marking and nursery follow the machine's speed.
    while !fits_often(desk, config, bytes, enough)? {
        enough += enough.div_ceil(PRECISION);
    }
    Ok((!desk.progress.is_ended()).then_some(enough))
}

fn fits_often(desk: Desk<'_>, config: &Config, bytes: &[u8], heap_bytes: u64) -> Result<bool> {
    for _ in 0..RUNS_OF_LEAST {
        if !fits(desk, config, bytes, heap_bytes)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Sweep {
    /// `{"least_bytes": …, "runs": [{"factor": …, "heap_max_bytes": …, …}]}`, each run with the fields of a
    /// measurement.
    pub fn json(&self, args: &BenchArgs) -> Value {
        let run = |run: &SweepRun| {
            let mut object = Map::new();
            object.insert("factor".into(), run.factor.into());
            object.insert("heap_max_bytes".into(), run.heap_bytes.into());
            call_fields(args, &run.measured, &mut object);
            Value::Object(object)
        };
        let runs: Vec<Value> = self.runs.iter().map(run).collect();
        serde_json::json!({"least_bytes": self.least_bytes, "runs": runs})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_numbers_from_one_on() {
        assert_eq!("1,1.5,4".parse::<Factors>().unwrap().0, [1.0, 1.5, 4.0]);
        for wrong in ["", "2,", "0.5", "x", "1,-2", "inf"] {
            assert!(wrong.parse::<Factors>().unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
