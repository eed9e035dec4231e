"use strict";
// Elements and text; nothing of a model ever becomes markup, since text is only set as text.

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

// Of thousands of lines only those in sight, and a few around them, are in the document.
class Windowed {
  constructor(scroller, body) {
    this.scroller = scroller;
    this.body = body;
    this.spare = 12;
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(scroller);
  }

  // count lines of the same height, in pixels; line(n) makes the nth.
  show(count, height, columns, line) {
    Object.assign(this, { count, height, columns, line, first: -1, last: -1 });
    this.draw();
  }

  draw() {
    if (!this.line) return;
    const seen = Math.ceil(this.scroller.clientHeight / this.height) || 1;
    const top = Math.floor(this.scroller.scrollTop / this.height);
    const first = Math.max(0, Math.min(top, this.count - seen) - this.spare);
    const last = Math.min(this.count, top + seen + this.spare);
    if (first === this.first && last === this.last) return;
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.at : null;
    Object.assign(this, { first, last });
    const lines = [];
    for (let number = first; number < last; number += 1) {
      const row = this.line(number);
      row.style.height = `${this.height}px`;
      row.setAttribute("aria-rowindex", String(number + 2));
      lines.push(row);
    }
    this.body.replaceChildren(this.spacer(first), ...lines, this.spacer(this.count - last));
    if (focused) this.at(focused)?.focus({ preventScroll: true });
  }

  spacer(lines) {
    const cell = el("td", { colspan: this.columns });
    cell.style.height = `${lines * this.height}px`;
    return el("tr", { class: "spacer", "aria-hidden": "true", hidden: lines === 0 }, cell);
  }

  at(place) {
    return this.body.querySelector(`[data-at="${place}"]`);
  }

  // Bring a line into sight, below the heading that stays at the top.
  reveal(number) {
    const head = this.body.parentElement.tHead.offsetHeight;
    const top = number * this.height;
    const room = this.scroller.clientHeight - head - this.height;
    if (this.scroller.scrollTop > top) this.scroller.scrollTop = top;
    else if (this.scroller.scrollTop + room < top) this.scroller.scrollTop = top - room;
    this.draw();
  }
}
