/* What every htmx fragment shares: errors become toasts, an ended session leads to sign-in. */
import { gettext } from "./i18n.js";
import { tick } from "./time.js";
import { toast } from "./toast.js";

function onError(event) {
  const status = event.detail?.ctx?.response?.status;
  if (status && status !== 422) {
    toast(gettext("The request failed."), { tone: "bad", detail: String(status) });
  }
}

function onResponse(event) {
  const raw = event.detail?.ctx?.response?.raw;
  if (raw?.redirected && new URL(raw.url).pathname === document.documentElement.dataset.login) {
    event.preventDefault();
    location.assign(raw.url.replace(/next=[^&]*/, `next=${encodeURIComponent(location.pathname)}`));
  }
}

export function startFragments() {
  document.body.addEventListener("htmx:response:error", onError);
  document.body.addEventListener("htmx:before:response", onResponse);
  document.body.addEventListener("htmx:after:swap", () => tick());
}
