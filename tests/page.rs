//! The page of `bench --html` and `run --gc-report`: its figures, that its numbers are those of `--json` and
//! `--gc-stats=json`, and that names of strangers are only text in it.
//!
//! Where `HEAPWOOD_CHROMIUM` names the command of a Chromium, the page is looked at with that.

mod common;

use common::{finish, heapwood, scratch, skip, wat};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every figure, by its id.
const FIGURES: [&str; 7] = ["pauses", "heap", "latency", "lengths", "mmu", "overhead", "sweep"];
/// Text that would be more than text if somebody took it for markup, script or style.
const HOSTILE: [&str; 6] = [
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=1'>\" onload=\"window.hacked=1",
    "<!--<script>\\u003c/title></style>]]>",
    "\u{2028}\u{2029}\u{202e}\u{7f}\u{9b}31m\u{85}\u{feff}\u{e0041}",
    "\x1b[31m\x07\t\n`${window.hacked=1}`'\"\\",
    "javascript:window.hacked=1//__proto__",
];
/// Allocates for a while, and is collected.
const BUSY: &str = r#"(module
  (type $node (struct (field i64) (field (ref null $node))))
  (global $last (mut (ref null $node)) (ref.null $node))
  (func $start (export "_start") (local $left i32)
    (local.set $left (i32.const 200000))
    (loop $more
      (global.set $last (struct.new $node (i64.const 1) (global.get $last)))
      (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
  (func (export "trap") (call $start) unreachable)
  (func (export "NAME") (param i32) (result i64) (call $start) (i64.const 7)))"#;

/// A page, and its data.
struct Page {
    path: PathBuf,
    text: String,
    data: Value,
}

impl Page {
    fn read(path: &Path) -> Page {
        let text = std::fs::read_to_string(path).expect("a page");
        let data = text.split_once("id=\"data\">").expect("data").1.split_once("</script>").expect("an end").0;
        let data = serde_json::from_str(data).expect("JSON");
        Page { path: path.to_owned(), text, data }
    }

    fn run(&self, index: usize) -> &Value {
        &self.data["runs"][index]
    }
}

/// The page of a measurement, and what it printed as JSON.
fn bench(folder: &Path, module: &Path, options: &[&str]) -> (Page, Value) {
    let html = folder.join("bench.html");
    let mut command = heapwood();
    command.arg("bench").arg("--html").arg(&html).arg("--json").arg(module).args(options);
    let finished = finish(&mut command);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    (Page::read(&html), serde_json::from_str(&finished.stdout).expect("JSON"))
}

/// A measurement that has something for each figure.
fn everything(name: &str) -> (Page, Value) {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guests/deep_lists.wat");
    let options = ["--invoke", "run", "--arg", "2000", "--reps", "2", "--slice", "200:400", "--overhead"];
    bench(&scratch(name), &guest, &[&options[..], &["--gc-heap-sweep", "1.5,3"]].concat())
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("a list instead of {value}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number instead of {value}"))
}

fn fact<'p>(run: &'p Value, name: &str) -> &'p str {
    let found = list(&run["facts"]).iter().find(|fact| fact[0] == name);
    found.and_then(|fact| fact[1].as_str()).unwrap_or_else(|| panic!("{name} in {}", run["facts"]))
}

/// The value at a point of a percentile curve.
fn one_in(curve: &Value, rarity: f64) -> &Value {
    let point = list(curve).iter().find(|point| number(&point[0]) == rarity);
    &point.unwrap_or_else(|| panic!("1 in {rarity} in {curve}"))[1]
}

#[test]
fn every_figure_has_data_and_its_numbers_are_those_of_json() {
    let (page, report) = everything("page-data");
    for figure in FIGURES {
        let part = page.text.split_once(&format!("<figure id=\"{figure}\"")).expect(figure).1;
        let part = part.split_once("</figure>").expect("an end").0;
        for has in ["<h2>", "<p>", "<a href=\"https://", "class=\"body\""] {
            assert!(part.contains(has), "{figure}: no {has}");
        }
        assert!(page.text.contains(&format!("parts(\"{figure}\")")), "{figure} is drawn");
    }
    let run = page.run(0);
    assert_eq!(run["report"], report, "the object of --json as it is");
    let sweep = list(&report["heap_sweep"]["runs"]);
    assert_eq!(list(&page.data["runs"]).len(), 1 + sweep.len());
    for (index, at) in sweep.iter().enumerate() {
        let run = page.run(1 + index);
        assert_eq!((&run["factor"], &run["heap_limit_bytes"]), (&at["factor"], &at["heap_max_bytes"]));
        for field in ["times_ms", "cpu_ms", "gc", "mmu", "slice_ms"] {
            assert_eq!(run["report"][field], at[field], "{field}");
        }
        assert!(
            run["label"]
                .as_str()
                .is_some_and(|label| label.contains(&format!("{} × the least", number(&at["factor"]))))
        );
    }

    let (pauses, gc) = (&run["pauses"], &report["slice_ms"]["gc"]);
    let all = &pauses["all"];
    let both = |field: &str| [&gc["minor"][field], &gc["major"][field]].map(number);
    assert_eq!(number(&all["count"]), both("count").iter().sum::<f64>());
    assert!(number(&all["count"]) > 0.0 && list(&pauses["drawn"]).len() as f64 == number(&all["count"]));
    for (of_page, of_json) in [("max_us", "max_us"), ("max_cpu_us", "max_cpu_us")] {
        assert_eq!(number(&all[of_page]), both(of_json).into_iter().fold(0.0, f64::max));
    }
    let total = both("total_us").iter().sum::<f64>();
    assert!((number(&all["total_us"]) - total).abs() <= total * 1e-9);
    assert!(!list(&pauses["markings"]).is_empty(), "its heap is large enough for a marking");
    assert!(list(&pauses["mmu"]).iter().all(|point| (0.0..=1.0).contains(&number(&point[1]))));
    for lengths in ["lengths", "cpu_lengths"] {
        let counted: f64 = list(&pauses[lengths]).iter().map(|row| number(&row[1])).sum();
        assert_eq!(counted, number(&all["count"]), "{lengths}");
    }
    let slices = &report["slice_ms"];
    assert_eq!(one_in(&run["latency"]["simple"], 100.0), &slices["p99"]);
    for window in ["1", "10", "100", "full"] {
        assert_eq!(one_in(&run["latency"][window], 100.0), &slices["metered"][window]["p99"], "{window}");
    }
}

#[test]
fn a_page_says_what_ran() {
    let folder = scratch("page-facts");
    let module = wat(&folder, "busy.wat", BUSY);
    let (page, _) = bench(&folder, &module, &["--invoke", "NAME", "--arg", "3", "--reps", "1", "--gc-nursery", "256k"]);
    let run = page.run(0);
    assert_eq!((fact(run, "call"), fact(run, "--gc-nursery")), ("NAME(3)", "256k"));
    assert!(fact(run, "program").ends_with("busy.wat") && fact(run, "version").ends_with(env!("CARGO_PKG_VERSION")));
    assert!(fact(run, "command").starts_with("heapwood bench ") && fact(run, "command").contains("--gc-nursery 256k"));
    assert!(fact(run, "machine").contains("core") && fact(run, "heap limit").contains("iB"));
    assert!(fact(run, "date").parse::<u64>().is_ok_and(|ms| ms > 1_700_000_000_000));
    assert!(run["summary"][0].as_str().is_some_and(|text| text.starts_with("The call took ")), "{}", run["summary"]);
    assert_eq!([&run["latency"], &run["factor"]], [&Value::Null; 2]);

    // Two runs are told apart by what differs.
    let first = page.path.to_str().expect("UTF-8").to_owned();
    std::fs::copy(&page.path, folder.join("first.html")).expect("copied");
    let first = first.replace("bench.html", "first.html");
    let options = ["--invoke", "NAME", "--arg", "4", "--reps", "1", "--compare", &first];
    let (page, _) = bench(&folder, &module, &options);
    let labels: Vec<_> = list(&page.data["runs"]).iter().map(|run| run["label"].clone()).collect();
    assert_eq!(labels, ["NAME(4), without --gc-nursery", "NAME(3), --gc-nursery 256k"]);
}

#[test]
fn a_run_has_the_same_page_with_the_numbers_of_its_statistics() {
    let folder = scratch("page-run");
    let (module, html) = (wat(&folder, "busy.wat", BUSY), folder.join("run.html"));
    let run = |options: &[&str]| {
        let mut command = heapwood();
        finish(command.arg("run").arg("--gc-report").arg(&html).arg("--gc-nursery=64k").args(options).arg(&module))
    };
    let finished = run(&["--gc-stats=json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let page = Page::read(&html);
    let stats: Value = serde_json::from_str(&finished.stderr).expect("JSON");
    assert_eq!(page.run(0)["report"], stats);
    let all = &page.run(0)["pauses"]["all"];
    assert_eq!(all["count"], stats["pauses"]["all"]["count"]);
    assert_eq!(page.run(0)["heap_limit_bytes"], stats["heap"]["limit_bytes"]);
    assert!(number(&all["count"]) > 10.0);
    assert!(page.run(0)["summary"][0].as_str().is_some_and(|text| text.starts_with("The program ran for ")));
    let (compared, _) = bench(&folder, &module, &["--reps", "1", "--compare", html.to_str().expect("UTF-8")]);
    assert_eq!(compared.run(1)["pauses"], page.run(0)["pauses"]);

    // A page is written however the program ends.
    std::fs::remove_file(&html).expect("removed");
    let trapped = run(&["--invoke", "trap"]);
    assert_eq!(trapped.code, Some(134), "{}", trapped.stderr);
    assert!(number(&Page::read(&html).run(0)["pauses"]["all"]["count"]) > 10.0);
    let refused = finish(heapwood().args(["run", "--gc-report", "/none/of/this"]).arg(&module));
    let says = refused.stderr.starts_with("error: --gc-report /none/of/this: ");
    assert!(refused.code == Some(1) && says, "{}", refused.stderr);
}

/// Text that a stranger chose, in each place from which it reaches a page: the path of the module, the names of module,
/// export, function and type, arguments, options, and an earlier page.
fn hostile_pages(folder: &Path, index: usize, hostile: &str) -> [Page; 2] {
    let escaped: String = hostile.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let text = BUSY.replacen("(module", &format!("(module $\"{escaped}\""), 1);
    let text = text.replace("$node", &format!("$\"{escaped}t\"")).replace("$start", &format!("$\"{escaped}f\""));
    // A slash in it makes folders.
    let path = folder.join(format!("{index}")).join(format!("{hostile}.wat"));
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(&path, text.replace("NAME", &escaped)).expect("written");
    let html = folder.join("run.html");
    let mut command = heapwood();
    command.args(["run", "--env", &format!("A={hostile}"), "--argv0", hostile, "--gc-report"]).arg(&html);
    let ran = finish(command.arg(&path).arg(hostile));
    assert_eq!(ran.code, Some(0), "{hostile:?}: {}", ran.stderr);
    let of_run = Page::read(&html);
    // What somebody may have written into an earlier page.
    let (_, earlier) = of_run.text.split_once("\"call\",\"").expect("a call");
    let written = serde_json::to_string(hostile).expect("JSON").replace('<', "\\u003c");
    let altered = of_run.text.replacen(earlier, &format!("{}{earlier}", written.trim_matches('"')), 1);
    std::fs::write(&html, altered).expect("written");
    let options = ["--invoke", hostile, "--reps", "1", "--compare", html.to_str().expect("UTF-8")];
    let (of_bench, _) = bench(folder, &path, &options);
    [of_run, of_bench]
}

#[test]
fn names_of_strangers_are_only_text() {
    let folder = scratch("page-hostile");
    let tags = |page: &Page| ["<script", "</script", "<img", "<!--"].map(|tag| page.text.matches(tag).count());
    let harmless = tags(&hostile_pages(&folder, 0, "harmless")[0]);
    for (index, hostile) in (1..).zip(HOSTILE) {
        for page in hostile_pages(&folder, index, hostile) {
            assert_eq!(tags(&page), harmless, "{hostile:?}");
            let shown = heapwood::printable(hostile).to_string();
            for run in list(&page.data["runs"]) {
                let [program, call, command] = ["program", "call", "command"].map(|name| fact(run, name));
                assert!(program.ends_with(&format!("{shown}.wat")), "{program} of {hostile:?}");
                assert!(call.contains(&shown) && !command.is_empty(), "{call} of {hostile:?}");
            }
            let is_shown =
                |c: char| matches!(c, '\n') || heapwood::printable(&c.to_string()).to_string() == c.to_string();
            assert!(page.text.chars().all(is_shown), "{hostile:?}");
        }
    }
}

/// What the page's script made of the data, as a script that is added to it finds it.
const LOOKS: &str = r##"<script>{
Element.prototype.setPointerCapture = () => {};
const find = (id, what) => document.querySelectorAll(`#${id} ${what}`);
const figures = Object.fromEntries([...document.querySelectorAll("figure")].map(({id}) => [id, {
  pictures: find(id, ".plot").length, titles: find(id, "svg[role=img] title").length,
  lines: [...find(id, "path")].filter(path => !/NaN|undefined|Infinity/.test(path.getAttribute("d"))).length,
  bars: find(id, ".bars rect").length, bands: find(id, ".band").length,
  marks: [...find(id, ".plot")].reduce((sum, plot) => sum + +(plot.dataset.marks || 0), 0), missing: find(id, ".missing").length,
}]));
const wrong = [...document.querySelectorAll("svg *")].filter(element =>
  [...element.attributes].some(attribute => /NaN|undefined/.test(attribute.value))).length;
const first = document.querySelector("#pauses .plot"), tip = document.getElementById("tip");
const key = name => first.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
const pointer = (type, x) => first.dispatchEvent(new PointerEvent(type, {clientX: x, clientY: 50, button: 0, pointerId: 1}));
const reset = () => document.querySelector("#pauses .reset").hidden;
const steps = [];
key("ArrowRight"); steps.push(!tip.hidden && tip.textContent);
key("ArrowUp"); steps.push(tip.textContent);
key("+"); steps.push(reset());
key("Escape"); steps.push(reset(), tip.hidden);
const box = first.getBoundingClientRect();
pointer("pointerdown", box.left + 100); pointer("pointermove", box.left + 200); pointer("pointerup", box.left + 200);
steps.push(reset());
const marks = +first.dataset.marks;
first.dispatchEvent(new MouseEvent("dblclick")); steps.push(reset());
const box2 = document.querySelectorAll("thead input");
if (box2[1]) box2[1].click();
const found = {figures, wrong, steps, zoomed: [marks, +first.dataset.marks], ticked: find("pauses", ".plot").length,
  hacked: window.hacked === undefined ? "no" : "yes", scripts: document.scripts.length,
  foreign: document.querySelectorAll("img, iframe, object, embed, link, [onerror], [onload], body [style*=url]").length,
  title: document.title, wide: document.documentElement.scrollWidth > innerWidth,
  unnamed: [...document.querySelectorAll(".plot, svg[role=img]")].filter(element =>
    !element.getAttribute("aria-label") && !element.querySelector("title")).length};
const output = document.createElement("pre");
output.id = "found";
output.textContent = JSON.stringify(found).replace(/[<>&]/g, c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
document.body.append(output);
}</script>"##;

/// What Chromium finds on a page, in a window that is so wide. None where there is no Chromium.
fn look(page: &Page, width: u32) -> Option<Value> {
    let Some(chromium) = std::env::var_os("HEAPWOOD_CHROMIUM") else {
        skip("chromium", "HEAPWOOD_CHROMIUM names no browser: pages are not looked at");
        return None;
    };
    let looked = page.path.with_extension("looked.html");
    let profile = page.path.with_extension("profile");
    std::fs::write(&looked, page.text.replace("</body>", &format!("{LOOKS}</body>"))).expect("written");
    let mut command = Command::new(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("--window-size={width},900")).arg(format!("--user-data-dir={}", profile.display()));
    let output = finish(command.arg(format!("file://{}", looked.display())));
    let found = output.stdout.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let found = found.unwrap_or_else(|| panic!("the script failed, or the browser did not start: {}", output.stderr)).0;
    Some(serde_json::from_str(found).expect("JSON"))
}

#[test]
fn a_browser_draws_every_figure_and_obeys_the_keyboard() {
    let (page, _) = everything("page-browser");
    for width in [500, 1200, 2200] {
        let Some(found) = look(&page, width) else { return };
        for figure in FIGURES {
            let drawn = &found["figures"][figure];
            assert_eq!(drawn["missing"], 0, "{figure}: {drawn}");
            let parts = ["lines", "marks", "bars"].map(|part| number(&drawn[part]));
            assert!(parts.iter().sum::<f64>() > 0.0 && number(&drawn["titles"]) > 0.0, "{figure}: {drawn}");
        }
        assert!(number(&found["figures"]["heap"]["bands"]) > 0.0, "markings");
        assert_eq!([&found["wrong"], &found["unnamed"], &found["foreign"]], [0, 0, 0], "{found}");
        assert_eq!(found["wide"], false, "{width}: the page is wider than its window");
        let (steps, zoomed) = (&found["steps"], &found["zoomed"]);
        assert!(steps[0].as_str().is_some_and(|tip| tip.contains("CPU")) && steps[1].is_string(), "{steps}");
        assert_eq!(list(steps)[2..], json!([false, true, true, false, true]).as_array().expect("a list")[..]);
        assert!(number(&zoomed[0]) < number(&zoomed[1]), "a part has fewer marks than the whole: {zoomed}");
        assert_eq!(found["ticked"], 4, "another run, on the clock and in CPU time");
    }
}

#[test]
fn a_browser_runs_nothing_of_what_strangers_wrote() {
    let folder = scratch("page-browser-hostile");
    for (index, hostile) in (1..).zip(HOSTILE) {
        for page in hostile_pages(&folder, index, hostile) {
            let Some(found) = look(&page, 1200) else { return };
            let expected = [json!("no"), json!(3), json!(0), json!(0)];
            assert_eq!(
                ["hacked", "scripts", "foreign", "wrong"].map(|part| found[part].clone()),
                expected,
                "{hostile:?}"
            );
            assert!(found["title"].as_str().is_some_and(|title| title.contains("Heapwood")), "{found}");
        }
    }
}
