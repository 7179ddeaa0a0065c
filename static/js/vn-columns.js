/* Which columns of a live table are shown: chosen in a menu, kept in this browser. */
import { el, icon } from "./dom.js";
import { gettext } from "./i18n.js";

const keyOf = (topic) => `spillway.columns.${topic}`;

/** Keys the reader switched off. A browser without storage shows every column. */
export function hiddenColumns(topic) {
  try {
    return new Set(JSON.parse(localStorage.getItem(keyOf(topic)) || "[]"));
  } catch {
    return new Set();
  }
}

function keep(topic, hidden) {
  try {
    localStorage.setItem(keyOf(topic), JSON.stringify([...hidden]));
  } catch {
    /* Private windows may refuse; the choice then lasts as long as the page. */
  }
}

/** The button and its menu; `changed` runs after every choice. */
export function columnMenu(topic, columns, hidden, changed) {
  const id = `columns-${topic}`;
  const label = gettext("Columns");
  const button = el("button", { class: "btn icn sm", type: "button", popovertarget: id, "aria-label": label, "data-tip": label }, icon("columns-3"));
  const menu = el("div", { class: "menu", id, popover: true, role: "group", "aria-label": label });
  columns.forEach((column) => {
    const box = el("input", { type: "checkbox" });
    box.checked = !hidden.has(column.key);
    box.disabled = column.priority === 1;
    box.addEventListener("change", () => {
      if (box.checked) {
        hidden.delete(column.key);
      } else {
        hidden.add(column.key);
      }
      keep(topic, hidden);
      changed();
    });
    menu.append(el("label", { class: "it" }, box, column.label()));
  });
  return [button, menu];
}
