/* Every page loads this one module; the islands come only where their element is present. */
import { startCopy } from "./copy.js";
import { startDialogs } from "./dialog.js";
import { startFragments } from "./fragments.js";
import { startHelp } from "./help.js";
import { startLive } from "./live.js";
import { startMenus } from "./menus.js";
import { startPalette } from "./palette.js";
import { startTheme } from "./theme.js";
import { startClock } from "./time.js";
import { startToasts } from "./toast.js";

const ISLANDS = {
  "vn-table": () => import("./vn-table.js"),
  "log-pane": () => import("./log-pane.js"),
  "vn-chart": () => import("./charts.js"),
  ".drop": () => import("./drop.js"),
  "form[data-matrix]": () => import("./fleet-matrix.js"),
  "money-tick, .bars, select[data-go]": () => import("./billing.js"),
  ".code[data-lang=yaml]": () => import("./yaml.js"),
};

function loadIslands() {
  for (const [selector, load] of Object.entries(ISLANDS)) {
    if (document.querySelector(selector)) {
      delete ISLANDS[selector];
      load();
    }
  }
}

startTheme();
startClock();
startMenus();
startDialogs();
startToasts();
startCopy();
startPalette();
startHelp();
startFragments();
startLive();
loadIslands();
document.body.addEventListener("htmx:after:swap", loadIslands);
