/*
 * The visible part of a live table: a sticky head and recycled rows of fixed height inside one
 * scroller. It knows nothing of the network; it asks its host for ids and rows by index.
 */
import { fitting, paintCell, signature } from "./columns.js";
import { el, icon } from "./dom.js";
import { gettext } from "./i18n.js";

const OVERSCAN = 6;
const CHECK_WIDTH = 43;

export class View {
  /** host: ids(), row(id), isSelected(id), sort(), onWindow(first, last), onSort(key). */
  constructor(host, columns, { selectable, label }) {
    Object.assign(this, { host, all: columns, selectable });
    this.hidden = new Set();
    this.pool = new Map();
    this.current = 0;
    this.head = el("div", { class: "vt-head", role: "row", "aria-rowindex": "1" });
    this.body = el("div", { class: "vt-body", role: "rowgroup" });
    this.grid = el("div", { class: "vt-scroll", role: "grid", "aria-label": label, "aria-multiselectable": selectable ? "true" : null },
      el("div", { role: "rowgroup", class: "vt-headgroup" }, this.head), this.body);
    this.grid.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.observer = new ResizeObserver(() => this.layout());
  }

  attach(parent) {
    parent.append(this.grid);
    this.observer.observe(this.grid);
    addEventListener("resize", this.onResize = () => this.layout());
  }

  detach() {
    this.observer.disconnect();
    removeEventListener("resize", this.onResize);
  }

  get rowHeight() {
    return document.documentElement.dataset.density === "compact" ? 30 : 36;
  }

  layout() {
    const width = this.grid.clientWidth;
    if (!width) {
      return;
    }
    const shown = this.all.filter((column) => !this.hidden.has(column.key));
    const columns = fitting(shown, width, this.selectable ? CHECK_WIDTH : 0);
    const key = columns.map((column) => column.key).join();
    if (key !== this.columnsKey) {
      this.columnsKey = key;
      this.columns = columns;
      this.pool.forEach((row) => row.remove());
      this.pool.clear();
      this.sizeColumns();
      this.paintHead();
    }
    this.resize();
    this.render();
  }

  sizeColumns() {
    const tracks = this.columns.map((column) =>
      column.grow ? `minmax(${column.width}px, ${column.grow}fr)` : `${column.width || 100}px`);
    if (!this.columns.some((column) => column.grow)) {
      tracks[0] = "minmax(160px, 1fr)";
    }
    const least = this.columns.reduce((sum, column) => sum + (column.width || 100), this.selectable ? CHECK_WIDTH : 0);
    this.grid.style.setProperty("--vt-cols", [this.selectable ? `${CHECK_WIDTH}px` : "", ...tracks].join(" "));
    this.grid.style.setProperty("--vt-min", `${least}px`);
    this.grid.setAttribute("aria-colcount", String(this.columns.length + (this.selectable ? 1 : 0)));
  }

  paintHead() {
    const cells = this.columns.map((column, at) => this.headCell(column, at));
    if (this.selectable) {
      this.allBox = el("input", { type: "checkbox", "aria-label": gettext("Select all"), "data-all": true });
      cells.unshift(el("div", { role: "columnheader", "aria-colindex": "1" }, this.allBox));
    }
    this.head.replaceChildren(...cells);
  }

  headCell(column, at) {
    const [key, descending] = this.host.sort();
    const sorted = column.sort && column.sort === key;
    const cell = el("div", {
      role: "columnheader", class: column.right ? "r" : null, "aria-colindex": String(at + (this.selectable ? 2 : 1)),
      "aria-sort": sorted ? (descending ? "descending" : "ascending") : null,
    });
    if (column.sort) {
      const glyph = sorted ? icon(descending ? "chevron-down" : "chevron-up") : null;
      const button = el("button", { type: "button" }, column.label(), glyph);
      button.addEventListener("click", () => this.host.onSort(column.sort));
      cell.append(button);
    } else {
      cell.append(column.label());
    }
    return cell;
  }

  /** The scroller fills what is left of the screen, and is never taller than its rows. */
  resize() {
    const count = this.host.ids().length;
    this.body.style.height = `${count * this.rowHeight}px`;
    const top = this.grid.getBoundingClientRect().top + scrollY;
    const room = Math.max(innerHeight - top - 34, 10 * this.rowHeight);
    const sideways = this.grid.scrollWidth > this.grid.clientWidth ? 12 : 0;
    this.grid.style.height = `${Math.min(room, count * this.rowHeight + 31 + sideways)}px`;
    this.grid.setAttribute("aria-rowcount", String(count + 1));
  }

  schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  range() {
    const first = Math.max(0, Math.floor(this.grid.scrollTop / this.rowHeight));
    const fit = Math.ceil((this.grid.clientHeight - 31) / this.rowHeight);
    return [first, Math.min(this.host.ids().length, first + fit)];
  }

  render() {
    const [first, last] = this.range();
    const from = Math.max(0, first - OVERSCAN);
    const to = Math.min(this.host.ids().length, last + OVERSCAN);
    const spare = [];
    this.pool.forEach((element, index) => {
      if (index < from || index >= to) {
        if (element.contains(document.activeElement)) {
          this.grid.setAttribute("tabindex", "-1");
          this.grid.focus({ preventScroll: true });
        }
        spare.push(element);
        this.pool.delete(index);
      }
    });
    for (let index = from; index < to; index += 1) {
      let element = this.pool.get(index);
      if (!element) {
        element = spare.pop() || this.newRow();
        this.pool.set(index, element);
        this.put(element, index);
      }
      this.fillRow(element, index, false);
    }
    spare.forEach((element) => element.remove());
    this.host.onWindow(first, last);
  }

  newRow() {
    const cells = this.columns.map((column, at) => el("div", {
      role: "gridcell", class: column.right ? "r" : null, "aria-colindex": String(at + (this.selectable ? 2 : 1)),
    }));
    const row = el("div", { class: "vt-row", role: "row" });
    if (this.selectable) {
      row.box = el("input", { type: "checkbox", tabindex: "-1" });
      row.append(el("div", { role: "gridcell", "aria-colindex": "1" }, row.box));
    }
    row.cells = cells;
    row.append(...cells);
    this.body.append(row);
    return row;
  }

  put(element, index) {
    element.style.transform = `translateY(${index * this.rowHeight}px)`;
    element.setAttribute("aria-rowindex", String(index + 2));
    element.index = index;
  }

  fillRow(element, index, flash) {
    const id = this.host.ids()[index];
    const row = this.host.row(id);
    const sameRow = element.rowId === id;
    element.rowId = id;
    element.tabIndex = index === this.current ? 0 : -1;
    element.classList.toggle("ph", !row);
    element.classList.toggle("deleted", Boolean(row?.deleted));
    if (this.selectable) {
      const selected = this.host.isSelected(id);
      element.box.checked = selected;
      element.setAttribute("aria-selected", String(selected));
      element.box.setAttribute("aria-label", row?.name || row?.title || row?.instance_id || String(id));
    }
    this.columns.forEach((column, at) => this.fillCell(column, element.cells[at], row, flash && sameRow));
  }

  fillCell(column, cell, row, flash) {
    const sign = row ? signature(column, row) : null;
    if (cell.sign === sign) {
      return;
    }
    const had = cell.sign !== undefined && cell.sign !== null;
    cell.sign = sign;
    if (!row) {
      cell.replaceChildren(el("span", { class: "sk" }));
      return;
    }
    paintCell(column, cell, row);
    if (flash && had) {
      cell.classList.remove("flash");
      void cell.offsetWidth;
      cell.classList.add("flash");
    }
  }

  /** Repaints the shown rows among `ids`; cells that differ fade once. */
  update(ids, flash) {
    this.pool.forEach((element, index) => {
      if (!ids || ids.has(element.rowId)) {
        this.fillRow(element, index, flash);
      }
    });
  }

  /** New order: every shown row is filled again, the row at the top edge stays where it is. */
  reorder(anchor) {
    this.resize();
    if (anchor) {
      const at = this.host.ids().indexOf(anchor.id);
      if (at >= 0) {
        this.grid.scrollTop = at * this.rowHeight + anchor.offset;
      }
    }
    this.current = Math.min(this.current, Math.max(this.host.ids().length - 1, 0));
    this.render();
  }

  anchor() {
    const index = Math.floor(this.grid.scrollTop / this.rowHeight);
    const id = this.host.ids()[index];
    return index === 0 || id === undefined ? null : { id, offset: this.grid.scrollTop - index * this.rowHeight };
  }

  atTop() {
    return this.grid.scrollTop < 4;
  }

  /** Moves the cursor row, scrolls it into view and focuses it. */
  focusRow(index) {
    const count = this.host.ids().length;
    if (!count) {
      return;
    }
    const target = Math.max(0, Math.min(index, count - 1));
    const old = this.pool.get(this.current);
    if (old) {
      old.tabIndex = -1;
    }
    this.current = target;
    const top = target * this.rowHeight;
    const room = this.grid.clientHeight - 31;
    if (top < this.grid.scrollTop) {
      this.grid.scrollTop = top;
    } else if (top + this.rowHeight > this.grid.scrollTop + room) {
      this.grid.scrollTop = top + this.rowHeight - room;
    }
    this.render();
    const element = this.pool.get(target);
    element.tabIndex = 0;
    element.focus({ preventScroll: true });
  }

  indexOf(target) {
    const element = target.closest?.(".vt-row");
    return element ? element.index : -1;
  }

  hasFocus() {
    return this.body.contains(document.activeElement);
  }
}
