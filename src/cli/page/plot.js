/**
 * A picture with two axes.
 *
 * `spec` has `label` (what is seen, in words), `height`, the axes `x` and `y` (`low`, `high`, `log`, `format`, `name`),
 * and what is drawn: `bands` ([from, to]), `lines` ({points, color, dash, dots, isLoose: only dots, step: whether a value
 * holds until the next point, "after", or from the last one on, "before"}), `marks`
 * ({color, points}: small and translucent, on a canvas), `levels` ({at, text}). A point is [x, y, lines of its text]; the
 * text may be a function.
 * `view` is {range, listeners}: the part of the x axis that is seen, which several pictures may share.
 */
const plots = (() => {
  const LEFT = 64,
    RIGHT = 14,
    TOP = 22,
    BOTTOM = 26;
  /** How near the pointer has to be to a point, in pixels. */
  const NEAR = 28;
  const tip = document.getElementById("tip");

  const make = (tag, attributes, parent, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  };
  const element = (tag, className, parent, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    if (parent) parent.appendChild(made);
    return made;
  };
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const newView = () => ({range: null, listeners: []});
  const look = (view, range) => {
    view.range = range;
    view.listeners.forEach(listener => listener());
  };

  const all = [];
  const redrawAll = () => all.forEach(plot => plot.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

  class Plot {
    constructor(parent, spec) {
      this.spec = spec;
      this.view = spec.view || newView();
      this.host = element("div", "plot", parent);
      this.host.tabIndex = 0;
      this.host.setAttribute("role", "application");
      this.host.setAttribute("aria-roledescription", "picture");
      this.host.setAttribute("aria-label", spec.label);
      this.host.setAttribute("aria-describedby", "keys");
      this.host.style.height = `${spec.height}px`;
      if (spec.marks) this.canvas = element("canvas", "", this.host);
      this.svg = make("svg", {role: "img", width: "100%", height: "100%"}, this.host);
      this.redraw = () => this.draw();
      this.view.listeners.push(this.redraw);
      this.points = [...(spec.marks || []), ...(spec.lines || [])]
        .flatMap(part => part.points.filter(point => point[2]))
        .sort((a, b) => a[0] - b[0]);
      this.chosen = null;
      this.listen();
      all.push(this);
      this.draw();
      let width = this.host.clientWidth;
      this.observer = new ResizeObserver(() => {
        if (this.host.clientWidth === width) return;
        width = this.host.clientWidth;
        requestAnimationFrame(this.redraw);
      });
      this.observer.observe(this.host);
    }

    /** It is taken away. */
    remove() {
      this.observer.disconnect();
      this.view.listeners = this.view.listeners.filter(listener => listener !== this.redraw);
      all.splice(all.indexOf(this), 1);
    }

    axes() {
      const {x, y, height} = this.spec,
        width = Math.max(this.host.clientWidth, 120);
      const range = this.view.range || [x.low, x.high];
      this.width = width;
      this.x = scales.scale(
        {...x, low: range[0], high: range[1]},
        LEFT,
        width - RIGHT,
        Math.floor((width - LEFT) / 70),
      );
      this.y = scales.scale(y, height - BOTTOM, TOP, Math.floor((height - TOP - BOTTOM) / 34));
    }

    draw() {
      const {spec, svg} = this;
      this.axes();
      svg.replaceChildren();
      make("title", {}, svg, spec.label);
      this.drawRules();
      const clip = make(
        "svg",
        {
          x: LEFT,
          y: 0,
          width: this.width - LEFT - RIGHT + 4,
          height: spec.height,
          viewBox: `${LEFT} 0 ${this.width - LEFT - RIGHT + 4} ${spec.height}`,
        },
        svg,
      );
      for (const [from, to] of spec.bands || []) {
        const left = this.x.at(from),
          right = this.x.at(to);
        if (right < LEFT || left > this.width) continue;
        make(
          "rect",
          {class: "band", x: left, y: TOP, width: Math.max(right - left, 1), height: spec.height - TOP - BOTTOM},
          clip,
        );
      }
      for (const line of spec.lines || []) this.drawLine(clip, line);
      if (this.canvas) this.drawMarks();
      if (this.chosen) this.drawChosen();
    }

    drawRules() {
      const {spec, svg, width} = this,
        bottom = spec.height - BOTTOM;
      for (const tick of this.x.ticks) {
        const at = this.x.at(tick),
          anchor = at > width - RIGHT - 24 ? "end" : "middle";
        make("line", {x1: at, x2: at, y1: TOP, y2: bottom, class: "rule"}, svg);
        make(
          "text",
          {x: anchor === "end" ? width - 2 : at, y: bottom + 16, "text-anchor": anchor},
          svg,
          spec.x.format(tick),
        );
      }
      for (const tick of this.y.ticks) {
        const at = this.y.at(tick);
        make("line", {x1: LEFT, x2: width - RIGHT, y1: at, y2: at, class: "rule"}, svg);
        make("text", {x: LEFT - 6, y: at + 4, "text-anchor": "end"}, svg, spec.y.format(tick));
      }
      make("text", {x: 2, y: 12, class: "name"}, svg, spec.y.name);
      make("text", {x: width - 2, y: 12, "text-anchor": "end", class: "name"}, svg, `→ ${spec.x.name}`);
      for (const {at, text} of spec.levels || []) {
        const y = this.y.at(at);
        make("line", {x1: LEFT, x2: width - RIGHT, y1: y, y2: y, class: "limit"}, svg);
        make("text", {x: width - RIGHT - 4, y: y - 4, "text-anchor": "end"}, svg, text);
      }
    }

    drawLine(parent, {points, color: name, dash, step, dots, isLoose}) {
      let path = "",
        last = null;
      for (const [x, y] of points) {
        const px = this.x.at(x).toFixed(1),
          py = this.y.at(y).toFixed(1);
        path +=
          last === null ? `M${px} ${py}` : step === "after" ? `H${px}V${py}` : step ? `V${py}H${px}` : `L${px} ${py}`;
        last = px;
      }
      if (!isLoose)
        make(
          "path",
          {
            d: path,
            fill: "none",
            style: `stroke: var(--${name})`,
            "stroke-width": 1.8,
            "stroke-linejoin": "round",
            ...(dash ? {"stroke-dasharray": dash} : {}),
          },
          parent,
        );
      if (!dots) return;
      for (const [x, y] of points) {
        make("circle", {cx: this.x.at(x), cy: this.y.at(y), r: 3, style: `fill: var(--${name})`}, parent);
      }
    }

    drawMarks() {
      const {canvas, spec} = this,
        density = window.devicePixelRatio || 1;
      canvas.width = Math.round(this.width * density);
      canvas.height = Math.round(spec.height * density);
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${spec.height}px`;
      const ink = canvas.getContext("2d");
      ink.scale(density, density);
      let drawn = 0;
      for (const {color: name, points} of spec.marks) {
        ink.fillStyle = color(name);
        // Few marks may be darker than many.
        ink.globalAlpha = points.length > 3000 ? 0.3 : points.length > 300 ? 0.45 : 0.7;
        const radius = points.length > 3000 ? 1.8 : points.length > 300 ? 2.2 : 3;
        for (const [x, y] of points) {
          const px = this.x.at(x);
          if (px < LEFT - 1 || px > this.width - RIGHT + 2) continue;
          ink.beginPath();
          ink.arc(px, this.y.at(y), radius, 0, 7);
          ink.fill();
          drawn++;
        }
      }
      this.host.dataset.marks = drawn;
    }

    /** Marks the chosen point, and puts its text beside it. */
    drawChosen() {
      const [px, py] = [this.x.at(this.chosen[0]), this.y.at(this.chosen[1])];
      make("circle", {class: "chosen", cx: px, cy: py, r: 6}, this.svg);
      const box = this.host.getBoundingClientRect(),
        size = tip.getBoundingClientRect();
      const [x, y] = [box.left + px, box.top + py];
      const left = x + 14 + size.width > innerWidth ? x - 14 - size.width : x + 14;
      tip.style.left = `${Math.max(4, Math.min(left, innerWidth - size.width - 4))}px`;
      tip.style.top = `${Math.max(4, Math.min(y - size.height / 2, innerHeight - size.height - 4))}px`;
    }

    seen() {
      return this.points.filter(([x]) => x >= this.x.low * (1 - 1e-9) && x <= this.x.high * (1 + 1e-9));
    }

    nearest(px, py) {
      let best = null,
        least = NEAR * NEAR;
      for (const point of this.points) {
        const dx = this.x.at(point[0]) - px;
        if (dx > NEAR) break;
        const dy = this.y.at(point[1]) - py,
          distance = dx * dx + dy * dy;
        if (distance < least) [best, least] = [point, distance];
      }
      return best;
    }

    /** Shows the text of a point beside it, or of none. */
    choose(point) {
      if (this.chosen === point) return;
      this.chosen = point;
      this.svg.querySelector(".chosen")?.remove();
      tip.hidden = !point;
      if (!point) return;
      tip.textContent = typeof point[2] === "function" ? point[2]() : point[2];
      this.drawChosen();
    }

    zoomTo(from, to) {
      const {x} = this.spec;
      const [low, high] = [Math.max(Math.min(from, to), x.low), Math.min(Math.max(from, to), x.high)];
      const whole = low <= x.low && high >= x.high;
      if (high > low) look(this.view, whole ? null : [low, high]);
    }

    /** Shows `factor` of what is seen now, around the chosen point or the middle. */
    zoomBy(factor) {
      const middle = this.chosen ? this.x.at(this.chosen[0]) : (LEFT + this.width - RIGHT) / 2;
      const edge = pixel => this.x.value(middle + (pixel - middle) * factor);
      this.zoomTo(edge(LEFT), edge(this.width - RIGHT));
    }

    step(by) {
      const seen = this.seen();
      if (!seen.length) return;
      const at = seen.indexOf(this.chosen);
      const next = at < 0 ? (by > 0 ? 0 : seen.length - 1) : Math.max(0, Math.min(seen.length - 1, at + by));
      this.choose(seen[next]);
    }

    highest() {
      this.choose(this.seen().reduce((best, point) => (!best || point[1] > best[1] ? point : best), null));
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = {
        ArrowRight: () => this.step(1),
        ArrowLeft: () => this.step(-1),
        PageDown: () => this.step(50),
        PageUp: () => this.step(-50),
        Home: () => this.step(-Infinity),
        End: () => this.step(Infinity),
        ArrowUp: () => this.highest(),
        "+": () => this.zoomBy(0.5),
        "=": () => this.zoomBy(0.5),
        "-": () => this.zoomBy(2),
        0: () => look(this.view, null),
        Escape: () => {
          this.choose(null);
          look(this.view, null);
        },
      };
      const action = Object.hasOwn(actions, event.key) && actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    }

    listen() {
      const {host} = this;
      const at = event => {
        const box = host.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
      };
      let start = null,
        area = null;
      host.addEventListener("pointerdown", event => {
        if (event.button !== 0) return;
        start = at(event)[0];
        host.setPointerCapture(event.pointerId);
      });
      host.addEventListener("pointermove", event => {
        const [px, py] = at(event);
        if (start === null || Math.abs(px - start) < 5) {
          this.choose(this.nearest(px, py));
          return;
        }
        this.choose(null);
        area ||= make("rect", {class: "zoom", y: TOP, height: this.spec.height - TOP - BOTTOM}, this.svg);
        area.setAttribute("x", Math.min(px, start));
        area.setAttribute("width", Math.abs(px - start));
      });
      const end = event => {
        const from = start,
          wasDragged = area !== null;
        area?.remove();
        start = area = null;
        if (wasDragged && event.type === "pointerup") this.zoomTo(this.x.value(from), this.x.value(at(event)[0]));
      };
      host.addEventListener("pointerup", end);
      host.addEventListener("pointercancel", end);
      host.addEventListener("pointerleave", () => this.choose(null));
      host.addEventListener("blur", () => this.choose(null));
      host.addEventListener("dblclick", () => look(this.view, null));
      host.addEventListener("keydown", event => this.key(event));
    }
  }

  return {Plot, make, element, newView, look};
})();
