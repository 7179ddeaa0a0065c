/*
 * The command palette: pages and actions found in the page itself, objects from the search
 * address (GET ?q= -> {"groups": [{"label", "items": [{"label", "detail", "url", "icon"}]}]}).
 */
import { el, icon, shortcutAllowed } from "./dom.js";
import { gettext } from "./i18n.js";

const DEBOUNCE_MS = 120;
const GO = { o: "overview", c: "clusters", n: "nodes", p: "pods", r: "orphans", k: "credentials" };

/** Letters of the query in order inside the text; earlier and denser is better, -1 is no match. */
export function score(text, query) {
  const source = text.toLowerCase();
  let at = -1;
  let total = 0;
  for (const letter of query.toLowerCase()) {
    const next = source.indexOf(letter, at + 1);
    if (next < 0) {
      return -1;
    }
    total += next - at - 1;
    at = next;
  }
  return total + source.length / 100;
}

function pageItems() {
  return [...document.querySelectorAll("#side li a")].map((link) => ({
    label: link.querySelector(".lbl").textContent, url: link.href, glyph: link.querySelector(".ic"),
  }));
}

function actionItems() {
  const buttons = [...document.querySelectorAll(".ph .acts :is(a, button:not([popovertarget])), [data-set-theme]")];
  return buttons.filter((button) => !button.disabled).map((button) => ({
    label: button.textContent.trim() || button.getAttribute("aria-label"),
    run: () => button.click(), glyph: button.querySelector(".ic"),
  })).filter((item) => item.label);
}

class Palette {
  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("input");
    this.list = dialog.querySelector("[role=listbox]");
    this.options = [];
    this.at = 0;
    this.input.addEventListener("input", () => this.search());
    dialog.addEventListener("keydown", (event) => this.onKey(event));
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) {
        this.run(this.options.indexOf(option));
      }
    });
  }

  open() {
    this.input.value = "";
    this.search();
    this.dialog.showModal();
    this.input.focus();
  }

  search() {
    const query = this.input.value.trim();
    this.render([
      { label: gettext("Go to"), items: this.rank(pageItems(), query) },
      { label: gettext("Actions"), items: this.rank(actionItems(), query) },
    ]);
    clearTimeout(this.timer);
    if (query && this.dialog.dataset.search) {
      this.timer = setTimeout(() => this.searchServer(query), DEBOUNCE_MS);
    }
  }

  rank(items, query) {
    return items.map((item) => ({ ...item, score: score(item.label, query) }))
      .filter((item) => item.score >= 0).sort((a, b) => query ? a.score - b.score : 0);
  }

  async searchServer(query) {
    const answer = await fetch(`${this.dialog.dataset.search}?q=${encodeURIComponent(query)}`);
    if (answer.ok && this.input.value.trim() === query) {
      const { groups = [] } = await answer.json().catch(() => ({}));
      this.render([
        { label: gettext("Go to"), items: this.rank(pageItems(), query) }, ...groups,
        { label: gettext("Actions"), items: this.rank(actionItems(), query) },
      ]);
    }
  }

  render(groups) {
    this.items = groups.flatMap((group) => group.items);
    const nodes = [];
    this.options = [];
    groups.filter((group) => group.items.length).forEach((group) => {
      const heading = el("h3", { role: "presentation" }, group.label);
      nodes.push(heading);
      group.items.forEach((item) => nodes.push(this.option(item)));
    });
    this.list.replaceChildren(...(nodes.length ? nodes : [
      el("p", { class: "pad t2 center" }, gettext("Nothing found.")),
    ]));
    this.mark(0);
  }

  option(item) {
    const glyph = item.glyph?.cloneNode?.(true) || icon(item.icon || "chevron-right");
    const option = el("div", { role: "option", id: `palette-${this.options.length}`, "aria-selected": "false" },
      glyph, el("span", { class: "trunc" }, item.label), item.detail ? el("span", { class: "sp" }, item.detail) : null);
    this.options.push(option);
    return option;
  }

  mark(index) {
    this.options[this.at]?.setAttribute("aria-selected", "false");
    this.at = index;
    const option = this.options[index];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) {
      this.input.setAttribute("aria-activedescendant", option.id);
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const count = this.options.length;
    if (step && count) {
      event.preventDefault();
      this.mark((this.at + step + count) % count);
    } else if (event.key === "Enter" && count) {
      event.preventDefault();
      this.run(this.at);
    }
  }

  run(index) {
    const item = this.items[index];
    this.dialog.close();
    if (item?.url) {
      location.assign(item.url);
    } else {
      item?.run();
    }
  }
}

function goTo(letter) {
  const links = [...document.querySelectorAll("#side li a")];
  links.find((link) => link.dataset.to === GO[letter])?.click();
}

export function startPalette() {
  const dialog = document.getElementById("palette");
  if (!dialog) {
    return;
  }
  const palette = new Palette(dialog);
  let awaiting = false;
  document.addEventListener("click", (event) => event.target.closest("[data-palette]") && palette.open());
  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return dialog.open ? dialog.close() : palette.open();
    }
    if (!shortcutAllowed(event)) {
      return undefined;
    }
    if (awaiting && GO[event.key]) {
      event.preventDefault();
      goTo(event.key);
    }
    awaiting = event.key === "g";
    return undefined;
  });
  const mac = /Mac|iPhone|iPad/.test(navigator.userAgent);
  document.querySelectorAll("[data-kbd-mod]").forEach((key) => {
    key.textContent = `${mac ? "⌘" : "Ctrl "}${key.dataset.kbdMod}`;
  });
}
