/*
 * <log-pane data-url data-name data-download-url data-interval="2000">: a virtual list of log
 * lines that follows the end until the reader scrolls up.
 *
 * data-url answers either JSON {"lines": ["2026-11-02T04:00:00.1Z text", …], "cursor": "…",
 * "end": false} and is asked again with ?cursor= every interval, or text/plain, which is read as
 * a stream. Named fields inside <div data-extra> (container, since, previous) go along as
 * parameters; a change of one starts over. A <pre> inside holds the first lines.
 */
import { el, icon, shortcutAllowed } from "./dom.js";
import { fill, gettext, ngettext } from "./i18n.js";
import { number } from "./format.js";
import { clock } from "./time.js";
import { parseLine, search, severity } from "./log-lines.js";

const LINE = 18;
const OVERSCAN = 12;
const MOST = 100_000;
const WRAP_MOST = 2000;

class LogPane extends HTMLElement {
  connectedCallback() {
    if (this.view) {
      return;
    }
    this.lines = [];
    this.dropped = 0;
    this.widest = 0;
    this.following = true;
    this.unseen = 0;
    this.query = "";
    this.hits = [];
    this.match = -1;
    const given = this.querySelector("pre");
    const text = given?.textContent.replace(/\n$/, "") || "";
    this.build(given?.getAttribute("aria-label") || gettext("Log"));
    this.take(text ? text.split("\n") : []);
    if (this.dataset.url) {
      this.restart();
    }
  }

  disconnectedCallback() {
    this.stop();
    document.removeEventListener("keydown", this.onKeyBound);
    this.observer.disconnect();
  }

  build(label) {
    this.field = el("input", { type: "search", placeholder: gettext("Search log"), "aria-label": gettext("Search log") });
    this.count = el("span", { class: "num" });
    this.pill = el("button", { class: "pill", type: "button", hidden: true });
    this.times = this.button("clock", gettext("Times"), true, (on) => this.view.classList.toggle("nots", !on));
    this.wrap = this.button("text-wrap", gettext("Wrap"), false, (on) => this.setWrap(on));
    const save = el(this.dataset.downloadUrl ? "a" : "button", {
      class: "btn icn", "aria-label": gettext("Download"), "data-tip": gettext("Download"), href: this.dataset.downloadUrl || null,
    }, icon("download"));
    const extra = this.querySelector("[data-extra]");
    const bar = el("div", { class: "lbar" }, extra, el("label", { class: "fld" }, icon("search"), this.field, this.count),
      this.times, this.wrap, el("span", { class: "sp" }), this.pill, save);
    this.inner = el("div", { class: "v" });
    this.view = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": label, tabindex: "0" }, this.inner);
    this.replaceChildren(bar, this.view);
    this.listen(save, extra);
  }

  button(glyph, label, on, act) {
    const button = el("button", { class: "btn gh", type: "button", "aria-pressed": String(on) }, icon(glyph), label);
    button.addEventListener("click", () => {
      const now = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(now));
      act(now);
    });
    return button;
  }

  listen(save, extra) {
    this.view.addEventListener("scroll", () => this.onScroll(), { passive: true });
    this.pill.addEventListener("click", () => this.follow());
    this.field.addEventListener("input", () => this.find());
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.step(event.shiftKey ? -1 : 1);
      }
    });
    extra?.addEventListener("change", () => this.restart());
    if (save.tagName === "BUTTON") {
      save.type = "button";
      save.addEventListener("click", () => this.download());
    }
    document.addEventListener("keydown", this.onKeyBound = (event) => {
      const step = { n: 1, N: -1 }[event.key];
      if (step && this.hits.length && shortcutAllowed(event)) {
        event.preventDefault();
        this.step(step);
      }
    });
    this.observer = new ResizeObserver(() => this.render());
    this.observer.observe(this.view);
  }

  /* where lines come from */
  restart() {
    this.stop();
    this.clear();
    this.control = new AbortController();
    this.cursor = "";
    this.read(this.control.signal);
  }

  stop() {
    this.control?.abort();
    clearTimeout(this.timer);
  }

  address() {
    const url = new URL(this.dataset.url, location.href);
    this.querySelectorAll("[data-extra] [name]").forEach((field) => {
      if (field.type !== "checkbox" || field.checked) {
        url.searchParams.set(field.name, field.value);
      }
    });
    if (this.cursor) {
      url.searchParams.set("cursor", this.cursor);
    }
    return url;
  }

  async read(signal) {
    try {
      const answer = await fetch(this.address(), { signal });
      if (!answer.ok) {
        throw new Error(`${answer.status}`);
      }
      const json = (answer.headers.get("Content-Type") || "").includes("json");
      await (json ? this.readPage(answer) : this.readStream(answer));
      this.problem("");
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      this.problem(fill(gettext("The log could not be read (%(error)s). Trying again."), { error: error.message }));
    }
    if (!this.ended && !signal.aborted) {
      this.timer = setTimeout(() => (document.hidden ? this.waitVisible(signal) : this.read(signal)), Number(this.dataset.interval) || 2000);
    }
  }

  waitVisible(signal) {
    document.addEventListener("visibilitychange", () => this.read(signal), { once: true, signal });
  }

  async readPage(answer) {
    const { lines, cursor, end } = await answer.json();
    this.cursor = cursor || this.cursor;
    this.ended = Boolean(end);
    this.take(lines);
  }

  async readStream(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      this.take(parts);
    }
    this.take(rest ? [rest] : []);
    this.ended = true;
  }

  problem(text) {
    this.note?.remove();
    this.note = text ? el("div", { class: "strip warn", role: "status" }, text) : null;
    if (this.note) {
      this.view.before(this.note);
    }
  }

  clear() {
    this.lines = [];
    this.dropped = 0;
    this.unseen = 0;
    this.ended = false;
    this.find();
    this.render();
  }

  take(texts) {
    if (!texts.length) {
      this.render();
      return;
    }
    const start = this.lines.length;
    texts.forEach((text) => {
      const line = parseLine(text);
      this.widest = Math.max(this.widest, line.text.length);
      this.lines.push(line);
    });
    if (this.lines.length > MOST) {
      const cut = this.lines.length - MOST;
      this.lines.splice(0, cut);
      this.dropped += cut;
      this.find();
    } else if (this.query) {
      this.hits.push(...search(this.lines, this.query, start));
      this.paintCount();
    }
    this.unseen = this.following ? 0 : this.unseen + texts.length;
    this.paintPill();
    this.render();
  }

  /* what is shown */
  setWrap(on) {
    this.view.classList.toggle("wrap", on);
    this.rendered = null;
    this.render();
  }

  get wrapped() {
    return this.view.classList.contains("wrap");
  }

  render() {
    if (!this.lines.length) {
      this.inner.style.height = "";
      this.inner.replaceChildren(el("div", { class: "empty-log" }, this.dataset.url ? gettext("No log lines yet.") : gettext("No log lines.")));
      return;
    }
    if (this.wrapped) {
      this.renderFlow();
    } else {
      this.renderWindow();
    }
    if (this.following) {
      this.view.scrollTop = this.view.scrollHeight;
    }
  }

  renderFlow() {
    this.inner.style.height = "";
    this.inner.style.minWidth = "";
    const from = Math.max(0, this.lines.length - WRAP_MOST);
    this.inner.replaceChildren(...this.lines.slice(from).map((line, at) => this.lineElement(line, from + at)));
    this.inner.querySelectorAll(".ln").forEach((element) => { element.style.position = "static"; });
  }

  renderWindow() {
    this.inner.style.height = `${this.lines.length * LINE}px`;
    this.inner.style.minWidth = `${this.widest + 24}ch`;
    const room = this.view.clientHeight || 420;
    const top = this.following ? Math.max(0, this.lines.length * LINE - room + 16) : this.view.scrollTop;
    const from = Math.max(0, Math.floor(top / LINE) - OVERSCAN);
    const to = Math.min(this.lines.length, Math.ceil((top + room) / LINE) + OVERSCAN);
    const shown = this.lines.slice(from, to).map((line, at) => {
      const element = this.lineElement(line, from + at);
      element.style.top = `${(from + at) * LINE}px`;
      return element;
    });
    this.inner.replaceChildren(...shown);
  }

  lineElement(line, at) {
    const body = el("span", { class: severity(line.text) || null });
    if (this.query && line.text.toLowerCase().includes(this.query)) {
      body.append(...this.marked(line.text, at === this.hits[this.match]));
    } else {
      body.append(line.text || " ");
    }
    return el("div", { class: "ln" }, el("span", { class: "n" }, String(at + 1 + this.dropped)),
      el("span", { class: "ts" }, line.time ? `${clock(line.time)}.${line.millis}` : ""), body);
  }

  marked(text, current) {
    const parts = [];
    const lower = text.toLowerCase();
    let at = 0;
    for (let hit = lower.indexOf(this.query); hit >= 0; hit = lower.indexOf(this.query, at)) {
      parts.push(text.slice(at, hit), el("mark", { class: current ? "on" : null }, text.slice(hit, hit + this.query.length)));
      at = hit + this.query.length;
    }
    return [...parts, text.slice(at)];
  }

  /* following */
  onScroll() {
    const atEnd = this.view.scrollTop + this.view.clientHeight >= this.view.scrollHeight - LINE;
    this.following = atEnd;
    this.unseen = atEnd ? 0 : this.unseen;
    this.paintPill();
    if (!this.wrapped && this.lines.length) {
      this.frame ||= requestAnimationFrame(() => {
        this.frame = 0;
        this.renderWindow();
      });
    }
  }

  follow() {
    this.following = true;
    this.unseen = 0;
    this.paintPill();
    this.render();
  }

  paintPill() {
    this.pill.hidden = this.following || (this.ended && !this.unseen);
    const text = this.unseen
      ? fill(ngettext("Paused: %(n)s new line", "Paused: %(n)s new lines", this.unseen), { n: number(this.unseen) })
      : gettext("Paused: follow");
    this.pill.replaceChildren(text, icon("arrow-down", "sm"));
  }

  /* searching */
  find() {
    this.query = this.field.value.toLowerCase();
    this.hits = this.query ? search(this.lines, this.query, 0) : [];
    this.match = this.hits.length ? this.nearest() : -1;
    this.paintCount();
    if (this.match >= 0) {
      this.show(this.hits[this.match]);
    } else {
      this.render();
    }
  }

  nearest() {
    const top = Math.floor(this.view.scrollTop / LINE);
    const at = this.hits.findIndex((line) => line >= top);
    return at < 0 ? this.hits.length - 1 : at;
  }

  step(by) {
    if (this.hits.length) {
      this.match = (this.match + by + this.hits.length) % this.hits.length;
      this.paintCount();
      this.show(this.hits[this.match]);
    }
  }

  show(line) {
    this.following = false;
    this.paintPill();
    if (!this.wrapped) {
      this.inner.style.height = `${this.lines.length * LINE}px`;
      this.view.scrollTop = Math.max(0, line * LINE - this.view.clientHeight / 2);
    }
    this.render();
    this.inner.querySelector("mark.on")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  paintCount() {
    this.count.textContent = this.query ? `${number(this.match + 1)} / ${number(this.hits.length)}` : "";
  }

  download() {
    const text = this.lines.map((line) => line.raw).join("\n");
    const link = el("a", { href: URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" })), download: `${this.dataset.name || "log"}.log` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

customElements.define("log-pane", LogPane);
