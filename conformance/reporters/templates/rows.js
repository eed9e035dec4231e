// The rows of the report, as columns: see conformance/reporters/columns.py.

const data = JSON.parse(document.getElementById("data").textContent);

const rows = (() => {
  const { count, words, figures, ids } = data.rows;
  for (const column of Object.values(words)) if (column[1] === 0) column[1] = new Uint8Array(count);
  const texts = new Array(count);
  let numbers = null;
  const word = (name, row) => words[name][0][words[name][1][row]];

  function id(row) {
    if (row in ids) return ids[row];
    const [framework, model, exporter, opset, variant, provider] = [
      "framework", "model", "exporter", "opset", "variant", "provider",
    ].map((name) => word(name, row));
    const key = `${framework}/${model}@${exporter}-op${opset}-${variant}`;
    return provider ? `${key}-${provider}` : key;
  }

  return {
    count,
    word,
    id,
    all: Array.from({ length: count }, (_, row) => row),
    figure: (name, row) => figures[name][row],
    // The different values of a column of words, and which of them a row has.
    values: (name) => words[name][0],
    numbers: (name) => words[name][1],
    // What words without a key are sought in.
    text(row) {
      texts[row] ??= [
        id(row), word("task", row), word("tag", row).join(" "), word("verdict", row), word("reason", row),
      ].join(" ").toLowerCase();
      return texts[row];
    },
    find(caseId) {
      numbers ??= new Map(this.all.map((row) => [id(row), row]));
      return numbers.get(caseId);
    },
  };
})();

function threeDigits(value) {
  return value >= 99.95 || Number.isInteger(value) ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function scaled(value, units, step) {
  for (const unit of units.slice(0, -1)) {
    if (value < step - 0.5) return `${threeDigits(value)} ${unit}`;
    value /= step;
  }
  return `${threeDigits(value)} ${units[units.length - 1]}`;
}

const NOTHING = "–";
const shown = {
  duration: (us) => (us === null ? NOTHING : scaled(us * 1000, ["ns", "µs", "ms", "s"], 1000)),
  size: (bytes) => (bytes === null ? NOTHING : scaled(bytes, ["B", "kB", "MB", "GB"], 1000)),
  ratio(value) {
    if (value === null) return NOTHING;
    if (value >= 1e6 - 0.5) return value.toExponential(1).replace(".0e", "e");
    return value >= 9.95 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
  },
  speedup(value) {
    if (!value) return NOTHING;
    return value >= 1 ? `${this.ratio(value)}× faster` : `${this.ratio(1 / value)}× slower`;
  },
  seconds: (value) => (value === null ? NOTHING : `${threeDigits(value)} s`),
};

function badge(verdict, short = false) {
  const glyph = el("span", { class: "glyph", "aria-hidden": "true" }, data.glyphs[verdict]);
  return el("span", { class: `${short ? "plain" : "badge"} v-${verdict}` }, glyph, verdict);
}

function movement(name) {
  if (!name) return null;
  const [glyph, tone] = data.movements[name];
  return el("span", { class: `o-${tone}`, title: name }, el("span", { "aria-hidden": "true" }, glyph), el("span", { class: "hidden" }, name));
}
