/* Short news at the corner. Errors stay until dismissed; the rest leave after eight seconds. */
import { el, icon } from "./dom.js";
import { gettext } from "./i18n.js";

const GLYPHS = { ok: "circle-check", info: "info-circle", warn: "alert-triangle", bad: "alert-circle" };
const LIFETIME_MS = 8000;

export function toast(text, { tone = "info", detail = "", action = null } = {}) {
  const region = document.getElementById("toasts");
  const close = el("button", {
    class: "btn gh icn sm", type: "button", "data-toast-close": true, "aria-label": gettext("Dismiss"),
  }, icon("x"));
  const body = el("div", {}, text, detail ? el("small", {}, detail) : null);
  const item = el("div", { class: `toast ${tone}`, role: tone === "bad" ? "alert" : "status" },
    icon(GLYPHS[tone] || GLYPHS.info), body);
  if (action) {
    const button = el("button", { class: "btn sm", type: "button" }, action.label);
    button.addEventListener("click", () => {
      item.remove();
      action.run();
    });
    item.append(button);
  }
  item.append(close);
  region.append(item);
  if (tone !== "bad") {
    leaveLater(item);
  }
  return item;
}

function leaveLater(item) {
  let timer = setTimeout(() => item.remove(), LIFETIME_MS);
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("pointerleave", () => {
    timer = setTimeout(() => item.remove(), LIFETIME_MS);
  });
}

export function startToasts() {
  document.addEventListener("click", (event) => {
    event.target.closest("[data-toast-close]")?.closest(".toast").remove();
  });
  document.querySelectorAll("#toasts .toast:not(.bad)").forEach(leaveLater);
}
