/* The list of keyboard shortcuts, on `?` and from the user menu. */
import { el, icon, shortcutAllowed } from "./dom.js";
import { gettext } from "./i18n.js";

const rows = () => [
  [["Ctrl K"], gettext("Search or run a command")],
  [["/"], gettext("Go to the filter")],
  [["j", "k"], gettext("Next or previous row")],
  [["x"], gettext("Select the row; with Shift, up to the row")],
  [["Enter"], gettext("Open the row")],
  [["o"], gettext("Open the row in the side pane")],
  [["r"], gettext("Apply newer changes")],
  [["n", "N"], gettext("Next or previous match in a log")],
  [["g p", "g n", "g c", "g o"], gettext("Go to pods, nodes, clusters, overview")],
  [["?"], gettext("This list")],
];

function show() {
  const dialog = document.getElementById("confirm");
  const close = el("button", {
    class: "btn gh icn", type: "button", "data-dialog-close": true, "aria-label": gettext("Close"),
  }, icon("x"));
  const list = el("dl", { class: "dl left" });
  rows().forEach(([keys, text]) => {
    list.append(el("dt", {}, ...keys.flatMap((key) => [el("kbd", {}, key), " "])), el("dd", {}, text));
  });
  dialog.replaceChildren(
    el("header", {}, el("h2", { id: "confirm-title" }, gettext("Keyboard shortcuts")), close),
    el("div", { class: "body" }, list),
  );
  dialog.showModal();
}

export function startHelp() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) {
      event.target.closest("[popover]")?.hidePopover();
      show();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "?" && shortcutAllowed(event)) {
      event.preventDefault();
      show();
    }
  });
}
