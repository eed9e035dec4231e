"use strict";
// The page is complete without this: here it only gains a filter, sorting and copying.
(() => {
  const table = document.getElementById("table");
  const form = document.getElementById("filter");
  const text = document.getElementById("text");
  const cases = [...table.querySelectorAll("tbody.case")];
  const inOrder = [...table.tBodies];

  function filter() {
    const wanted = text.value.trim().toLowerCase();
    const boxes = form.querySelectorAll("input[name=verdict]:checked");
    const verdicts = new Set([...boxes].map((box) => box.value));
    let shown = 0;
    let group = null;
    for (const body of inOrder) {
      if (body.classList.contains("group")) {
        group = body;
        group.hidden = true;
        continue;
      }
      const hit = verdicts.has(body.dataset.verdict) && body.dataset.text.includes(wanted);
      body.hidden = !hit;
      if (hit) {
        shown += 1;
        group.hidden = false;
      }
    }
    document.getElementById("shown").textContent = `${shown} of ${cases.length} cases shown`;
    document.getElementById("empty").hidden = shown > 0;
  }

  // First click ascending, second descending, third the order of the zoo again.
  function sort(heading, column) {
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    const order = next[heading.getAttribute("aria-sort") || "none"];
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    table.classList.toggle("flat", order !== "none");
    if (order === "none") {
      table.append(...inOrder);
      return;
    }
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const numeric = heading.dataset.sort === "number";
    const key = (body) => {
      const cell = body.rows[0].cells[column];
      const value = cell.dataset.value ?? cell.textContent.trim();
      return numeric ? (value === "" ? NaN : Number(value)) : value;
    };
    const compare = (a, b) => {
      const [left, right] = [key(a), key(b)];
      if (!numeric) return sign * left.localeCompare(right, "en", { numeric: true });
      // what has no figure comes last, whichever way
      if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right);
      return sign * (left - right);
    };
    table.append(...[...cases].sort(compare));
  }

  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (!heading.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sort(heading, column));
    heading.replaceChildren(button);
  });

  function open(anchor) {
    const body = document.getElementById(anchor);
    const details = body && body.querySelector("details");
    if (details) details.open = true;
  }

  for (const body of cases) {
    body.rows[0].addEventListener("click", (event) => {
      if (event.target.closest("a, button") || String(getSelection())) return;
      const details = body.querySelector("details");
      details.open = !details.open;
    });
  }

  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const command = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(command.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(command);
        button.textContent = "Selected: copy it now";
      }
    });
  }

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => open(location.hash.slice(1)));
  open(location.hash.slice(1));
  filter();
})();
