/** The figures: what of the runs' data goes into which picture. Times are in microseconds in all pictures. */
const figures = (() => {
  const {Plot, element, make, newView, look} = plots;
  /** Time of the runs: one view, so that pauses and heap show the same part. */
  const timeView = newView();
  const hiddenKinds = new Set();
  /** Kinds that look alike to whoever does not know the collector are explained in the legend. */
  const KINDS = {
    minor: "young objects are collected",
    major: "everything is collected in one pause",
    stall: "the program waits for memory",
    "mark-start": "a marking begins",
    slice: "a step of marking or sweeping",
    "mark-end": "a marking ends",
    evacuate: "objects of sparse blocks move",
  };
  const WINDOWS = [
    ["simple", "alone", ""],
    ["1", "metered, 1 ms", "7 2"],
    ["10", "metered, 10 ms", "5 3"],
    ["100", "metered, 100 ms", "3 3"],
    ["full", "metered, even rate", "1.5 3"],
  ];

  const low = (list, start) => list.reduce((least, number) => (number < least ? number : least), start);
  const high = (list, start) => list.reduce((most, number) => (number > most ? number : most), start);
  const timeAxis = (name, from, to, more) => ({name, low: from, high: to, format: units.time, ...more});
  const plural = (number, noun) => `${units.count(number)} ${noun}${number === 1 ? "" : "s"}`;

  let plotsDrawn = [];
  const plot = (parent, spec) => {
    const drawn = new Plot(parent, spec);
    plotsDrawn.push(drawn);
    return drawn;
  };

  /** The parts of a figure, empty. */
  const parts = name => {
    const figure = document.getElementById(name);
    const [legend, body, note] = ["legend", "body", "note"].map(part => figure.querySelector(`.${part}`));
    [legend, body, note].forEach(part => part.replaceChildren());
    figure.classList.remove("is-missing");
    return {legend, body, note};
  };
  const missing = (body, what, how) => {
    body.parentElement.classList.add("is-missing");
    const box = element("p", "missing", body, `${what} `);
    if (how) element("code", "", box, how);
  };
  const legendOf = (legend, rows) => {
    for (const {text, color, shape = "line"} of rows) {
      const row = element("span", "", legend);
      element("span", `swatch ${shape}`, row).style.color = color ? `var(--${color})` : "";
      row.append(text);
    }
  };
  const runsLegend = (legend, chosen) => {
    if (chosen.length > 1)
      legendOf(
        legend,
        chosen.map(({label, color}) => ({text: label, color})),
      );
  };
  /** A button to see all again, there while a part is seen. */
  const resetButton = (note, view) => {
    const button = element("button", "reset", note, "see all");
    button.type = "button";
    button.addEventListener("click", () => look(view, null));
    const update = () => {
      button.hidden = !view.range;
    };
    view.listeners.push(update);
    update();
  };
  const none = (body, entries) => missing(body, entries.length ? "There was no pause." : "No run is ticked.");

  /** Times count from a little before the first pause, so that runs lie below each other. */
  const zero = ({pauses}) => (pauses.drawn.length ? pauses.drawn[0][0] - pauses.drawn[0][1] / 1e3 : 0);
  const end = run => Math.max(run.pauses.run_ms - zero(run), 1e-3);
  const longestOf = entries => entries.reduce((most, {run}) => Math.max(most, end(run)), 0) * 1e3;
  const kindName = (run, pause) => run.pauses.kinds[pause[3]]?.name || "pause";
  const when = (run, pause) => `${units.time((pause[0] - zero(run)) * 1e3)} after the first pause began`;
  const pauseText = (run, pause) => () => {
    const kind = kindName(run, pause);
    const old = `${kind === "mark-end" ? "in use of the old space" : "old space"} ${units.bytes(pause[4] * 1024)}`;
    const lasted = `${kind}: ${units.time(pause[1])}, CPU ${units.time(pause[2])}`;
    return `${lasted}\n${when(run, pause)}\nheap ${units.bytes(pause[5] * 1024)}, ${old}`;
  };

  /** Marks of a run by kind. `column` is the place of the length in a pause. */
  const marksOf = (run, column, floor) =>
    run.pauses.kinds
      .map((kind, index) => ({
        color: Object.hasOwn(KINDS, kind.name) ? kind.name : "minor",
        points: hiddenKinds.has(kind.name)
          ? []
          : run.pauses.drawn
              .filter(pause => pause[3] === index)
              .map(pause => [(pause[0] - zero(run)) * 1e3, Math.max(pause[column], floor), pauseText(run, pause)]),
      }))
      .reverse();

  const kindsLegend = (legend, entries) => {
    const names = [
      ...new Set(entries.flatMap(({run}) => run.pauses.kinds.filter(kind => kind.count).map(kind => kind.name))),
    ];
    for (const name of names) {
      const button = element("button", "", legend);
      button.type = "button";
      button.title = KINDS[name] || "";
      button.setAttribute("aria-pressed", String(!hiddenKinds.has(name)));
      element("span", "swatch", button).style.color = `var(--${Object.hasOwn(KINDS, name) ? name : "minor"})`;
      const counted = entries.reduce(
        (sum, {run}) => sum + (run.pauses.kinds.find(kind => kind.name === name)?.count || 0),
        0,
      );
      button.append(`${name} (${units.count(counted)})`);
      button.addEventListener("click", () => {
        if (!hiddenKinds.delete(name)) hiddenKinds.add(name);
        redraw();
        document.querySelectorAll("#pauses .legend button")[names.indexOf(name)]?.focus();
      });
    }
  };

  const pausesOverTime = entries => {
    const {legend, body, note} = parts("pauses");
    const chosen = entries.filter(({run}) => run.pauses.drawn.length);
    if (!chosen.length) return none(body, entries);
    kindsLegend(legend, chosen);
    const lengths = chosen
      .flatMap(({run}) => run.pauses.drawn.flatMap(pause => [pause[1], pause[2]]))
      .filter(us => us > 0);
    const [least, most] = [low(lengths, Infinity), high(lengths, 0)];
    const x = timeAxis("since the first pause", 0, longestOf(chosen));
    const y = {low: least / 1.3, high: most * 1.3, log: true, format: units.time};
    for (const {run, label} of chosen) {
      if (chosen.length > 1) element("h3", "panel-title", body, label);
      const row = element("div", "panels", body);
      for (const [column, name, max] of [
        [1, "on the clock", run.pauses.all.max_us],
        [2, "CPU time", run.pauses.all.max_cpu_us],
      ]) {
        plot(row, {
          label: `Pauses over time, ${name}: ${plural(run.pauses.all.count, "pause")}, the longest ${units.time(max)}. ${label}`,
          height: chosen.length > 2 ? 200 : 280,
          view: timeView,
          x,
          y: {...y, name},
          marks: marksOf(run, column, y.low),
        });
      }
    }
    const left = chosen.filter(({run}) => run.pauses.drawn.length < run.pauses.all.count);
    if (left.length) {
      const [drawn, all] = ["drawn", "all"].map(part =>
        left.reduce((sum, {run}) => sum + (part === "drawn" ? run.pauses.drawn.length : run.pauses.all.count), 0),
      );
      note.append(`${units.count(drawn)} of ${plural(all, "pause")} are drawn: the longest of each stretch.`);
    }
    resetButton(note, timeView);
  };

  const heapOverTime = entries => {
    const {legend, body, note} = parts("heap");
    const chosen = entries.filter(({run}) => run.pauses.drawn.length);
    if (!chosen.length) return none(body, entries);
    legendOf(legend, [
      {text: "memory of the heap", color: "run0"},
      {text: "old space", color: "slice"},
    ]);
    if (chosen.some(({run}) => run.pauses.markings.length)) {
      legendOf(legend, [
        {text: "of it in use, by a marking", color: "stall", shape: ""},
        {text: "a marking under way", shape: "area", color: "band"},
      ]);
    }
    const x = timeAxis("since the first pause", 0, longestOf(chosen));
    const panels = element("div", "panels", body);
    const most = high(
      chosen.flatMap(({run}) => run.pauses.drawn.map(pause => Math.max(pause[4], pause[5]) * 1024)),
      1024,
    );
    // A limit that is far away would make all else flat.
    const isNear = limit => limit && limit < most * 1.6;
    const top = chosen.reduce(
      (top, {run: {heap_limit_bytes: limit}}) => Math.max(top, isNear(limit) ? limit : 0),
      most,
    );
    for (const {run, label} of chosen) {
      const panel = element("div", "", panels);
      if (chosen.length > 1) element("h3", "panel-title", panel, label);
      const limit = run.heap_limit_bytes;
      const own = run.pauses.drawn.reduce((most, pause) => Math.max(most, pause[5] * 1024), 0);
      // What the old space holds where a marking ends is what the marking found in it.
      const isAlive = pause => kindName(run, pause) === "mark-end";
      const at = (pause, column) => [(pause[0] - zero(run)) * 1e3, pause[column] * 1024, pauseText(run, pause)];
      plot(panel, {
        label: `Heap over time: at most ${units.bytes(own)}, ${plural(run.pauses.marking_count, "marking")}. ${label}`,
        height: 240,
        view: timeView,
        x,
        y: {low: 0, high: top * 1.08, binary: true, format: units.bytes, name: "memory"},
        bands: run.pauses.markings.map(([from, to]) => [(from - zero(run)) * 1e3, (to - zero(run)) * 1e3]),
        lines: [
          {color: "run0", step: "after", points: run.pauses.drawn.map(pause => at(pause, 5))},
          {
            color: "slice",
            step: "after",
            points: run.pauses.drawn.filter(pause => !isAlive(pause)).map(pause => at(pause, 4)),
          },
          {
            color: "stall",
            dots: true,
            isLoose: true,
            points: run.pauses.drawn.filter(isAlive).map(pause => at(pause, 4)),
          },
        ],
        levels: isNear(limit) ? [{at: limit, text: `limit ${units.bytes(limit)}`}] : [],
      });
    }
    const far = chosen.filter(({run}) => run.heap_limit_bytes);
    if (chosen.length === 1 && far.length)
      note.append(`The limit of the heap is ${units.bytes(far[0].run.heap_limit_bytes)}. `);
    const few = chosen.filter(({run}) => run.pauses.markings.length < run.pauses.marking_count);
    if (few.length)
      note.append(`Not all markings are drawn, of ${plural(few[0].run.pauses.marking_count, "marking")}. `);
    resetButton(note, timeView);
  };

  const latencyView = newView();
  const latency = entries => {
    const {legend, body, note} = parts("latency");
    const chosen = entries.filter(({run}) => run.latency);
    if (!chosen.length) {
      return missing(
        body,
        "Not measured. Requests are calls of the export step of a module that has it:",
        "heapwood bench MODULE --invoke NAME --slice OPS:COUNT --html FILE",
      );
    }
    const single = chosen.length === 1;
    // Of several runs, those two that say most.
    const windows = WINDOWS.filter(([name]) => single || name === "simple" || name === "full");
    const lines = chosen.flatMap(({run, color, label}) =>
      windows
        .filter(([name]) => run.latency[name])
        .map(([name, says, dash]) => ({
          color: single ? `run${WINDOWS.findIndex(([other]) => other === name)}` : color,
          dash: single || name === "simple" ? "" : dash,
          points: run.latency[name].map(([rarity, ms]) => [
            rarity,
            ms * 1e3,
            () =>
              `${units.percentile(rarity)} took at most ${units.time(ms * 1e3)}\n${says}${single ? "" : `\n${label}`}`,
          ]),
        })),
    );
    // The curve of requests alone is not to be covered where all are alike.
    lines.reverse();
    if (single)
      legendOf(
        legend,
        windows.map(([name, text]) => ({text, color: `run${WINDOWS.findIndex(([other]) => other === name)}`})),
      );
    else {
      runsLegend(legend, chosen);
      legendOf(legend, [{text: "alone"}, {text: "metered, even rate", shape: "line dotted"}]);
    }
    const all = lines.flatMap(line => line.points.map(point => point[1])).filter(us => us > 0);
    const rarest = high(
      lines.flatMap(line => line.points.map(point => point[0])),
      10,
    );
    const {report} = chosen[0].run;
    plot(body, {
      label:
        `Latency of requests: 99.9 % took at most ${units.time(report.slice_ms.p999 * 1e3)}, ` +
        `metered at an even rate ${units.time(report.slice_ms.metered.full.p999 * 1e3)}`,
      height: 300,
      view: latencyView,
      x: {
        name: "of the requests",
        low: 1,
        high: rarest,
        log: true,
        format: units.percentile,
        ticks: [2, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7],
      },
      y: {name: "took at most", low: low(all, Infinity) / 1.1, high: high(all, 0) * 1.1, log: true, format: units.time},
      lines,
    });
    note.append(`A request is one call of step(${report.slice_ms.ops}).`);
    resetButton(note, latencyView);
  };

  const lengthsView = newView();
  const lengths = entries => {
    const {legend, body, note} = parts("lengths");
    const chosen = entries.filter(({run}) => run.pauses.lengths.length);
    if (!chosen.length) return none(body, entries);
    runsLegend(legend, chosen);
    legendOf(legend, [
      {text: "on the clock", color: chosen.length === 1 ? chosen[0].color : ""},
      {text: "CPU time", color: chosen.length === 1 ? chosen[0].color : "", shape: "line dashed"},
    ]);
    /** How many are at least so long: steps downwards. */
    const curve = (run, list, says) => {
      let left = run.pauses.all.count;
      return list
        .filter(([us]) => us > 0)
        .map(([us, count]) => {
          const point = [
            us,
            Math.max(left, 0.8),
            (
              number => () =>
                `${plural(number, "pause")} of about ${units.time(us)} or more, ${says}`
            )(left),
          ];
          left -= count;
          return point;
        });
    };
    const lines = chosen.flatMap(({run, color}) => [
      {color, step: "before", points: curve(run, run.pauses.lengths, "on the clock")},
      {color, dash: "5 3", step: "before", points: curve(run, run.pauses.cpu_lengths, "CPU time")},
    ]);
    const all = lines.flatMap(line => line.points.map(point => point[0]));
    const {pauses} = chosen[0].run;
    plot(body, {
      label:
        `Pauses by length: half of ${plural(pauses.all.count, "pause")} are not longer than ${units.time(pauses.all.p50_us)}, ` +
        `99 % than ${units.time(pauses.all.p99_us)}, the longest is ${units.time(pauses.all.max_us)}`,
      height: 300,
      view: lengthsView,
      x: timeAxis("as long or longer", low(all, Infinity) / 1.1, high(all, 0) * 1.1, {log: true}),
      y: {
        name: "pauses",
        low: 0.8,
        high:
          high(
            chosen.map(({run}) => run.pauses.all.count),
            1,
          ) * 1.3,
        log: true,
        ticks: [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8],
        format: units.count,
      },
      lines,
    });
    resetButton(note, lengthsView);
  };

  const mmuView = newView();
  const mmu = entries => {
    const {legend, body, note} = parts("mmu");
    const chosen = entries.filter(({run}) => run.pauses.mmu.length);
    if (!chosen.length) {
      return missing(
        body,
        entries.length ? "The run was too short for the shortest window, 0.1 ms." : "No run is ticked.",
      );
    }
    runsLegend(legend, chosen);
    const worst = chosen[0].run.pauses.mmu.find(([ms]) => ms === 10);
    plot(body, {
      label: `Minimum mutator utilisation${worst ? `: of any 10 ms the program had at least ${units.percent(worst[1])}` : ""}`,
      height: 300,
      view: mmuView,
      x: timeAxis(
        "worst stretch of this length",
        100,
        high(
          chosen.flatMap(({run}) => run.pauses.mmu.map(([ms]) => ms)),
          0.2,
        ) * 1e3,
        {log: true},
      ),
      y: {name: "left to the program", low: 0, high: 1, format: units.percent},
      lines: chosen.map(({run, color, label}) => ({
        color,
        dots: true,
        points: run.pauses.mmu.map(([ms, part]) => [
          ms * 1e3,
          part,
          `of any ${units.time(ms * 1e3)} the program had at least ${units.percent(part)}${chosen.length > 1 ? `\n${label}` : ""}`,
        ]),
      })),
    });
    resetButton(note, mmuView);
  };

  const least = list => (list.length ? Math.min(...list) : NaN);
  const sweepViews = [newView(), newView()];
  const sweep = entries => {
    const {legend, body, note} = parts("sweep");
    const chosen = entries.filter(({run}) => run.report.heap_sweep?.runs?.length);
    if (!chosen.length) {
      return missing(
        body,
        "Not measured. Calls are repeated with several limits of the heap by",
        "heapwood bench MODULE --gc-heap-sweep 1.5,2,3,4,6 --html FILE",
      );
    }
    runsLegend(legend, chosen);
    const single = chosen.length === 1;
    legendOf(legend, [
      {text: "on the clock", color: single ? chosen[0].color : ""},
      {text: "CPU time", color: single ? chosen[0].color : "", shape: "line dashed"},
    ]);
    const longest = (gc, field) => Math.max(gc.minor[field], gc.major[field]);
    const pausesOf = at => (at.slice_ms ? at.slice_ms.gc : at.gc);
    const panels = element("div", "panels", body);
    [
      ["best call", at => least(at.times_ms) * 1e3, at => least(at.cpu_ms) * 1e3],
      ["longest pause", at => longest(pausesOf(at), "max_us"), at => longest(pausesOf(at), "max_cpu_us")],
    ].forEach(([name, wall, cpu], index) => {
      const lines = chosen.flatMap(({run}, place) =>
        [
          [wall, "", "on the clock"],
          [cpu, "5 3", "CPU time"],
        ].map(([of, dash, says]) => ({
          color: chosen[place].color,
          dash,
          dots: true,
          points: run.report.heap_sweep.runs
            .map(at => [
              at.factor,
              of(at),
              `${name} with ${units.digits(at.factor)} × the least heap (${units.bytes(at.heap_max_bytes)}):\n${units.time(of(at))} ${says}`,
            ])
            .sort((a, b) => a[0] - b[0]),
        })),
      );
      const factors = lines.flatMap(line => line.points.map(point => point[0]));
      plot(panels, {
        label: `${name} against heap size, with ${plural(chosen[0].run.report.heap_sweep.runs.length, "limit")} of the heap`,
        height: 260,
        view: sweepViews[index],
        x: {
          name: "× least heap",
          low: Math.min(1, ...factors),
          high: high(factors, 1) * 1.02,
          format: factor => `${units.digits(factor)} ×`,
        },
        y: {
          name,
          low: 0,
          high:
            high(
              lines.flatMap(line => line.points.map(point => point[1])),
              0,
            ) * 1.1,
          format: units.time,
        },
        lines,
      });
    });
    note.append(
      `The least heap is ${chosen.map(({run}) => units.bytes(run.report.heap_sweep.least_bytes)).join(", ")}. ` +
        "Below 1.5 × there is hardly room to collect in.",
    );
  };

  /** Bars: the best call, the same without its pauses, and without a collector. */
  const overhead = entries => {
    const {body, note} = parts("overhead");
    const chosen = entries.filter(({run}) => run.report.lower_bound);
    if (!chosen.length) {
      return missing(
        body,
        "Not measured. Calls are made without a collector as well by",
        "heapwood bench MODULE --overhead --html FILE",
      );
    }
    for (const {run, label} of chosen) {
      if (chosen.length > 1) element("h3", "panel-title", body, label);
      const bound = run.report.lower_bound;
      if (!Number.isFinite(bound.overhead)) {
        element("p", "missing", body, `It could not be measured: ${bound.error}`);
        continue;
      }
      const bars = [
        ["with the collector", bound.best_ms, "run0"],
        ["of that, without pauses", bound.without_pauses_ms, "slice"],
        ["without a collector", bound.none_ms, "run3"],
      ];
      const text = bars.map(([name, ms]) => `${name} ${units.time(ms * 1e3)}`).join(", ");
      bar(body, `What collecting costs: ${text}`, bars, bound);
    }
    const first = chosen[0].run.report.lower_bound;
    if (chosen.length === 1 && first.overhead) {
      note.append(
        `A call takes at least ${first.overhead.toFixed(2)} times as long as it would without memory to manage: ` +
          `${units.time(first.best_ms * 1e3)} beside ${units.time(first.ideal_ms * 1e3)} (dotted line).`,
      );
    }
  };
  const bar = (parent, label, bars, bound) => {
    const host = element("div", "", parent);
    const height = bars.length * 48 + 8;
    const svg = make("svg", {role: "img", width: "100%", height, "aria-label": label, class: "bars"}, host);
    const most = Math.max(...bars.map(([, ms]) => ms));
    const share = ms => `${((ms / most) * 100).toFixed(2)}%`;
    bars.forEach(([name, ms, color], index) => {
      const row = make("g", {}, svg);
      make("title", {}, row, `${name}: ${units.time(ms * 1e3)}`);
      make("text", {class: "bar-text", x: 0, y: index * 48 + 16}, row, `${name}: ${units.time(ms * 1e3)}`);
      make(
        "rect",
        {x: 0, y: index * 48 + 22, height: 16, rx: 2, width: share(ms), style: `fill: var(--${color})`},
        row,
      );
    });
    make("line", {class: "limit", x1: share(bound.ideal_ms), x2: share(bound.ideal_ms), y1: 20, y2: height}, svg);
  };

  let last = [];
  const redraw = () => draw(last);
  /** Draws the figures of these runs, in place of those that are there. */
  const draw = chosen => {
    last = chosen;
    plotsDrawn.forEach(drawn => drawn.remove());
    plotsDrawn = [];
    // Buttons of figures that are gone.
    [timeView, latencyView, lengthsView, mmuView, ...sweepViews].forEach(view => {
      view.listeners = [];
    });
    pausesOverTime(chosen);
    heapOverTime(chosen);
    latency(chosen);
    lengths(chosen);
    mmu(chosen);
    sweep(chosen);
    overhead(chosen);
  };
  return {draw};
})();
