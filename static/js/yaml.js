/* Colours keys, strings, numbers and comments of a YAML read view. */
import { el } from "./dom.js";

const LINE = /^(\s*(?:- )*)([\w./$-]+|\x22[^\x22]*\x22)(:)(\s.*|$)/;

function value(text) {
  const bare = text.trim();
  if (bare.startsWith("#")) {
    return el("span", { class: "cm" }, text);
  }
  const comment = /^(.*?)(\s#.*)$/.exec(text);
  if (comment && !/[\x22\x27]/.test(comment[1])) {
    const both = document.createDocumentFragment();
    both.append(value(comment[1]), el("span", { class: "cm" }, comment[2]));
    return both;
  }
  if (/^(true|false|null|~|-?\d+(\.\d+)?)$/.test(bare)) {
    return el("span", { class: "d" }, text);
  }
  return bare ? el("span", { class: "s" }, text) : text;
}

function line(text) {
  const match = LINE.exec(text);
  if (match) {
    return [match[1], el("span", { class: "k" }, match[2]), match[3], value(match[4])];
  }
  const item = /^(\s*(?:- )+)(.*)$/.exec(text);
  return item ? [item[1], value(item[2])] : [value(text)];
}

export function paint(root = document) {
  root.querySelectorAll(".code[data-lang=yaml] code:not([data-painted])").forEach((code) => {
    const parts = code.textContent.split("\n").flatMap((text, index) =>
      index ? ["\n", ...line(text)] : line(text));
    code.replaceChildren(...parts);
    code.dataset.painted = "";
  });
}

paint();
document.body.addEventListener("htmx:after:swap", () => paint());
document.addEventListener("loaded", () => paint());
