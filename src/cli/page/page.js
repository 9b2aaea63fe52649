/** The page: what ran, the table of runs, and all figures of the runs that are ticked. */
(() => {
  const {element} = plots;
  const {runs} = JSON.parse(document.getElementById("data").textContent);
  const COLORS = 8;
  const entries = runs.map((run, index) => ({run, index, label: run.label, isSweep: typeof run.factor === "number"}));
  // Runs that are shown at first have colors that are far from each other.
  const inOrder = [...entries].sort((a, b) => a.isSweep - b.isSweep);
  inOrder.forEach((entry, place) => (entry.color = `run${place % COLORS}`));
  // Runs of a sweep have a figure of their own.
  const shown = entries.map(entry => !entry.isSweep);

  const factsOf = run => new Map(run.facts);
  const main = factsOf(runs[0]);
  const title = `${main.get("program").split("/").pop()}: ${main.get("call")}`;
  document.title = `${title} – Heapwood`;
  document.getElementById("title").textContent = title;
  document.getElementById("summary").textContent = runs[0].summary[0];
  document.getElementById("details").textContent = runs[0].summary.slice(1).join(" ");

  /** What all runs have in common; what differs is in their labels. */
  const about = () => {
    const list = document.getElementById("about");
    const names = {date: "when", load: "load of the machine"};
    for (const [name, text] of main) {
      const differs = runs.some(run => factsOf(run).get(name) !== text);
      if (differs && !(name in names) && name !== "command") continue;
      const value =
        name === "date"
          ? units.date(+text)
          : name === "load"
            ? `${text} threads wanted to run before it began`
            : text || "on";
      element("dt", "", list, names[name] || name);
      element("dd", name === "command" || name.startsWith("-") ? "code" : "", list, value);
    }
    const option = name => name.startsWith("-");
    const differing = [...new Set(runs.flatMap(run => [...factsOf(run).keys()]))].filter(
      name =>
        !["date", "load", "command"].includes(name) && runs.some(run => factsOf(run).get(name) !== main.get(name)),
    );
    if (!differing.length) return;
    element("dt", "", list, "runs differ in");
    element("dd", differing.every(option) ? "code" : "", list, differing.join(", "));
  };

  const least = list => (list && list.length ? Math.min(...list) : NaN);
  const at = (run, ms) => (run.pauses.mmu.find(([window]) => window === ms) || [])[1];
  const time = us => (Number.isFinite(us) ? units.time(us) : "");
  const ROWS = [
    ["best call", "the shortest of all timed calls, on the clock", run => time(least(run.report.times_ms) * 1e3)],
    [
      "best call, CPU",
      "the shortest of all timed calls, CPU time of the program's thread",
      run => time(least(run.report.cpu_ms) * 1e3),
    ],
    ["length of the run", "with calls for warming up", run => time(run.pauses.run_ms * 1e3)],
    [
      "time in pauses",
      "of the length of the run",
      run =>
        run.pauses.all.count
          ? `${time(run.pauses.all.total_us)} (${units.percent(run.pauses.all.total_us / 1e3 / run.pauses.run_ms)})`
          : "none",
    ],
    ["pauses", "how many", run => units.count(run.pauses.all.count)],
    [
      "median pause",
      "half of all pauses are not longer",
      run => (run.pauses.all.count ? time(run.pauses.all.p50_us) : ""),
    ],
    ["99 % of pauses", "are not longer than this", run => (run.pauses.all.count ? time(run.pauses.all.p99_us) : "")],
    ["longest pause", "on the clock", run => (run.pauses.all.count ? time(run.pauses.all.max_us) : "")],
    [
      "most CPU in a pause",
      "of the collector, in one pause",
      run => (run.pauses.all.count ? time(run.pauses.all.max_cpu_us) : ""),
    ],
    [
      "stalls",
      "pauses in which the program waited for memory, and the longest of them",
      run => {
        const stalls = run.pauses.kinds.find(kind => kind.name === "stall");
        return stalls && stalls.count ? `${units.count(stalls.count)}, at most ${time(stalls.max_us)}` : "none";
      },
    ],
    [
      "worst 10 ms",
      "the part of any 10 ms that the program had at least",
      run => (at(run, 10) === undefined ? "" : units.percent(at(run, 10))),
    ],
    ["requests: 99 %", "of the slices took at most this", run => time(run.report.slice_ms?.p99 * 1e3)],
    ["requests: 99.9 %", "of the slices took at most this", run => time(run.report.slice_ms?.p999 * 1e3)],
    [
      "metered: 99.9 %",
      "of the slices, if they are asked for at an even rate",
      run => time(run.report.slice_ms?.metered.full.p999 * 1e3),
    ],
    [
      "cost of collecting",
      "at least so much more than without a collector",
      run => (run.report.lower_bound?.overhead ? `× ${run.report.lower_bound.overhead.toFixed(2)}` : ""),
    ],
    ["heap limit", "the most memory that the heap may use", run => units.bytes(run.heap_limit_bytes)],
    [
      "most memory seen",
      "of the heap, after a pause",
      run => (run.pauses.drawn.length ? units.bytes(Math.max(...run.pauses.drawn.map(pause => pause[5])) * 1024) : ""),
    ],
  ];

  const table = () => {
    const body = document.getElementById("runs");
    const head = element("tr", "", element("thead", "", body));
    const corner = element("th", "", head, "");
    corner.setAttribute("aria-label", "figure");
    for (const entry of entries) {
      const cell = element("th", "", head);
      cell.scope = "col";
      const label = element("label", "", cell);
      if (entries.length > 1) {
        const box = element("input", "", label);
        box.type = "checkbox";
        box.checked = shown[entry.index];
        box.addEventListener("change", () => {
          shown[entry.index] = box.checked;
          draw();
        });
        const swatch = element("span", "swatch", label);
        swatch.style.color = `var(--${entry.color})`;
        label.append(" ");
      }
      label.append(entry.label);
      const said = {slices: "pauses during slices", calls: "pauses during calls", run: "pauses of the whole run"};
      cell.title = said[entry.run.what] || "";
    }
    const rows = element("tbody", "", body);
    for (const [name, meaning, of] of ROWS) {
      const texts = runs.map(of);
      if (texts.every(text => text === "")) continue;
      const row = element("tr", "", rows);
      const header = element("th", "", row, name);
      header.scope = "row";
      header.title = meaning;
      texts.forEach(text => element("td", "", row, text || "–"));
    }
    if (entries.length > 1) {
      document.getElementById("runs-hint").append(" Ticked runs are in the figures below.");
    }
  };

  const draw = () => figures.draw(entries.filter(entry => shown[entry.index]));
  about();
  table();
  draw();
})();
