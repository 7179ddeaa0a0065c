/*
 * One websocket for the page. Subscriptions survive reconnects; a hidden tab unsubscribes.
 *
 *   const sub = stream.subscribe("pods", { params: () => ({view, ids}), message, resync });
 *   sub.update();   // the window moved: tell the server
 *   sub.close();
 *
 * `resync` runs after every reconnect, on the server's request, and when a sequence number
 * runs backwards: whoever holds data fetches it again.
 */
import { fill, gettext } from "./i18n.js";
import { clock } from "./time.js";

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 30_000;
const STRIP_AFTER_MS = 5000;
const PING_MS = 25_000;

class Subscription {
  constructor(stream, topic, { params = () => ({}), message, resync }) {
    Object.assign(this, { stream, topic, params, message, resync, seq: -1 });
  }

  update() {
    this.stream.send({ op: "sub", topic: this.topic, ...this.params() });
  }

  close() {
    this.stream.remove(this);
  }
}

export class Stream {
  constructor(url) {
    this.url = url;
    this.topics = new Map();
    this.socket = null;
    this.delay = FIRST_DELAY_MS;
    this.opened = false;
    this.lastMessage = new Date().toISOString();
    document.addEventListener("visibilitychange", () => this.onVisibility());
    addEventListener("online", () => this.retryNow());
  }

  subscribe(topic, handlers) {
    const subscription = new Subscription(this, topic, handlers);
    const all = this.topics.get(topic) || new Set();
    this.topics.set(topic, all.add(subscription));
    if (!this.socket && !document.hidden) {
      this.connect();
    }
    subscription.update();
    return subscription;
  }

  remove(subscription) {
    const all = this.topics.get(subscription.topic);
    all?.delete(subscription);
    if (all && all.size === 0) {
      this.topics.delete(subscription.topic);
      this.send({ op: "unsub", topic: subscription.topic });
    }
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }

  each(fn) {
    this.topics.forEach((all) => all.forEach(fn));
  }

  connect() {
    clearTimeout(this.timer);
    const socket = new WebSocket(new URL(this.url, location.href.replace(/^http/, "ws")));
    this.socket = socket;
    socket.addEventListener("open", () => this.onOpen());
    socket.addEventListener("message", (event) => this.onMessage(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.onClose(socket));
  }

  onOpen() {
    this.delay = FIRST_DELAY_MS;
    clearTimeout(this.stripTimer);
    this.stripTimer = 0;
    showStrip(null);
    clearInterval(this.pinger);
    this.pinger = setInterval(() => this.send({ op: "ping" }), PING_MS);
    const again = this.opened;
    this.opened = true;
    this.each((subscription) => {
      subscription.seq = -1;
      subscription.update();
      if (again) {
        subscription.resync?.();
      }
    });
  }

  onMessage(message) {
    this.lastMessage = new Date().toISOString();
    if (message.t === "resync") {
      this.topics.get(message.topic)?.forEach((subscription) => subscription.resync?.());
      return;
    }
    this.topics.get(message.t)?.forEach((subscription) => {
      const backwards = message.seq < subscription.seq;
      subscription.seq = message.seq ?? subscription.seq;
      if (backwards) {
        subscription.resync?.();
      } else {
        subscription.message?.(message);
      }
    });
  }

  onClose(socket) {
    if (this.socket !== socket) {
      return;
    }
    this.socket = null;
    clearInterval(this.pinger);
    if (document.hidden || this.topics.size === 0) {
      return;
    }
    this.stripTimer ||= setTimeout(() => showStrip(this.lastMessage), STRIP_AFTER_MS);
    this.timer = setTimeout(() => this.connect(), this.delay * (0.5 + Math.random() / 2));
    this.delay = Math.min(this.delay * 2, LAST_DELAY_MS);
  }

  retryNow() {
    if (!this.socket && this.topics.size > 0) {
      this.connect();
    }
  }

  onVisibility() {
    if (document.hidden) {
      this.topics.forEach((all, topic) => this.send({ op: "unsub", topic }));
    } else if (this.socket?.readyState === WebSocket.OPEN) {
      this.each((subscription) => {
        subscription.update();
        subscription.resync?.();
      });
    } else {
      this.retryNow();
    }
  }
}

function showStrip(since) {
  const strip = document.getElementById("reconnect");
  if (strip) {
    strip.hidden = since === null;
    strip.textContent = since === null
      ? "" : fill(gettext("Reconnecting… data from %(time)s"), { time: clock(since) });
  }
}

const shell = document.querySelector("[data-stream]");
export const stream = new Stream(shell?.dataset.stream || "/ws/stream/");
