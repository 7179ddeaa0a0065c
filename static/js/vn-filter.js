/*
 * The filter form of a live table and the address bar say the same thing. Without script the
 * form is an ordinary GET form.
 */
import { statusWord } from "./columns.js";
import { el } from "./dom.js";
import { number } from "./format.js";

const TYPING_MS = 200;

export class FilterForm {
  constructor(id, changed) {
    this.form = id ? document.getElementById(id) : null;
    this.changed = changed;
    this.params = new URLSearchParams(location.search);
    this.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.read();
    });
    this.form?.addEventListener("change", () => this.read());
    this.form?.addEventListener("input", (event) => {
      clearTimeout(this.timer);
      if (event.target.type === "search" || event.target.type === "text") {
        this.timer = setTimeout(() => this.read(), TYPING_MS);
      }
    });
    this.hidden().forEach((field) => {
      field.value = this.params.get(field.name) || field.value;
    });
    this.markButtons();
  }

  /** Fields that carry a choice made elsewhere, such as the view of the tab. */
  hidden() {
    return [...(this.form?.elements || [])].filter((field) => field.type === "hidden" && field.name);
  }

  query() {
    return this.params.toString();
  }

  isFiltered() {
    return [...this.params.keys()].some((key) => key !== "sort");
  }

  sort() {
    const value = this.params.get("sort") || "";
    return [value.replace(/^-/, ""), value.startsWith("-")];
  }

  /** First click ascending, second descending, third back to the view's own order. */
  sortBy(key) {
    const [now, descending] = this.sort();
    if (now !== key) {
      this.params.set("sort", key);
    } else if (descending) {
      this.params.delete("sort");
    } else {
      this.params.set("sort", `-${key}`);
    }
    this.publish();
  }

  read() {
    clearTimeout(this.timer);
    const before = this.params.toString();
    const data = new FormData(this.form);
    const names = new Set([...this.form.elements].map((field) => field.name).filter(Boolean));
    names.forEach((name) => this.params.delete(name));
    data.forEach((value, name) => value !== "" && this.params.append(name, value));
    this.markButtons();
    if (this.params.toString() !== before) {
      this.publish();
    }
  }

  publish() {
    const query = this.params.toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    document.querySelectorAll("a[data-keep-query]").forEach((link) => {
      link.search = query;
    });
    this.changed();
  }

  clear() {
    [...(this.form?.elements || [])].forEach((field) => {
      if (field.type === "checkbox" || field.type === "radio") {
        field.checked = field.type === "radio" && field.value === "";
      } else if (field.type !== "hidden") {
        field.value = "";
      }
    });
    this.params = new URLSearchParams(this.hidden().map((field) => [field.name, field.value]).filter(([, value]) => value));
    this.markButtons();
    this.publish();
  }

  focus() {
    this.form?.querySelector("input[type=search]")?.focus();
  }

  /** A value in the reader's language, as the facet's menu says it. */
  word(name, value) {
    const choice = `[data-facet="${CSS.escape(name)}"] input[value="${CSS.escape(value)}"]`;
    return this.form.querySelector(choice)?.nextSibling?.textContent.trim() || value;
  }

  /** A facet button shows the value it stands on. */
  markButtons() {
    this.form?.querySelectorAll("[data-facet-button]").forEach((button) => {
      const name = button.dataset.facetButton;
      const chosen = this.params.getAll(name).map((value) => this.word(name, value)).join(", ");
      button.querySelector(".val")?.remove();
      button.classList.toggle("on", Boolean(chosen));
      if (chosen) {
        button.querySelector(".ic").before(el("span", { class: "val" }, chosen));
      }
    });
  }

  /** Facets: {"status": {"Running": 8214}}; new values get a new line in their menu. */
  showCounts(facets) {
    Object.entries(facets || {}).forEach(([name, values]) => {
      const menu = this.form?.querySelector(`[data-facet="${CSS.escape(name)}"]`);
      if (menu) {
        this.showMenu(menu, name, values);
      }
    });
  }

  showMenu(menu, name, values) {
    const seen = new Set();
    menu.querySelectorAll("input:not([value=''])").forEach((input) => {
      seen.add(input.value);
      const place = input.closest("label").querySelector(".sp");
      const text = number(values[input.value] || 0);
      if (place && place.textContent !== text) {
        place.textContent = text;
      }
    });
    Object.entries(values).filter(([value]) => !seen.has(value)).forEach(([value, count]) => {
      const input = el("input", { type: "radio", name, value });
      input.checked = this.params.getAll(name).includes(value);
      const text = name === "phase" ? statusWord(value) : value;
      menu.append(el("label", { class: "it" }, input, text, el("span", { class: "sp" }, number(count))));
    });
  }
}
