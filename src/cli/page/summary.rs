//! Sentences that say what a page shows, for whoever reads nothing else.

use crate::cli::bench;
use serde_json::{Map, Value};

/// How many times as long as the CPU time something may take on the clock before that is said.
const BUSY_FACTOR: f64 = 1.25;
/// Windows of utilisation that may be named, in milliseconds: the first one in which the program had some time.
const WINDOWS_MS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// Of what was measured (`report`, as `--json` has it) and the pauses ([`Series::json`](super::Series::json)): the
/// sentence that says most, then what there is besides.
pub fn summary(report: &Map<String, Value>, pauses: &Value) -> Vec<String> {
    let mut sentences = vec![lead(report, pauses)];
    sentences.extend(busy(report));
    sentences.extend(cpu(pauses));
    sentences.extend(stalls(pauses));
    sentences.extend(utilisation(pauses));
    sentences.extend(slices(report));
    sentences.extend(overhead(report));
    sentences
}

fn numbers(report: &Map<String, Value>, field: &str) -> Vec<f64> {
    let list = report.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_f64).collect()
}

fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or(0.0)
}

/// A time as the table of `bench` has it.
fn time(ms: f64) -> String {
    bench::time(ms).replace("us", "µs")
}

/// A number with its thousands apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{} times", count(number)) }
}

/// How long it took, and how much of that in pauses.
fn lead(report: &Map<String, Value>, pauses: &Value) -> String {
    let calls = numbers(report, "times_ms");
    let best = calls.iter().copied().min_by(f64::total_cmp).map(|best| match calls.len() {
        1 => format!("The call took {}, and the collector {}.", time(best), stops(pauses, "the program")),
        count => {
            format!(
                "The best of {count} calls took {}, and the collector {}.",
                time(best),
                stops(pauses, "the program")
            )
        }
    });
    let run_ms = report.get("run").and_then(|run| run["length_ms"].as_f64());
    let run = run_ms.map(|ms| format!("The program ran for {}, and the collector {}.", time(ms), stops(pauses, "it")));
    best.or(run).unwrap_or_else(|| format!("The collector {}.", stops(pauses, "the program")))
}

fn stops(pauses: &Value, whom: &str) -> String {
    let all = &pauses["all"];
    let number_of = all["count"].as_u64().unwrap_or(0);
    if number_of == 0 {
        return format!("never paused {whom}");
    }
    let (total_ms, run_ms) = (number(all, "total_us") / 1e3, number(pauses, "run_ms"));
    let part = if run_ms > 0.0 { format!(", {:.1} % of the time", 100.0 * total_ms / run_ms) } else { String::new() };
    let longest = time(number(all, "max_us") / 1e3);
    format!("paused {whom} {}{part}, for {longest} at most", times(number_of))
}

fn busy(report: &Map<String, Value>) -> Option<String> {
    let (wall, cpu): (f64, f64) = (numbers(report, "times_ms").iter().sum(), numbers(report, "cpu_ms").iter().sum());
    (cpu > 0.0 && wall > cpu * BUSY_FACTOR).then(|| {
        let factor = wall / cpu;
        format!("Calls took {factor:.1} times as long as their CPU time: the machine was busy, or the program waited.")
    })
}

/// Long pauses that the collector did not make.
fn cpu(pauses: &Value) -> Option<String> {
    let all = &pauses["all"];
    let (longest_us, cpu_us) = (number(all, "max_us"), number(all, "max_cpu_us"));
    (cpu_us > 0.0 && longest_us > cpu_us * BUSY_FACTOR).then(|| {
        let most = time(cpu_us / 1e3);
        format!("In no pause did the collector need more than {most} of CPU time; what was longer waited for other work of the machine.")
    })
}

fn stalls(pauses: &Value) -> Option<String> {
    let kinds = pauses["kinds"].as_array()?;
    let stalls = kinds.iter().find(|kind| kind["name"] == "stall")?;
    let number_of = stalls["count"].as_u64().filter(|number| *number > 0)?;
    let longest = time(number(stalls, "max_us") / 1e3);
    Some(format!("It had to wait for memory (a stall) {}, for {longest} at most.", times(number_of)))
}

fn utilisation(pauses: &Value) -> Option<String> {
    pauses["all"]["count"].as_u64().filter(|number| *number > 0)?;
    let curve: Vec<(f64, f64)> =
        pauses["mmu"].as_array()?.iter().filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?))).collect();
    let named = WINDOWS_MS.into_iter().filter_map(|ms| curve.iter().find(|(window, _)| *window == ms));
    let (ms, part) = named.into_iter().find(|(_, part)| *part >= 0.005)?;
    Some(format!("Of any {} the program had at least {:.0} %.", time_whole(*ms), part * 100.0))
}

fn time_whole(ms: f64) -> String {
    if ms >= 1000.0 { "second".to_owned() } else { format!("{ms:.0} ms") }
}

fn slices(report: &Map<String, Value>) -> Option<String> {
    let slices = report.get("slice_ms")?;
    let (number_of, ops) = (slices["slices"].as_u64()?, slices["ops"].as_u64()?);
    let (alone, even) = (number(slices, "p999"), number(&slices["metered"]["full"], "p999"));
    Some(format!(
        "Of {} requests (calls of step({ops})) 99.9 % were answered within {}; {} if they come at an even rate and queue up.",
        count(number_of),
        time(alone),
        time(even)
    ))
}

fn overhead(report: &Map<String, Value>) -> Option<String> {
    let factor = report.get("lower_bound")?["overhead"].as_f64()?;
    Some(format!("Managing memory makes a call take at least {factor:.2} times as long as it would without."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::{RecordedPause, Series};
    use heapwood::GcEventKind;
    use serde_json::json;

    fn of(report: &Value, pauses: &Value) -> String {
        summary(report.as_object().expect("an object"), pauses).join(" ")
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([7, 999, 1000, 1_234_567].map(count), ["7", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn sentences_say_what_was_measured_and_nothing_else() {
        let pause =
            |end_ms: f64, kind| RecordedPause { end_ms, pause_us: 2000.0, cpu_us: 500.0, kind, committed: 1, old: 1 };
        let series: Series = [pause(50.0, GcEventKind::Minor), pause(90.0, GcEventKind::Stall)].into_iter().collect();
        let pauses = series.json(100.0);
        let report = json!({"times_ms": [30.0, 20.0], "cpu_ms": [10.0, 10.0], "lower_bound": {"overhead": 1.5},
            "slice_ms": {"slices": 5000, "ops": 1000, "p999": 1.5, "metered": {"full": {"p999": 33.0}}}});
        let text = of(&report, &pauses);
        for part in [
            "The best of 2 calls took 20.00 ms, and the collector paused the program 2 times, 4.0 % of the time, for 2.00 ms \
             at most.",
            "Calls took 2.5 times as long as their CPU time",
            "more than 500.0 µs of CPU time",
            "wait for memory (a stall) once, for 2.00 ms",
            "Of any 10 ms the program had at least 80 %.",
            "Of 5,000 requests (calls of step(1000)) 99.9 % were answered within 1.50 ms; 33.00 ms if",
            "at least 1.50 times as long",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        let calm = of(&json!({"run": {"length_ms": 1500.0}}), &Series::default().json(1500.0));
        assert_eq!(calm, "The program ran for 1.50 s, and the collector never paused it.");
    }
}
