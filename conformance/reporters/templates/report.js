// What is shown, by one state that the address holds: #q=…&view=…&sort=…&fold=…&case=…

(() => {
  const byId = (id) => document.getElementById(id);
  const [query, scroller, grid, panel] = ["query", "scroller", "grid", "panel"].map(byId);
  const windowed = new Windowed(scroller, grid.tBodies[0]);
  const VIEWS = { matrix: matrixView, table: tableView };
  const FACETS = ["verdict", "change", "framework", "task", "exporter", "opset", "variant", "provider", "stage", "tag"];
  const state = { q: "", view: "matrix", sort: "", folded: new Set(), case: "" };
  let view = null;
  let found = { terms: [], problems: [] };
  let opener = null;

  function readAddress() {
    const fields = {};
    for (const part of location.hash.slice(1).split("&")) {
      const [name, ...rest] = part.split("=");
      try {
        fields[name] = decodeURIComponent(rest.join("="));
      } catch {
        fields[name] = rest.join("=");
      }
    }
    state.q = fields.q || "";
    state.view = fields.view in VIEWS ? fields.view : "matrix";
    state.sort = fields.sort || "";
    state.folded = new Set((fields.fold || "").split("|").filter(Boolean));
    state.case = fields.case || "";
  }

  function address(changed = {}) {
    const now = { ...state, ...changed };
    const fields = { q: now.q, view: now.view === "matrix" ? "" : now.view, sort: now.sort, fold: [...now.folded].join("|"), case: now.case };
    const legible = (text) => encodeURIComponent(text).replace(/%(?:2F|40|3A|2C|2B)/g, decodeURIComponent);
    return `#${Object.entries(fields).filter(([, value]) => value).map(([name, value]) => `${name}=${legible(value)}`).join("&")}`;
  }

  const writeAddress = () => history.replaceState(null, "", address());

  function draw({ top = true } = {}) {
    found = parseQuery(state.q);
    const list = matching(found);
    const which = VIEWS[state.view];
    view = which.prepare(list, state, {
      address: (row) => address({ case: rows.id(row) }),
      sort: (sort) => change({ sort }, `thead th:nth-child(${[...grid.tHead.querySelectorAll("button")].indexOf(document.activeElement) + 1}) button`),
      fold(conversion) {
        const folded = new Set(state.folded);
        if (!folded.delete(conversion)) folded.add(conversion);
        change({ folded }, `thead th:nth-child(${[...grid.tHead.querySelectorAll("button")].indexOf(document.activeElement) + 2}) button`);
      },
    });
    grid.className = state.view;
    grid.setAttribute("aria-rowcount", String(view.count + 1));
    byId("caption").textContent = state.view === "matrix" ? "Models by conversion and provider" : "Every case on every provider";
    grid.tHead.replaceChildren(...view.head);
    if (top) scroller.scrollTop = 0;
    windowed.show(view.count, which.height, view.columns ?? which.columns, view.line);
    byId("shown").textContent = `${list.length} of ${rows.count} cases shown`;
    byId("empty").hidden = list.length > 0;
    scroller.hidden = list.length === 0;
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
    }
    tell();
    if (byId("facets").parentElement.open) drawFacets();
  }

  function tell() {
    const unknown = state.case && rows.find(state.case) === undefined;
    const unselected = data.partial ? ": only a part of the zoo was selected" : "";
    const gone = data.vanished.includes(state.case) ? ": the zoo no longer has it" : unselected;
    byId("hint").textContent = [unknown ? `Case "${state.case}" is not in this run${gone}.` : "", ...found.problems].filter(Boolean).join(" ");
  }

  function change(changed, focus = null) {
    Object.assign(state, changed);
    writeAddress();
    draw();
    if (focus) document.querySelector(`#grid ${focus}`)?.focus();
  }

  // Facets are a view of the query: a box that is ticked stands in it as a value of its key.
  function drawFacets() {
    const picked = (key) => new Set(found.terms.filter((term) => term.key === key && !term.negative).flatMap((term) => term.values));
    byId("facets").replaceChildren(...FACETS.map((key) => {
      const counts = new Map();
      const name = WORD_KEYS[key] || key;
      for (const row of matching(found, key)) {
        for (const value of [rows.word(name, row)].flat()) counts.set(value, (counts.get(value) || 0) + 1);
      }
      const chosen = picked(key);
      const values = rows.values(name).flat().filter((value) => value !== "");
      const offered = [...new Set(values)].sort((a, b) => (counts.get(b) || 0) - (counts.get(a) || 0)).slice(0, 40);
      if (offered.length < 2) return null;
      return el("fieldset", {}, el("legend", {}, key), offered.map((value) => {
        const box = el("input", { type: "checkbox", name: key, value });
        box.checked = chosen.has(String(value).toLowerCase());
        return el("label", { class: "choice" }, box, ` ${value} `, el("span", { class: "muted" }, counts.get(value) || 0));
      }));
    }).filter(Boolean));
  }

  function pick(event) {
    const { name, value } = event.target;
    const boxes = [...byId("facets").querySelectorAll("input:checked")].filter((box) => box.name === name);
    query.value = withValues(state.q, name, boxes.map((box) => box.value));
    change({ q: query.value });
    [...byId("facets").querySelectorAll("input")].find((box) => box.name === name && box.value === value)?.focus();
  }

  function focusAt(place) {
    if (!place || place[0] < 0 || place[0] >= view.count) return false;
    windowed.reveal(place[0]);
    windowed.at(place.join("."))?.focus({ preventScroll: false });
    return true;
  }

  function openCase({ focus }) {
    const row = state.case ? rows.find(state.case) : undefined;
    tell();
    if (row === undefined) {
      panel.hidden = true;
      document.body.classList.remove("beside");
      return;
    }
    fillPanel(panel, row, `#case=${address({ q: "", view: "matrix", sort: "", folded: [], case: state.case }).split("case=")[1]}`, close);
    panel.hidden = false;
    document.body.classList.add("beside");
    panel.scrollTop = 0;
    const place = view.placeOf(row);
    if (place) windowed.reveal(place[0]);
    if (focus) panel.focus();
  }

  function close() {
    const row = rows.find(state.case);
    state.case = "";
    writeAddress();
    openCase({ focus: false });
    draw({ top: false });
    const place = opener ?? (row === undefined ? null : view.placeOf(row));
    opener = null;
    if (!focusAt(place)) scroller.focus();
  }

  function arrows(event) {
    const moves = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
    if (event.key === "Escape" && !panel.hidden) return close();
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      query.focus();
      return query.select();
    }
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return null;
    const [down, right] = moves[event.key];
    const at = scroller.contains(document.activeElement) ? document.activeElement.dataset.at : undefined;
    const first = event.target === query && down > 0;
    if (at === undefined && !first && document.activeElement !== scroller) return null;
    const from = at === undefined ? [-1, 0] : at.split(".").map(Number);
    if (at === undefined && down <= 0) return null;
    event.preventDefault();
    return focusAt(view.step(from[0], from[1], down, right));
  }

  document.documentElement.classList.add("js");
  byId("explore").hidden = false;
  byId("keys").append(...KEYS.flatMap((key) => [el("code", {}, key), " "]));
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  query.addEventListener("input", () => change({ q: query.value }));
  byId("facets").addEventListener("change", pick);
  byId("facets").parentElement.addEventListener("toggle", drawFacets);
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => change({ view: button.dataset.view }));
  }
  document.addEventListener("keydown", arrows);
  scroller.addEventListener("click", (event) => {
    const link = event.target.closest("[data-at]") || event.target.closest("tr.row")?.querySelector("[data-at]");
    if (!link || String(getSelection())) return;
    opener = link.dataset.at.split(".").map(Number);
    if (!event.target.closest("a")) link.click();
  });

  function follow() {
    readAddress();
    query.value = state.q;
    draw({ top: false });
    openCase({ focus: true });
    if (state.case && !document.activeElement.closest("#panel")) byId("hint").scrollIntoView({ block: "nearest" });
  }
  addEventListener("hashchange", follow);
  readAddress();
  query.value = state.q;
  draw();
  openCase({ focus: Boolean(state.case) });
  document.documentElement.dataset.ready = performance.now().toFixed(1);
})();
