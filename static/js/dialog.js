/*
 * Dialogs are native <dialog>: focus is trapped, Escape closes, focus returns to the opener.
 * data-dialog="id" opens one; data-confirm-url loads a confirmation form into #confirm;
 * data-pane-url opens an address in the side pane.
 */
import { el, icon } from "./dom.js";
import { gettext } from "./i18n.js";

async function load(dialog, url) {
  const answer = await fetch(url, { headers: { "HX-Request": "true", "X-Fragment": dialog.id } });
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  dialog.replaceChildren(...parsed.body.childNodes);
  globalThis.htmx?.process(dialog);
  dialog.dispatchEvent(new CustomEvent("loaded", { bubbles: true }));
}

export async function openDialog(id, url = "") {
  const dialog = document.getElementById(id);
  if (url) {
    await load(dialog, url);
  }
  if (!dialog.open) {
    dialog.showModal();
  }
}

/** Asks before something that cannot be undone; resolves to true when the reader agrees. */
export function confirmDialog({ title, text, label, tone = "danger" }) {
  const dialog = document.getElementById("confirm");
  const no = el("button", { class: "btn", type: "button", autofocus: true }, gettext("Cancel"));
  const yes = el("button", { class: `btn ${tone} pri`, type: "button" }, label);
  const shut = el("button", { class: "btn gh icn", type: "button", "aria-label": gettext("Close") }, icon("x"));
  dialog.replaceChildren(
    el("header", {}, el("h2", { id: "confirm-title" }, title), shut),
    el("div", { class: "body" }, el("p", {}, text)),
    el("footer", {}, no, yes),
  );
  return new Promise((resolve) => {
    let answer = false;
    yes.addEventListener("click", () => {
      answer = true;
      dialog.close();
    });
    [no, shut].forEach((button) => button.addEventListener("click", () => dialog.close()));
    dialog.addEventListener("close", () => resolve(answer), { once: true });
    dialog.showModal();
  });
}

function onClick(event) {
  const opener = event.target.closest("[data-dialog], [data-confirm-url], [data-pane-url]");
  if (opener && !opener.disabled) {
    event.preventDefault();
    const { dialog, confirmUrl, paneUrl } = opener.dataset;
    openDialog(dialog || (confirmUrl ? "confirm" : "pane"), confirmUrl || paneUrl || "");
    return;
  }
  if (event.target.closest("[data-dialog-close]")) {
    event.target.closest("dialog").close();
  } else if (event.target instanceof HTMLDialogElement && event.target.open) {
    closeOnBackdrop(event);
  }
}

function closeOnBackdrop(event) {
  const box = event.target.getBoundingClientRect();
  const inside = event.clientX >= box.left && event.clientX <= box.right &&
    event.clientY >= box.top && event.clientY <= box.bottom;
  if (!inside) {
    event.target.close();
  }
}

function onInput(event) {
  const wanted = event.target.dataset?.mustEqual;
  if (wanted !== undefined) {
    const button = event.target.form.querySelector("footer .pri, .acts .pri");
    button.disabled = event.target.value.trim() !== wanted;
  }
}

export function startDialogs() {
  document.addEventListener("click", onClick);
  document.addEventListener("input", onInput);
}
