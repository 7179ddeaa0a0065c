/* The few DOM helpers every island uses. Nothing here builds HTML from strings. */
const SVG = "http://www.w3.org/2000/svg";

/** el("span", {class: "chip ok"}, "Ready"): attributes by name, text and nodes as children. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name, extra = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `ic ${extra}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${document.documentElement.dataset.sprite}#${name}`);
  svg.append(use);
  return svg;
}

export function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  return element;
}

export const csrfToken = () => {
  const headers = document.body.getAttribute("hx-headers:inherited");
  return headers ? JSON.parse(headers)["X-CSRFToken"] : "";
};

/** Single-key shortcuts stay silent in fields, in dialogs and when the reader turned them off. */
export function shortcutAllowed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) {
    return false;
  }
  if (document.documentElement.dataset.shortcuts === "off" || document.querySelector("dialog[open]")) {
    return false;
  }
  return !event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable], :popover-open");
}

export function throttle(fn, wait) {
  let timer = 0;
  let last = 0;
  return (...args) => {
    clearTimeout(timer);
    const rest = wait - (performance.now() - last);
    const run = () => {
      last = performance.now();
      fn(...args);
    };
    if (rest <= 0) {
      run();
    } else {
      timer = setTimeout(run, rest);
    }
  };
}
