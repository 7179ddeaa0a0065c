/*
 * <vn-table topic="pods" data-ids-url data-rows-url data-form="filter form id" data-selectable
 *           data-label data-pane>: the live table. Inside it stand the server's first rows as a
 * plain table (kept until the first answer), and optional <template data-bulk>,
 * <template data-empty>, <template data-no-match>.
 *
 * Rows never move by themselves: news is counted and waits for the reader ("r"), except at the
 * top of an untouched list.
 */
import { registry } from "./columns.js";
import { el, icon, shortcutAllowed } from "./dom.js";
import { FilterForm } from "./vn-filter.js";
import { fill, gettext, ngettext } from "./i18n.js";
import { number } from "./format.js";
import { Rows } from "./vn-rows.js";
import { columnMenu, hiddenColumns } from "./vn-columns.js";
import { bulkRow, runBulk, Selection } from "./vn-select.js";
import { View } from "./vn-view.js";

const APPLY_EVERY_MS = 2000;
const SAY_EVERY_MS = 10_000;

class LiveTable extends HTMLElement {
  connectedCallback() {
    if (this.view) {
      return;
    }
    const topic = this.getAttribute("topic");
    this.label = this.dataset.label || topic;
    this.selection = new Selection(() => this.onSelection());
    this.rows = new Rows({ topic, idsUrl: this.dataset.idsUrl, rowsUrl: this.dataset.rowsUrl, owner: this });
    this.filter = new FilterForm(this.dataset.form, () => this.reload());
    this.view = new View(this, registry[topic], { selectable: "selectable" in this.dataset, label: this.label });
    this.view.hidden = hiddenColumns(topic);
    this.columns = columnMenu(topic, registry[topic], this.view.hidden, () => this.view.layout());
    this.fallback = this.querySelector(":scope > .tw, :scope > .table");
    this.left = el("div", { class: "vt-left" });
    this.news = el("div", {});
    this.rangeText = el("span", { class: "num" });
    this.bar = el("div", { class: "vt-bar" }, this.left, el("span", { class: "sp" }), this.news, this.rangeText, ...this.columns);
    this.said = el("div", { class: "vh", role: "status", "aria-live": "polite" });
    this.lastApply = -APPLY_EVERY_MS;
    this.bad = [];
    this.listen();
    this.reload();
  }

  disconnectedCallback() {
    this.rows.stop();
    this.view.detach();
    clearInterval(this.sayTimer);
    clearTimeout(this.applyTimer);
    document.removeEventListener("keydown", this.onKeyBound);
  }

  listen() {
    this.addEventListener("click", (event) => this.onClick(event));
    document.addEventListener("keydown", this.onKeyBound = (event) => this.onKey(event));
    this.toggle = document.querySelector("[data-live-toggle]");
    this.toggle?.addEventListener("click", () => this.setLive(!this.rows.live));
    this.sayTimer = setInterval(() => this.say(), SAY_EVERY_MS);
    document.addEventListener("densitychange", () => this.view.reorder(null));
  }

  /* what the view asks */
  ids() { return this.rows.ids; }
  row(id) { return this.rows.rows.get(id); }
  isSelected(id) { return this.selection.has(id); }
  sort() { return this.filter.sort(); }
  onSort(key) { this.filter.sortBy(key); }
  onWindow(first, last) {
    this.rows.look(first, last);
    this.paintRange(first, last);
  }

  /* what the rows tell */
  loaded() { this.view.update(null, false); }
  failed(error) { this.showProblem(error); }
  resync() { this.reload(); }
  changed(before) {
    before.forEach((old, id) => {
      const now = this.row(id);
      if (now?.tone === "bad" && old?.tone !== "bad") {
        this.bad.push(now.name || now.title || "");
      }
    });
    this.view.update(before, true);
  }

  counts(withFacets) {
    if (withFacets) {
      this.filter.showCounts(this.rows.facets);
    }
    this.paintBar();
    this.applySoon();
  }

  /** At the top of an untouched list news shows by itself, at most every two seconds. */
  applySoon() {
    if (!this.rows.pending || this.applyTimer) {
      return;
    }
    const wait = Math.max(0, this.lastApply + APPLY_EVERY_MS - performance.now());
    this.applyTimer = setTimeout(() => {
      this.applyTimer = 0;
      if (this.mayApply()) {
        this.reload();
      }
    }, wait);
  }

  mayApply() {
    return this.rows.pending > 0 && this.rows.live && !document.hidden && this.view.atTop() &&
      this.selection.ids.size === 0 && !this.view.hasFocus();
  }

  async reload() {
    this.lastApply = performance.now();
    const anchor = this.ready ? this.view.anchor() : null;
    try {
      if (!(await this.rows.load(this.filter.query()))) {
        return;
      }
    } catch (error) {
      this.showProblem(error);
      return;
    }
    this.problem?.remove();
    this.problem = null;
    if (!this.ready) {
      this.upgrade();
    }
    this.filter.showCounts(this.rows.facets);
    this.view.paintHead();
    this.view.reorder(anchor);
    this.rows.start();
    this.showEmpty();
    this.paintBar();
    this.dispatchEvent(new CustomEvent("ready"));
  }

  upgrade() {
    this.ready = true;
    this.fallback?.remove();
    this.append(this.bar, this.said);
    this.view.attach(this);
    this.view.layout();
    this.setAttribute("data-ready", "");
  }

  showEmpty() {
    this.nothing?.remove();
    this.nothing = null;
    const empty = this.rows.ids.length === 0;
    this.view.grid.hidden = empty;
    if (!empty) {
      return;
    }
    const filtered = this.filter.isFiltered();
    const template = this.querySelector(filtered ? "template[data-no-match]" : "template[data-empty]");
    this.nothing = el("div", {});
    this.nothing.append(template ? template.content.cloneNode(true) : this.noMatch(filtered));
    this.append(this.nothing);
  }

  noMatch(filtered) {
    const text = filtered ? gettext("Nothing matches this filter.") : gettext("Nothing here yet.");
    const box = el("div", { class: "empty" }, icon("search"), el("h2", {}, text));
    if (filtered) {
      box.append(el("button", { class: "btn", type: "button", "data-clear-filter": true }, gettext("Clear the filter")));
    }
    return box;
  }

  showProblem(error) {
    this.problem?.remove();
    const retry = el("button", { class: "btn sm", type: "button", "data-retry": true }, gettext("Try again"));
    this.problem = el("div", { class: "note bad", role: "alert" }, icon("alert-circle"),
      el("div", {}, fill(gettext("The list could not be read (%(error)s). What you see is the last good answer."), { error: error.message })), retry);
    this.prepend(this.problem);
  }

  setLive(on) {
    this.rows.live = on;
    this.toggle.setAttribute("aria-pressed", String(on));
    if (on) {
      this.reload();
    } else {
      this.rows.stop();
    }
  }

  /* the bar: news and counts, or the bulk actions; its height never changes */
  onSelection() {
    this.view.update(null, false);
    const { allBox } = this.view;
    if (allBox) {
      allBox.checked = this.selection.ids.size > 0 && this.selection.ids.size >= Math.min(this.rows.ids.length, 500);
      allBox.indeterminate = this.selection.ids.size > 0 && !allBox.checked;
    }
    this.paintBar();
  }

  paintBar() {
    const chosen = this.selection.ids.size;
    const state = `${chosen}|${this.rows.pending}|${this.rows.ids.length < this.rows.total}`;
    if (state !== this.barState) {
      this.barState = state;
      this.bar.classList.toggle("sel", chosen > 0);
      this.left.replaceChildren(...(chosen ? bulkRow(this.selection, this.querySelector("template[data-bulk]")) : this.summary()));
      this.news.replaceChildren(...this.pill());
    }
    if (this.ready) {
      this.paintRange(...this.view.range());
    }
  }

  summary() {
    const short = this.rows.ids.length < this.rows.total && this.rows.ids.length >= 50_000;
    return short ? [el("span", { class: "c-warn" }, gettext("Only the first 50,000 are listed: narrow the filter."))] : [];
  }

  pill() {
    const count = this.rows.pending;
    if (!count) {
      return [];
    }
    const text = fill(ngettext("%(n)s newer change: apply", "%(n)s newer changes: apply", count), { n: number(count) });
    return [el("button", { class: "pill", type: "button", "data-apply": true }, text, el("kbd", {}, "r"))];
  }

  paintRange(first, last) {
    const values = { a: number(last ? first + 1 : 0), b: number(last), n: number(this.rows.total) };
    const text = fill(gettext("%(a)s–%(b)s of %(n)s"), values);
    if (this.rangeText.textContent !== text) {
      this.rangeText.textContent = text;
    }
  }

  say() {
    const count = this.bad.length;
    if (count) {
      const names = this.bad.slice(0, 3).join(", ");
      this.said.textContent = fill(ngettext("%(n)s row now has a problem: %(names)s", "%(n)s rows now have a problem: %(names)s", count), { n: count, names });
      this.bad = [];
    }
    this.applySoon();
  }

  onClick(event) {
    const { target } = event;
    if (target.closest("[data-apply]")) {
      this.view.grid.focus({ preventScroll: true });
      this.reload();
    } else if (target.closest("[data-retry]")) {
      this.reload();
    } else if (target.closest("[data-clear-filter]")) {
      this.filter.clear();
    } else if (target.matches("[data-all]")) {
      this.selection.all(this.rows.ids, target.checked);
    } else if (target.closest(".vt-bar [data-url]")) {
      runBulk(target.closest("[data-url]"), this.selection);
    } else if (target.closest(".vt-row")) {
      this.onRowClick(event);
    }
  }

  onRowClick(event) {
    const index = this.view.indexOf(event.target);
    if (event.target.matches("input[type=checkbox]")) {
      const { checked } = event.target;
      if (event.shiftKey) {
        this.selection.range(this.rows.ids, index);
      } else {
        this.selection.toggle(this.rows.ids, index, checked);
      }
    } else if (!event.target.closest("a, button") && !String(getSelection())) {
      this.view.focusRow(index);
    }
  }

  onKey(event) {
    if (!this.ready) {
      return;
    }
    const inGrid = this.view.grid.contains(event.target);
    const letter = shortcutAllowed(event) && this.globalKeys()[event.key];
    const action = letter || (inGrid && !event.defaultPrevented && this.gridKeys()[event.key]);
    if (action && !(event.key === "Enter" && event.target.closest("a, button, input"))) {
      event.preventDefault();
      action(event);
    }
  }

  globalKeys() {
    const { view, rows } = this;
    const started = view.hasFocus();
    return {
      j: () => view.focusRow(started ? view.current + 1 : view.range()[0]),
      k: () => view.focusRow(started ? view.current - 1 : view.range()[0]),
      r: () => this.reload(),
      "/": () => this.filter.focus(),
      x: () => started && this.view.selectable && this.selection.toggle(rows.ids, view.current),
      X: () => started && this.view.selectable && this.selection.range(rows.ids, view.current),
      o: () => started && this.open(true),
    };
  }

  gridKeys() {
    const { view } = this;
    const page = view.range()[1] - view.range()[0] - 1;
    return {
      ArrowDown: () => view.focusRow(view.current + 1), ArrowUp: () => view.focusRow(view.current - 1),
      PageDown: () => view.focusRow(view.current + page), PageUp: () => view.focusRow(view.current - page),
      Home: () => view.focusRow(0), End: () => view.focusRow(this.rows.ids.length - 1),
      Enter: () => this.open(false), Escape: () => this.selection.clear(),
    };
  }

  open(aside) {
    const url = this.row(this.rows.ids[this.view.current])?.url;
    if (!url) {
      return;
    }
    if (aside && "pane" in this.dataset) {
      import("./dialog.js").then(({ openDialog }) => openDialog("pane", `${url}?pane=1`));
    } else {
      location.assign(url);
    }
  }
}

customElements.define("vn-table", LiveTable);
