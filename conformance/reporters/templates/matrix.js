// The matrix: a line per model, a column per conversion and provider; a conversion folds up.

const matrixView = (() => {
  const collator = new Intl.Collator("en", { numeric: true });
  const conversionOf = (row) => `${rows.word("exporter", row)} op${rows.word("opset", row)} ${rows.word("variant", row)}`;

  // Conversions with their providers, over the rows that are shown: those of most rows come first,
  // or a conversion of one model would push what all have out of sight.
  function layout(list, folded) {
    const found = new Map();
    const counts = new Map();
    for (const row of list) {
      const conversion = conversionOf(row);
      counts.set(conversion, (counts.get(conversion) || 0) + 1);
      if (!found.has(conversion)) found.set(conversion, new Set());
      found.get(conversion).add(rows.word("provider", row) || NOTHING);
    }
    const columns = [];
    const oftenFirst = (a, b) => counts.get(b) - counts.get(a) || collator.compare(a, b);
    const groups = [...found.keys()].sort(oftenFirst).map((conversion) => {
      const providers = [...found.get(conversion)].sort(collator.compare);
      const fold = folded.has(conversion);
      const first = columns.length;
      if (fold) columns.push({ conversion, providers, folded: true });
      else columns.push(...providers.map((provider) => ({ conversion, providers: [provider], folded: false })));
      return { conversion, providers, folded: fold, span: columns.length - first };
    });
    const place = new Map();
    columns.forEach((column, number) => column.providers.forEach((provider) => place.set(`${column.conversion}\n${provider}`, number)));
    return { columns, groups, place };
  }

  // A heading per framework and task, below it a line per model with its rows by column.
  function linesOf(list, place) {
    const sections = new Map();
    for (const row of list) {
      const title = [rows.word("framework", row), rows.word("task", row)].filter(Boolean).join(" · ");
      if (!sections.has(title)) sections.set(title, new Map());
      const models = sections.get(title);
      const model = rows.word("model", row);
      if (!models.has(model)) models.set(model, []);
      const cells = models.get(model);
      const column = place.get(`${conversionOf(row)}\n${rows.word("provider", row) || NOTHING}`);
      (cells[column] ??= []).push(row);
    }
    return [...sections].flatMap(([title, models]) => [
      { title, count: models.size },
      ...[...models].map(([model, cells]) => ({ model, cells })),
    ]);
  }

  function head({ groups }, onFold) {
    const top = groups.map(({ conversion, span, folded }) => el(
      "th", { scope: "colgroup", colspan: span, class: folded ? "folded" : "" },
      el("button", { type: "button", "aria-expanded": String(!folded), title: folded ? "show its providers" : "fold up", onclick: () => onFold(conversion) }, conversion),
    ));
    const below = groups.flatMap(({ providers, folded }) => (
      folded
        ? [el("th", { scope: "col", class: "folded" }, providers.length === 1 ? providers[0] : `${providers.length} providers`)]
        : providers.map((provider) => el("th", { scope: "col" }, provider))));
    return [el("tr", {}, el("th", { scope: "col", rowspan: 2, class: "model" }, "Model"), top), el("tr", {}, below)];
  }

  function openCell(row, at, state, actions) {
    const verdict = rows.word("verdict", row);
    const figures = [rows.figure("ratio", row), rows.figure("latency_us", row)];
    const words = [`${shown.ratio(figures[0])} of limit`, shown.duration(figures[1])].filter((_, n) => figures[n] !== null);
    const current = rows.id(row) === state.case ? "true" : null;
    return el(
      "a", { href: actions.address(row), "data-at": at, "aria-current": current, title: rows.word("reason", row) || rows.word("parity", row), class: `v-${verdict}` },
      badge(verdict, true), " ", movement(rows.word("change", row)),
      el("span", { class: "figures" }, words.join(" · ")),
    );
  }

  function foldedCell(row, at, state, actions) {
    const verdict = rows.word("verdict", row);
    const label = `${rows.word("provider", row)}: ${verdict}`;
    return el("a", { href: actions.address(row), "data-at": at, "aria-label": label, title: label, class: `v-${verdict} glyph` }, data.glyphs[verdict]);
  }

  return {
    height: 46,
    prepare(list, state, actions) {
      const plan = layout(list, state.folded);
      const lines = linesOf(list, plan.place);
      const filled = (line, column) => Boolean(lines[line]?.cells?.[column]);
      return {
        count: lines.length,
        columns: plan.columns.length + 1,
        head: head(plan, actions.fold),
        placeOf(row) {
          const line = lines.findIndex(({ cells }) => cells?.some((found) => found.includes(row)));
          return line < 0 ? null : [line, lines[line].cells.findIndex((found) => found?.includes(row))];
        },
        // The next cell with a case, over headings and gaps.
        step(line, column, down, right) {
          let [y, x] = [line, column];
          do {
            [y, x] = [y + down, x + right];
          } while (y >= 0 && y < lines.length && x >= 0 && x < plan.columns.length && !(filled(y, x) || (down && nearestIn(y, x) !== null)));
          if (y < 0 || y >= lines.length || x < 0 || x >= plan.columns.length) return null;
          return [y, filled(y, x) ? x : nearestIn(y, x)];

          function nearestIn(at, wanted) {
            const there = Object.keys(lines[at].cells || []).map(Number);
            return there.length ? there.sort((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))[0] : null;
          }
        },
        line(number) {
          const { title, count, model, cells } = lines[number];
          if (title !== undefined) {
            const models = `${count} ${count === 1 ? "model" : "models"}`;
            return el("tr", { class: "section" }, el("th", { scope: "rowgroup", colspan: plan.columns.length + 1 }, title, el("span", { class: "muted" }, ` ${models}`)));
          }
          return el("tr", { class: "row" }, el("th", { scope: "row", class: "model", title: model }, model), plan.columns.map((column, place) => {
            const there = cells[place] || [];
            const cell = column.folded ? foldedCell : openCell;
            const inside = there.map((row, n) => cell(row, `${number}.${place}${n ? `.${n}` : ""}`, state, actions));
            return el("td", { class: column.folded ? "folded" : "" }, inside.length ? inside : el("span", { class: "muted", title: "not in this run" }, " "));
          }));
        },
      };
    },
  };
})();
