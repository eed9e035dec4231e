// The language of the filter: terms that all have to hold.
//   framework:transformers  verdict:fail,vacuous  -tag:full  opset:>=18  latency:<2ms  ratio:0.5..1
//   name*  "exact words"

const WORD_KEYS = {
  framework: "framework", model: "model", task: "task", exporter: "exporter", variant: "variant",
  provider: "provider", verdict: "verdict", stage: "stage", tag: "tag", trusted: "trusted",
  change: "change", mark: "marks", reason: "reason",
};
const FIGURE_KEYS = {
  opset: [(row) => rows.word("opset", row), { "": 1 }],
  ratio: [(row) => rows.figure("ratio", row), { "": 1, x: 1 }],
  latency: [(row) => rows.figure("latency_us", row), { "": 1e3, ns: 1e-3, us: 1, "µs": 1, ms: 1e3, s: 1e6 }],
  speedup: [(row) => rows.figure("speedup", row), { "": 1, x: 1 }],
  size: [(row) => rows.figure("size_bytes", row), { "": 1e6, b: 1, kb: 1e3, mb: 1e6, gb: 1e9 }],
  export: [(row) => rows.figure("export_s", row), { "": 1, ms: 1e-3, s: 1, min: 60 }],
};
const KEYS = [...Object.keys(WORD_KEYS), ...Object.keys(FIGURE_KEYS), "id"];
const TERM = /(-?)(?:([A-Za-z_-]+):)?((?:"[^"]*(?:"|$)|[^\s"])*)\s*/gy;

// Text to terms {key, values, negative, start, end}; never throws, what is wrong is in problems.
function parseQuery(text) {
  const terms = [];
  const problems = [];
  TERM.lastIndex = text.length - text.trimStart().length;
  while (TERM.lastIndex < text.length) {
    const start = TERM.lastIndex;
    const [whole, minus, name, rest] = TERM.exec(text);
    if (whole === "") break;
    if (!name && !rest) continue;
    const key = (name || "").toLowerCase();
    const term = { key, negative: minus === "-", start, end: start + whole.trimEnd().length };
    if (key && !KEYS.includes(key)) {
      const near = nearest(key);
      problems.push(`Unknown key "${name}" is ignored${near ? `: did you mean ${near}?` : ` (keys: ${KEYS.join(", ")})`}`);
      continue;
    }
    if ((rest.match(/"/g) || []).length % 2) problems.push("A quotation mark is not closed.");
    term.values = key ? split(rest) : [rest.replaceAll('"', "").toLowerCase()];
    if (!term.values.length) continue;
    if (key in FIGURE_KEYS) {
      term.ranges = term.values.map((value) => range(key, value));
      if (term.ranges.includes(null)) {
        problems.push(`"${whole.trim()}" is ignored: ${key} takes a figure, such as ${key}:>=1 or ${key}:1..2`);
        continue;
      }
    }
    if (key in WORD_KEYS && key !== "reason") {
      for (const value of term.values.filter((wanted) => !known(key).some(pattern(wanted)))) {
        problems.push(`No case has ${key} "${value}".`);
      }
    }
    terms.push(term);
  }
  return { terms, problems };
}

function split(rest) {
  const parts = rest.match(/(?:"[^"]*(?:"|$)|[^,"])+/g) || [];
  return parts.map((part) => part.replaceAll('"', "").trim().toLowerCase()).filter(Boolean);
}

// Every value that a column of words has, in lower case.
const known = (() => {
  const found = {};
  return (key) => (found[key] ??= rows.values(WORD_KEYS[key]).flatMap((value) => wordsOf(value)));
})();

function wordsOf(value) {
  if (!Array.isArray(value)) return [String(value).toLowerCase()];
  return value.map((one) => (Array.isArray(one) ? one[0] : one).toLowerCase()); // marks: [text, tone]
}

function pattern(wanted) {
  if (!wanted.includes("*")) return (value) => value === wanted;
  const escaped = wanted.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const expression = new RegExp(`^${escaped.join(".*")}$`, "s");
  return (value) => expression.test(value);
}

function range(key, text) {
  const units = FIGURE_KEYS[key][1];
  const number = (part) => {
    const [, digits, unit] = /^([0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*([a-zµ]*)$/.exec(part) || [];
    return digits !== undefined && unit in units ? Number(digits) * units[unit] : null;
  };
  const [, from, to] = /^(.+)\.\.(.+)$/.exec(text) || [];
  const [, sign, value] = /^(>=|<=|>|<|=)?(.*)$/.exec(text);
  const ends = (from ? [from, to] : [value]).map(number);
  if (ends.includes(null)) return null;
  const [low, high = low] = ends;
  const tests = { ">=": (x) => x >= low, "<=": (x) => x <= low, ">": (x) => x > low, "<": (x) => x < low };
  const test = tests[sign] || ((x) => x >= low && x <= high);
  return (x) => x !== null && test(x); // what has no figure is in no range
}

// One term as a test of a row; a column of words is tested once per different value.
function tester(term) {
  const { key, values, negative } = term;
  let hit;
  if (key in FIGURE_KEYS) {
    const of = FIGURE_KEYS[key][0];
    hit = (row) => term.ranges.some((within) => within(of(row)));
  } else if (key in WORD_KEYS) {
    const within = key === "reason" ? values.map((value) => (text) => text.includes(value)) : values.map(pattern);
    const good = rows.values(WORD_KEYS[key]).map((value) => wordsOf(value).some((one) => within.some((test) => test(one))));
    const numbers = rows.numbers(WORD_KEYS[key]);
    hit = (row) => good[numbers[row]];
  } else if (key === "id") {
    const tests = values.map(pattern);
    hit = (row) => tests.some((test) => test(rows.id(row).toLowerCase()));
  } else {
    const within = values[0].includes("*") ? pattern(`*${values[0]}*`) : (text) => text.includes(values[0]);
    hit = (row) => within(rows.text(row));
  }
  return negative ? (row) => !hit(row) : hit;
}

function matching(query, withoutKey = null) {
  const tests = query.terms.filter((term) => !withoutKey || term.key !== withoutKey || term.negative).map(tester);
  return tests.length ? rows.all.filter((row) => tests.every((test) => test(row))) : rows.all;
}

// The text with one key's terms replaced by these values; what else it says stays as it is.
function withValues(text, key, values) {
  let kept = "";
  let from = 0;
  for (const term of parseQuery(text).terms) {
    if (term.key !== key || term.negative) continue;
    kept += text.slice(from, term.start);
    from = term.end;
  }
  kept = (kept + text.slice(from)).replace(/\s+$/, "").replace(/^\s+/, "");
  if (!values.length) return kept;
  const written = values.map((value) => (/[\s,"*]/.test(value) ? `"${value.replaceAll('"', "*")}"` : value));
  return `${kept}${kept && " "}${key}:${written.join(",")}`;
}

function nearest(wrong) {
  const close = KEYS.map((key) => [distance(wrong, key), key]).sort(([a], [b]) => a - b)[0];
  return close[0] <= 2 ? close[1] : KEYS.find((key) => key.startsWith(wrong));
}

// Edits between two words (Levenshtein).
function distance(a, b) {
  let before = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i += 1) {
    const now = [i];
    for (let j = 1; j <= b.length; j += 1) {
      now[j] = Math.min(now[j - 1] + 1, before[j] + 1, before[j - 1] + (a[i - 1] !== b[j - 1]));
    }
    before = now;
  }
  return before[b.length];
}
