/*
 * data-copy copies the nearest code block, data-copy-text its own text: there {query} stands for the
 * filters that the page shows now.
 */
import { icon } from "./dom.js";
import { gettext } from "./i18n.js";
import { toast } from "./toast.js";

async function write(text) {
  if (navigator.clipboard && globalThis.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function filled(text) {
  const query = new URLSearchParams(location.search).toString();
  return text.replace("{query}", query ? `?${query.replaceAll("'", "%27")}` : "");
}

async function onClick(event) {
  const button = event.target.closest("[data-copy], [data-copy-text]");
  if (!button) {
    return;
  }
  const source = button.closest(".code, .secret")?.querySelector("pre, code");
  const own = button.dataset.copyText;
  await write(own === undefined ? source?.textContent ?? "" : filled(own));
  button.closest("[popover]")?.hidePopover();
  const glyph = button.querySelector(".ic");
  if (glyph) {
    const done = icon("check");
    glyph.replaceWith(done);
    setTimeout(() => done.replaceWith(glyph), 1500);
  }
  toast(gettext("Copied."), { tone: "ok" });
}

export const startCopy = () => document.addEventListener("click", onClick);
