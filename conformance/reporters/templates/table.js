// The flat view: a line per case, sorted by any column.

const tableView = (() => {
  const word = (name) => (row) => rows.word(name, row);
  const muted = (text) => el("span", { class: "muted" }, text);
  const conversion = (row) => `${rows.word("exporter", row)} op${rows.word("opset", row)} ${rows.word("variant", row)}`;
  const figure = (name, how) => [(row) => rows.figure(name, row), (row) => shown[how](rows.figure(name, row))];
  // name, title, class, what it sorts by, what it shows
  const COLUMNS = [
    ["model", "Model", "wide", word("model"), null],
    ["framework", "Framework", "", word("framework"), word("framework")],
    ["task", "Task", "", word("task"), word("task")],
    ["conversion", "Conversion", "", conversion, conversion],
    ["provider", "Provider", "slim", word("provider"), (row) => rows.word("provider", row) || NOTHING],
    ["verdict", "Verdict", "", word("verdict"), (row) => badge(rows.word("verdict", row))],
    ["ratio", "Parity", "", (row) => rows.figure("ratio", row), word("parity")],
    ["latency", "Latency", "num slim", ...figure("latency_us", "duration")],
    ["speedup", "vs source", "num slim", ...figure("speedup", "speedup")],
    ["size", "Size", "num slim", ...figure("size_bytes", "size")],
    ["export", "Conversion time", "num slim", ...figure("export_s", "seconds")],
    ["runs", "Last runs", "", word("runs"), (row) => runs(row)],
    ["why", "Notes", "wide", word("reason"), (row) => notes(row)],
  ];
  const collator = new Intl.Collator("en", { numeric: true });

  function runs(row) {
    const letters = rows.word("runs", row);
    const passed = [...letters].filter((letter) => letter === "p").length;
    const change = movement(rows.word("change", row));
    return [strip(letters, `${passed} of ${letters.length} runs passed`), change ? [" ", change] : null];
  }

  function notes(row) {
    const marks = rows.word("marks", row).map(([text, tone]) => (
      el("span", { class: `inline ${tone}` }, el("span", { "aria-hidden": "true" }, "⚠ "), text, "; ")));
    const trusted = rows.word("trusted", row).map((key) => el("span", { class: "inline note" }, `⚠ ${(data.trust[key] || [key])[0]}; `));
    const reason = rows.word("reason", row);
    return el("span", { title: reason || null }, trusted, marks, reason);
  }

  // "-latency" sorts downwards; what has no figure comes last either way.
  function sorted(list, sort) {
    const down = sort.startsWith("-");
    const column = COLUMNS.find(([name]) => name === sort.replace(/^-/, ""));
    if (!column) return list;
    const sign = down ? -1 : 1;
    const keys = new Map(list.map((row) => [row, column[3](row)]));
    const missing = (value) => value === null || value === "";
    return [...list].sort((a, b) => {
      const [left, right] = [keys.get(a), keys.get(b)];
      if (missing(left) || missing(right)) return missing(left) - missing(right) || a - b;
      const order = typeof left === "number" ? left - right : collator.compare(left, right);
      return sign * order || a - b;
    });
  }

  function head(sort, onSort) {
    return el("tr", {}, COLUMNS.map(([name, title, kind]) => {
      const order = sort === name ? "ascending" : sort === `-${name}` ? "descending" : null;
      const next = { ascending: `-${name}`, descending: "" }[order] ?? name;
      return el(
        "th", { scope: "col", class: kind, "aria-sort": order },
        el("button", { type: "button", onclick: () => onSort(next) }, title),
      );
    }));
  }

  return {
    columns: COLUMNS.length,
    height: 34,
    // The lines of the view, the focusable places of each, and how they are drawn.
    prepare(list, state, actions) {
      const order = sorted(list, state.sort);
      return {
        count: order.length,
        head: [head(state.sort, actions.sort)],
        placeOf: (row) => (order.includes(row) ? [order.indexOf(row), 0] : null),
        step: (line, column, down) => [line + down, 0],
        line(number) {
          const row = order[number];
          const current = rows.id(row) === state.case ? "true" : null;
          return el("tr", { class: "row", "aria-current": current }, COLUMNS.map(([name, , kind, , cell]) => {
            if (name !== "model") return el("td", { class: kind }, cell(row));
            const link = el("a", { href: actions.address(row), "data-at": `${number}.0` }, rows.word("model", row));
            return el("th", { scope: "row", class: kind }, link, rows.word("task", row) ? "" : null);
          }));
        },
      };
    },
  };
})();
