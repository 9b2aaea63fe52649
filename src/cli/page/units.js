/** Numbers as people say them. */
const units = (() => {
  /** Three digits that count, without zeros behind the point. */
  const digits = number => String(+number.toPrecision(3));
  const thousands = number =>
    Math.round(number)
      .toString()
      .replace(/\B(?=(\d{3})+$)/g, ",");
  const scaled = (number, steps) => {
    // What is rounded up to the next unit is said in that one.
    const fits = ([size]) => +(Math.abs(number) / size).toPrecision(3) >= 1;
    const [size, unit] = steps.find(fits) || steps[steps.length - 1];
    const value = number / size;
    return `${Math.abs(value) >= 1000 ? thousands(value) : digits(value)} ${unit}`;
  };
  const times = [
    [3600e6, "h"],
    [60e6, "min"],
    [1e6, "s"],
    [1e3, "ms"],
    [1, "µs"],
    [1e-3, "ns"],
  ];
  const sizes = [
    [2 ** 30, "GiB"],
    [2 ** 20, "MiB"],
    [2 ** 10, "KiB"],
    [1, "bytes"],
  ];
  /** A time in microseconds. From two minutes on in minutes, so that 90 s is not 1.5 min. */
  const time = us => {
    if (us === 0) return "0";
    return scaled(us, Math.abs(us) >= 7200e6 ? times : Math.abs(us) >= 120e6 ? times.slice(1) : times.slice(2));
  };
  const bytes = number => (number === 0 ? "0" : scaled(number, sizes));
  const percent = part => `${+(+(part * 100).toPrecision(3)).toFixed(2)} %`;
  const count = number => thousands(number);
  /** A percentile by the number of requests among which one is slower. */
  const percentile = rarity => {
    if (rarity <= 1) return "fastest";
    const decimals = Math.max(0, Math.ceil(Math.log10(rarity) - 2.0001));
    const text = (100 - 100 / rarity).toFixed(Math.min(decimals + (rarity % 10 ? 1 : 0), 6));
    return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text} %`;
  };
  const date = ms => {
    const [day, clock] = new Date(ms).toISOString().split("T");
    return `${day} ${clock.slice(0, 5)} UTC`;
  };
  return {time, bytes, percent, count, percentile, date, digits};
})();
