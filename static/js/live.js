/*
 * <vn-live topic="pod:12" hx-get="…" hx-trigger="live throttle:1s">: raises `live` on itself when
 * the server says that the topic changed, so that htmx fetches the fragment again.
 */
import { stream } from "./stream.js";
import { tick } from "./time.js";

class LiveFragment extends HTMLElement {
  connectedCallback() {
    const raise = (detail) => this.dispatchEvent(new CustomEvent("live", { detail }));
    this.subscription = stream.subscribe(this.getAttribute("topic"), {
      message: (message) => raise(message),
      resync: () => raise({ resync: true }),
    });
  }

  disconnectedCallback() {
    this.subscription?.close();
  }
}

export function startLive() {
  customElements.define("vn-live", LiveFragment);
  document.body.addEventListener("htmx:after:swap", () => tick());
}
