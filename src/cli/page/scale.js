/** Scales: from values to pixels and back, with ticks. */
const scales = (() => {
  const linearTicks = (low, high, most, steps) => {
    const raw = (high - low) / Math.max(most, 1);
    const power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = steps ? steps(raw) : [1, 2, 5, 10].map(n => n * power).find(n => n >= raw * 0.999);
    const ticks = [];
    for (let index = Math.ceil(low / step - 1e-9); index * step <= high * (1 + 1e-9); index++) {
      ticks.push(+(index * step).toPrecision(12));
    }
    return ticks;
  };
  const logTicks = (low, high, most) => {
    const decades = Math.log10(high / low);
    const factors = decades * 3 <= most ? [1, 2, 5] : [1];
    const skip = Math.max(1, Math.ceil(decades / Math.max(most, 1)));
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      if (factors.length === 1 && power % skip) continue;
      for (const factor of factors) {
        const tick = +(factor * Math.pow(10, power)).toPrecision(12);
        if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
      }
    }
    return ticks.length > 1 ? ticks : [low, high].map(n => +n.toPrecision(2));
  };
  /** Steps of memory: powers of two. */
  const binarySteps = raw => Math.pow(2, Math.ceil(Math.log2(raw) - 1e-9));

  /** `axis` has `low`, `high` and perhaps `log` or `binary`; pixels go from `from` to `to`. */
  const scale = (axis, from, to, most) => {
    let {low, high} = axis;
    if (axis.log) {
      low = Math.max(low, 1e-9);
      if (high <= low * 1.0001) [low, high] = [low / 2, low * 2];
      const span = Math.log(high / low);
      return {
        low,
        high,
        ticks: axis.ticks ? axis.ticks.filter(tick => tick >= low && tick <= high) : logTicks(low, high, most),
        at: value => from + ((to - from) * Math.log(Math.max(value, low) / low)) / span,
        value: pixel => low * Math.exp(((pixel - from) / (to - from)) * span),
      };
    }
    if (high <= low) high = low + 1;
    return {
      low,
      high,
      ticks: linearTicks(low, high, most, axis.binary && binarySteps),
      at: value => from + ((to - from) * (value - low)) / (high - low),
      value: pixel => low + ((pixel - from) / (to - from)) * (high - low),
    };
  };
  return {scale};
})();
