// What is known of one case: blocks (conformance/reporters/blocks.py), unpacked when asked for.

const details = (() => {
  const parts = new Map();

  async function unpacked(number) {
    const packed = document.getElementById(`part-${number}`).textContent;
    const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  // The structure again with its texts, which stand in columns in the order of the walk.
  function filledIn(value, next) {
    if (Array.isArray(value)) return value.map((inner) => filledIn(inner, next));
    if (value === 0) return next();
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, filledIn(inner, next)]));
  }

  return async (row) => {
    const number = Math.floor(row / data.part);
    if (!parts.has(number)) parts.set(number, unpacked(number));
    const [groups, index] = await parts.get(number);
    const [group, place] = index[row % data.part];
    const [structure, columns] = groups[group];
    let column = 0;
    return filledIn(structure, () => {
      const values = columns[column];
      column += 1;
      const leaf = Array.isArray(values) ? values[place] : values;
      return typeof leaf === "string" ? leaf.replaceAll(data.own_id, () => rows.id(row)) : leaf;
    });
  };
})();

function safeAddress(address) {
  try {
    return ["http:", "https:", "file:"].includes(new URL(address, document.baseURI).protocol) ? address : null;
  } catch {
    return null;
  }
}

function textOf(text) {
  if (!Array.isArray(text)) return [String(text)];
  return text.map((part) => {
    if (!Array.isArray(part)) return String(part);
    const [kind, words, address] = part;
    if (kind === "link" && safeAddress(address)) return el("a", { href: address, rel: "noreferrer" }, words);
    return kind === "muted" ? el("span", { class: "muted" }, words) : el(kind === "strong" ? "strong" : "code", {}, words);
  });
}

function scrolling(label, kind, table) {
  return el("div", { class: `scroll ${kind}`, role: "region", "aria-label": label, tabindex: 0 }, table);
}

function tableOf(block) {
  const heads = block.head.map(([name, kind, title]) => el("th", { scope: "col", class: kind, title: title || null }, name));
  const lines = block.rows.map((row) => {
    if ("span" in row) {
      return el("tr", { class: row.c }, el("td", { class: "problem", colspan: heads.length }, textOf(row.span)));
    }
    return el("tr", { class: row.c }, row.cells.map((cell, number) => {
      if (number === 0) return el("th", { scope: "row" }, textOf(cell));
      const toned = typeof cell === "object" && !Array.isArray(cell);
      const kind = `${block.head[number][1]} ${toned ? cell.c : ""}`;
      return el("td", { class: kind }, textOf(toned ? cell.x : cell));
    }));
  });
  return scrolling(block.label, block.c, el("table", { class: "certificate" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, lines)));
}

function stepsOf(block) {
  const head = el(
    "tr", {}, el("th", { scope: "col" }, "Step"),
    el("th", { scope: "col", class: "num", title: "largest distance from the exact answer" }, "From the exact answer"),
    el("th", { scope: "col", class: "num", title: "largest distance from the step before" }, "Brought in"),
    el("th", { scope: "col", class: "scale" }, el("span", { class: "hidden" }, "On a logarithmic scale"), stepAxis(block.ticks)),
  );
  const lines = block.bars.map((bar) => el(
    "tr", { class: bar.guilty ? "guilty" : "" }, el("th", { scope: "row" }, textOf(bar.name)),
    el("td", { class: "num" }, bar.from), el("td", { class: "num" }, bar.brought),
    el("td", { class: "scale" }, stepBars(bar, block.limit)),
  ));
  const key = [["error", " from the exact answer "], ["delta", " brought in by the step "], ["limit", ` ${block.key}`]];
  return [
    scrolling(block.label, "", el("table", { class: "certificate waterfall" }, el("thead", {}, head), el("tbody", {}, lines))),
    el("p", { class: "key muted" }, key.map(([kind, words]) => [el("span", { class: `swatch ${kind}` }), words])),
  ];
}

function commandOf(command) {
  const code = el("code", {}, command);
  const button = el("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected: copy it now";
    }
  });
  return el("p", { class: "repro" }, el("span", { class: "muted" }, "Repeat this case:"), " ", code, " ", button);
}

const SHOWN = {
  head: (block) => el("h4", {}, textOf(block.x)),
  para: (block) => el("p", { class: block.c }, textOf(block.x)),
  facts: (block) => el("dl", { class: "facts" }, block.rows.map(([term, known, kind]) => (
    el("div", { class: kind }, el("dt", {}, term), el("dd", {}, textOf(known)))))),
  table: tableOf,
  steps: stepsOf,
  command: (block) => commandOf(block.x),
  pre: (block) => el("pre", { tabindex: 0 }, block.x),
  strip: (block) => el("p", {}, strip(block.letters, block.label, 9, 18), el("span", { class: "caption" }, block.label)),
  bars: (block) => el("p", {}, bars(block), el("span", { class: "caption" }, block.label)),
  trend: (block) => el("div", { class: "line" }, el("strong", {}, block.x), trendChart(block), el("span", { class: "caption" }, block.label)),
};

// The panel's head is there at once; the rest when it is unpacked.
async function fillPanel(panel, row, permalink, close) {
  const marks = rows.word("trusted", row).map((key) => {
    const [words, title] = data.trust[key] || [key, key];
    return el("span", { class: "mark note", title }, el("span", { "aria-hidden": "true" }, "⚠"), ` ${words}`);
  });
  const change = rows.word("change", row);
  const reason = rows.word("reason", row);
  const body = el("div", { class: "told" });
  panel.replaceChildren(
    el("header", {},
      el("h3", { id: "panel-title" }, rows.word("model", row)),
      el("button", { type: "button", class: "close", onclick: close }, "Close"),
      el("p", {}, badge(rows.word("verdict", row)), " ", change ? [movement(change), ` ${change} `] : null, marks,
        el("a", { href: permalink, class: "permalink" }, "link to this case")),
      reason ? el("p", { class: "why" }, `${rows.word("stage", row)}: ${reason}`) : null),
    body,
  );
  try {
    const blocks = await details(row);
    body.replaceChildren(...blocks.flatMap((block) => SHOWN[block.t](block)));
  } catch (error) {
    body.replaceChildren(el("p", { class: "problem" }, `The details can't be unpacked by this browser (${error.message}); report.json has them.`));
  }
}
