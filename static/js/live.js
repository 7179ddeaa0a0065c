/*
 * <vn-live topic="pod:12" hx-get="…" hx-trigger="live throttle:1s">: raises `live` on itself when
 * the server says that the topic changed, so that htmx fetches the fragment again.
 * On a page without a live table the Live button pauses these fragments.
 */
import { stream } from "./stream.js";

let paused = false;

class LiveFragment extends HTMLElement {
  connectedCallback() {
    this.subscription = stream.subscribe(this.getAttribute("topic"), {
      message: (message) => this.raise(message),
      resync: () => this.raise({ resync: true }),
    });
  }

  disconnectedCallback() {
    this.subscription?.close();
  }

  raise(detail) {
    if (!paused) {
      this.dispatchEvent(new CustomEvent("live", { detail }));
    }
  }
}

function onToggle(event) {
  const button = event.target.closest("[data-live-toggle]");
  if (button && !document.querySelector("vn-table")) {
    paused = !paused;
    button.setAttribute("aria-pressed", String(!paused));
    document.querySelectorAll("vn-live").forEach((fragment) => fragment.raise({ resync: true }));
  }
}

export function startLive() {
  customElements.define("vn-live", LiveFragment);
  document.addEventListener("click", onToggle);
}
