// Charts as SVG, each with the same in words; verdicts differ in height, not only in colour.

const LEVELS = "0123456789abcdef"; // see trends.py and timing.py

// One mark per run, the newest at the right: a low mark is a pass, a high one anything else.
function strip(letters, label, step = 4, height = 14) {
  const marks = [...letters].map((letter, number) => {
    const verdict = data.letters[letter];
    const tall = verdict === "pass" ? height * 0.35 : height;
    return svg("rect", { class: `t-${verdict}`, x: number * step, y: height - tall, width: step - 1, height: tall });
  });
  const width = letters.length * step;
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  return svg("svg", { class: "strip", role: "img", "aria-label": label, ...size }, svg("title", {}, label), marks);
}

// A line of levels with the changes of level as dashed marks; "-" is a run without the figure.
function trendChart(block) {
  const [width, height, pad] = [300, 48, 5];
  const count = block.line.length;
  const top = 15;
  const at = (number, level) => [
    pad + (count > 1 ? (number * (width - 2 * pad)) / (count - 1) : 0),
    height - pad - (LEVELS.indexOf(level) / top) * (height - 2 * pad),
  ];
  const points = [...block.line].map((level, number) => (level === "-" ? null : at(number, level)));
  const stretches = [];
  points.forEach((point, number) => {
    if (!point) return;
    if (number && points[number - 1]) stretches[stretches.length - 1].push(point);
    else stretches.push([point]);
  });
  const label = `${block.x}: ${block.label}${block.changes.length ? `; changes of level: ${block.changes.length}` : ""}`;
  return svg(
    "svg",
    { class: "chart", role: "img", "aria-label": label, width, height, viewBox: `0 0 ${width} ${height}` },
    svg("title", {}, label),
    block.changes.map((number) => {
      const x = at(number - 0.5, "0")[0];
      return svg("line", { class: "step", x1: x, x2: x, y1: 0, y2: height });
    }),
    // a single run between gaps is no line, but it was measured
    stretches.map((stretch) => (stretch.length > 1
      ? svg("polyline", { points: stretch.map((point) => point.join(",")).join(" ") })
      : svg("circle", { class: "lone", cx: stretch[0][0], cy: stretch[0][1], r: 2 }))),
    points.filter(Boolean).slice(-1).map(([cx, cy]) => svg("circle", { cx, cy, r: 2.5 })),
  );
}

// How often each duration was taken, with median and 95th percentile marked.
function bars(block) {
  const [width, height, foot] = [420, 64, 14];
  const step = width / block.counts.length;
  const most = LEVELS.length - 1;
  return svg(
    "svg",
    { class: "chart bars", role: "img", "aria-label": block.label, width, height: height + foot, viewBox: `0 0 ${width} ${height + foot}` },
    svg("title", {}, block.label),
    [...block.counts].map((level, number) => {
      const tall = (LEVELS.indexOf(level) / most) * height;
      return svg("rect", { x: number * step, y: height - tall, width: step - 1, height: tall });
    }),
    block.marks.map(([share, name], number) => {
      const x = share * width;
      const anchor = share > 0.85 ? "end" : share < 0.15 ? "start" : "middle";
      const lifted = number && share - block.marks[0][0] < 0.14;
      return [
        svg("line", { class: number ? "p95" : "median", x1: x, x2: x, y1: 0, y2: height }),
        svg("text", { x: lifted ? x + 22 : x, y: height + 11, "text-anchor": lifted ? "start" : anchor }, name),
      ];
    }),
  );
}

function stepBars(bar, limit) {
  return svg(
    "svg",
    { class: "steps", "aria-hidden": "true", width: "100%", height: 30 },
    bar.error ? svg("rect", { class: "error", x: 0, y: 5, width: `${bar.error}%`, height: 11 }) : null,
    bar.delta ? svg("rect", { class: `delta${bar.over ? " over" : ""}`, x: 0, y: 18, width: `${bar.delta}%`, height: 6 }) : null,
    limit === null ? null : svg("line", { class: "limit", x1: `${limit}%`, x2: `${limit}%`, y1: 0, y2: 30 }),
  );
}

function stepAxis(ticks) {
  return svg(
    "svg",
    { class: "axis", "aria-hidden": "true", width: "100%", height: 16 },
    ticks.map((tick, number) => svg("text", {
      x: `${tick.at}%`, y: 12, "text-anchor": number === 0 ? "start" : tick.at === 100 ? "end" : "middle",
    }, tick.label)),
  );
}
