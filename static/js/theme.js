/* Light, dark or as the system: kept in a cookie so that the server renders it without a flash. */
import { csrfToken, icon } from "./dom.js";

const root = document.documentElement;
const YEAR = 31_536_000;

export const isDark = () =>
  root.dataset.theme === "dark" ||
  (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);

/** The used value of a CSS colour variable, light-dark() resolved; the accent for an unknown one. */
export function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name}, var(--accent))`;
  probe.hidden = true;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function show() {
  document.querySelectorAll("[data-set-theme]").forEach((button) => {
    button.setAttribute("aria-checked", String(button.dataset.setTheme === root.dataset.theme));
  });
  document.querySelectorAll("[data-theme-icon]").forEach((holder) => {
    holder.replaceChildren(icon(isDark() ? "sun" : "moon"));
  });
}

function changed() {
  show();
  document.dispatchEvent(new CustomEvent("themechange"));
}

export function setTheme(theme) {
  root.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=${YEAR}; samesite=lax`;
  if (root.dataset.preferences) {
    fetch(root.dataset.preferences, {
      method: "POST", headers: { "X-CSRFToken": csrfToken() }, body: new URLSearchParams({ theme }),
    });
  }
  changed();
}

export function startTheme() {
  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-set-theme]");
    if (button) {
      setTheme(button.dataset.setTheme);
      button.closest("[popover]")?.hidePopover();
    }
  });
}
