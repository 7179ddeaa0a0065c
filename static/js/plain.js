/* Pages without the shell: sign-in and errors. Theme, menus and copying, nothing live. */
import { startCopy } from "./copy.js";
import { startMenus } from "./menus.js";
import { isDark, setTheme, startTheme } from "./theme.js";

startTheme();
startMenus();
startCopy();
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-flip]")) {
    setTheme(isDark() ? "light" : "dark");
  }
});
