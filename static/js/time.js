/* Ages tick by one timer for the whole page; absolute times show on hover and focus. */
import { fill, gettext, language, pgettext } from "./i18n.js";

const TICK_MS = 10_000;
// What counts down does so by the second.
const SECOND_MS = 1000;
const SECOND = [1, () => pgettext("short unit", "%(n)ss")];
const MINUTE = [60, () => pgettext("short unit", "%(n)sm")];
const HOUR = [3600, () => pgettext("short unit", "%(n)sh")];
const DAY = [86400, () => pgettext("short unit", "%(n)sd")];
const UNITS = [DAY, HOUR, MINUTE, SECOND];

/** A duration as kubectl prints ages: at most two units ("45s", "3h5m", "2d4h"). */
export function shortDuration(seconds) {
  const left = Math.max(Math.floor(seconds), 0);
  const at = UNITS.findIndex(([size]) => left >= size || size === 1);
  const [size, unit] = UNITS[at];
  const whole = Math.floor(left / size);
  const finer = UNITS[at + 1];
  const part = finer ? Math.floor((left % size) / finer[0]) : 0;
  const text = fill(unit(), { n: whole });
  if (!finer || whole >= 10 || part === 0) {
    return text;
  }
  const pattern = pgettext("two units of one duration", "%(whole)s%(part)s");
  return fill(pattern, { whole: text, part: fill(finer[1](), { n: part }) });
}

export const secondsSince = (iso, now = Date.now()) => (now - Date.parse(iso)) / 1000;
export const age = (iso, now) => shortDuration(secondsSince(iso, now));
export const ago = (iso, now) => fill(gettext("%(age)s ago"), { age: age(iso, now) });

const clockForm = new Intl.DateTimeFormat(language, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const dateForm = new Intl.DateTimeFormat(language, {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
  second: "2-digit", hourCycle: "h23", timeZoneName: "shortOffset",
});

export const clock = (iso) => clockForm.format(new Date(iso));
export const absolute = (iso) =>
  `${dateForm.format(new Date(iso))} · ${new Date(iso).toISOString().replace(".000Z", "Z")}`;

export const left = (iso, now) => (secondsSince(iso, now) < 0
  ? fill(gettext("in %(age)s"), { age: shortDuration(-secondsSince(iso, now)) }) : ago(iso, now));

const TEXTS = { ago, left };

function paint(element, now) {
  const kind = Object.keys(TEXTS).find((name) => name in element.dataset);
  const text = (TEXTS[kind] || age)(element.dateTime, now);
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

export function tick(root = document) {
  const now = Date.now();
  root.querySelectorAll("time[data-age], time[data-ago], time[data-left]").forEach((element) => paint(element, now));
}

function explain(event) {
  const element = event.target.closest?.("time[datetime]");
  if (element && !element.title && element.dateTime) {
    element.title = absolute(element.dateTime);
  }
}

export function startClock() {
  tick();
  document.querySelectorAll("time[data-clock]").forEach((element) => {
    element.textContent = clock(element.dateTime);
  });
  setInterval(() => {
    if (!document.hidden) {
      tick();
    }
  }, TICK_MS);
  setInterval(() => {
    if (!document.hidden) {
      document.querySelectorAll("time[data-left]").forEach((element) => paint(element, Date.now()));
    }
  }, SECOND_MS);
  document.addEventListener("pointerover", explain, { passive: true });
  document.addEventListener("focusin", explain);
}
