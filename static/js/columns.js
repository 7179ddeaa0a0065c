/*
 * What each topic's rows look like in <vn-table>. A column is
 *   {key, label(), width (px, the least), grow, priority (1 is never dropped), sort, right,
 *    sign(row) -> string that changes when the cell does, paint(cell, row)}.
 * `text(row)` alone is enough for plain text. Raw values come from the server, words from here.
 */
import { el, svg } from "./dom.js";
import { bytes, dash, money, number } from "./format.js";
import { fill, gettext, isChinese, pgettext } from "./i18n.js";
import { age, ago } from "./time.js";

const TONES = new Set(["ok", "prog", "warn", "bad", "done", "mute"]);
const plain = (key, extra = {}) => ({ key, text: (row) => row[key] || dash, ...extra });
const span = (style, text, title = null) => el("span", { class: style, title }, text);

function link(row, text) {
  return row.url
    ? el("a", { class: "nm e", href: row.url, tabindex: "-1", title: text }, text)
    : span("nm e", text, text);
}

const named = (key, label, extra = {}) => ({
  key, label, width: 200, grow: 3, priority: 1, sort: key,
  sign: (row) => `${row[key]}|${row.deleted}|${row.url}`,
  paint: (cell, row) => cell.replaceChildren(link(row, row[key])),
  ...extra,
});

/** The words of kubectl's STATUS column that have a translation; the others stay as they are. */
const STATUS_WORDS = {
  Running: () => pgettext("pod status", "Running"),
  Pending: () => pgettext("pod status", "Pending"),
  ContainerCreating: () => pgettext("pod status", "ContainerCreating"),
  Terminating: () => pgettext("pod status", "Terminating"),
  Completed: () => pgettext("pod status", "Completed"),
  Succeeded: () => pgettext("pod status", "Succeeded"),
  Failed: () => pgettext("pod status", "Failed"),
  Unknown: () => pgettext("pod status", "Unknown"),
};
export const statusWord = (status) => (STATUS_WORDS[status] ? STATUS_WORDS[status]() : status);

const chip = (row) => span(`chip ${TONES.has(row.tone) ? row.tone : "mute"}`,
  row.deleted ? gettext("Deleted") : statusWord(row.status));

const status = (note, extra = {}) => ({
  key: "status", label: () => gettext("Status"), width: 150, grow: 1.4, priority: 1, sort: "status",
  sign: (row) => `${row.status}|${row.tone}|${row.deleted}|${note(row)}`,
  paint: (cell, row) => {
    const text = note(row);
    cell.replaceChildren(chip(row.deleted ? { ...row, tone: "mute" } : row));
    if (text && !row.deleted) {
      cell.append(span("sub", text, text));
    }
  },
  ...extra,
});

const withSub = (key, main, sub, extra = {}) => ({
  key,
  sign: (row) => `${main(row)}|${sub(row)}`,
  paint: (cell, row) => {
    const first = span(`e ${extra.mono ? "mono" : ""}`, main(row) || dash);
    cell.replaceChildren(first);
    if (sub(row)) {
      first.classList.add("first");
      cell.append(span("sub", sub(row), sub(row)));
    }
  },
  ...extra,
});

const mark = (name) => span(`pv ${name}`, name.toUpperCase());
const provider = {
  key: "provider", label: () => gettext("Provider"), width: 84, priority: 3, sort: "provider",
  sign: (row) => row.provider,
  paint: (cell, row) => cell.replaceChildren(row.provider ? mark(row.provider) : dash),
};
/** A node may be served by two. */
const providers = {
  ...provider, width: 116, priority: 3,
  sign: (row) => row.providers.join(),
  paint: (cell, row) => cell.replaceChildren(...row.providers.map(mark)),
};

/** What was asked for, where that is another size, and the size as it is billed. */
const size = {
  key: "spec", label: () => gettext("Size"), width: 148, priority: 3,
  sign: (row) => `${row.spec}|${row.asked}`,
  paint: (cell, row) => {
    const billed = span("num", row.spec || row.asked || dash);
    const other = row.asked && row.spec && row.asked !== row.spec;
    cell.replaceChildren(...(other ? [span("sub num e", `${row.asked} →`), billed] : [billed]));
    cell.title = other ? fill(gettext("asked %(asked)s, billed %(billed)s"), { asked: row.asked, billed: row.spec }) : "";
  },
};

const time = (key, label, data, extra = {}) => ({
  key, label, width: isChinese ? 116 : 78, priority: 2, sort: key, right: true,
  sign: (row) => row[key] || "",
  paint: (cell, row) => {
    if (!row[key]) {
      cell.replaceChildren(dash);
      return;
    }
    const element = el("time", { datetime: row[key] }, data === "ago" ? ago(row[key]) : age(row[key]));
    element.dataset[data] = "";
    cell.replaceChildren(element);
  },
  ...extra,
});

const price = {
  key: "price_per_hour", label: () => gettext("Price / h"), width: 92, priority: 5, right: true, sort: "price_per_hour",
  text: (row) => money(row.price_per_hour, row.currency, 4),
};

const count = (key, label, extra = {}) => ({
  key, label, width: 78, right: true, sort: key,
  text: (row) => (row[key] === null || row[key] === undefined ? dash : number(row[key])), ...extra,
});

/** A level bar; `calm` when full is good (steps done) and not a shortage. */
function level(used, capacity, calm) {
  const share = capacity ? Math.min(Math.max(used / capacity, 0), 1) : 0;
  const tone = calm ? "" : share >= 0.95 ? "b" : share >= 0.8 ? "w" : "";
  const bar = svg("svg", { class: `bar ${tone}`, viewBox: "0 0 120 6", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(svg("rect", { width: (share * 120).toFixed(1), height: 6 }));
  return bar;
}

const meter = (key, label, used, capacity, extra = {}) => ({
  key, label, width: 220, grow: 1, priority: 2,
  sign: (row) => `${row[used]}|${row[capacity]}`,
  paint: (cell, row) => cell.replaceChildren(el("span", { class: "meter" },
    level(row[used], row[capacity], extra.calm), `${number(row[used] ?? 0)} / ${number(row[capacity] ?? 0)}`)),
  ...extra,
});

const pods = [
  named("name", () => gettext("Name"), { width: 212, grow: 2 }),
  status((row) => row.blocker || row.reason, { width: 196, grow: 3 }),
  withSub("namespace", (row) => row.namespace, (row) => row.cluster_name, {
    label: () => gettext("Namespace"), width: 140, grow: 1, priority: 6, sort: "namespace" }),
  { ...provider, width: 76, priority: 2 },
  plain("instance_id", { label: () => gettext("Instance"), width: 132, grow: 3, priority: 4, mono: true }),
  size,
  plain("node", { label: () => gettext("Node"), width: 180, grow: 1, priority: 8, sort: "node" }),
  plain("ready", { label: () => gettext("Ready"), width: 62, priority: 7, right: true }),
  count("restarts", () => gettext("Restarts"), { priority: 9 }),
  plain("ip", { label: () => "IP", width: 110, priority: 10, mono: true }),
  price,
  time("created_at", () => gettext("Age"), "age"),
];

const nodes = [
  named("name", () => gettext("Name"), { width: 230 }),
  status((row) => row.reason || "", { width: 130 }),
  providers,
  withSub("zone", (row) => row.zone, (row) => row.cluster_name, {
    label: () => gettext("Zone"), width: 210, grow: 1, priority: 2, sort: "zone" }),
  meter("pods", () => gettext("Pods"), "pods_used", "pods_capacity", { width: 206, grow: 0 }),
  { key: "cpu", label: () => "vCPU", width: 120, priority: 5, right: true,
    text: (row) => `${number(row.cpu_used ?? 0)} / ${number(row.cpu_capacity ?? 0)}` },
  { key: "memory", label: () => gettext("Memory"), width: 150, priority: 6, right: true,
    text: (row) => `${bytes(row.memory_used)} / ${bytes(row.memory_capacity)}` },
  time("heartbeat_at", () => gettext("Heartbeat"), "ago", { width: isChinese ? 130 : 100 }),
  { ...price, sort: null },
  plain("version", { label: () => gettext("Version"), width: 140, priority: 8, mono: true }),
];

const clusters = [
  named("name", () => gettext("Name")),
  status((row) => row.reason || ""),
  plain("kind", { label: () => gettext("Kind"), width: 120, priority: 5 }),
  plain("version", { label: () => "Kubernetes", width: 150, priority: 4, mono: true }),
  plain("region", { label: () => gettext("Region"), width: 120, priority: 6 }),
  { key: "nodes", label: () => gettext("Virtual nodes"), width: 110, priority: 2, right: true,
    text: (row) => `${number(row.nodes_ready ?? 0)} / ${number(row.nodes_total ?? 0)}` },
  count("pods", () => gettext("Pods"), { priority: 3, sort: null }),
  { ...price, sort: null },
  time("last_seen_at", () => gettext("Last seen"), "ago", { width: isChinese ? 130 : 110 }),
];

const operations = [
  named("title", () => gettext("Operation")),
  status((row) => row.reason || ""),
  plain("cluster_name", { label: () => gettext("Cluster"), width: 140, grow: 1, priority: 3 }),
  meter("steps", () => gettext("Steps"), "steps_done", "steps_total", { width: 190, calm: true }),
  plain("actor", { label: () => gettext("By"), width: 110, priority: 4 }),
  time("started_at", () => gettext("Started"), "ago", { width: isChinese ? 130 : 110 }),
];

const orphans = [
  named("instance_id", () => gettext("Instance")),
  status((row) => row.reason || "", { sort: null }),
  provider,
  plain("zone", { label: () => gettext("Zone"), width: 140, priority: 4, sort: "zone" }),
  plain("spec", { label: () => gettext("Size"), width: 110, priority: 5 }),
  plain("account", { label: () => gettext("Credential"), width: 150, grow: 1, priority: 3 }),
  price,
  { key: "cost_so_far", label: () => gettext("Cost so far"), width: 110, priority: 3, right: true,
    text: (row) => money(row.cost_so_far, row.currency) },
  time("created_at", () => gettext("Age"), "age"),
];

const events = [
  status(() => "", { key: "type", width: 110, grow: 0 }),
  plain("reason", { label: () => gettext("Reason"), width: 150, grow: 1, priority: 1 }),
  named("object", () => gettext("Object"), { grow: 1.5, priority: 2 }),
  { key: "message", label: () => gettext("Message"), width: 260, grow: 4, priority: 1,
    sign: (row) => row.message, paint: (cell, row) => cell.replaceChildren(span("e", row.message, row.message)) },
  count("count", () => gettext("Count"), { priority: 4 }),
  time("last_at", () => gettext("Last seen"), "ago", { width: isChinese ? 130 : 110 }),
];

export const registry = { pods, nodes, clusters, operations, orphans, events };

/** Adds or replaces the columns of a topic (a page module may bring its own). */
export const register = (topic, columns) => {
  registry[topic] = columns;
};

/** The columns that fit into `width` pixels, least important dropped first. */
export function fitting(columns, width, fixed) {
  let kept = [...columns];
  const total = () => kept.reduce((sum, column) => sum + (column.width || 100), fixed);
  while (kept.length > 1 && total() > width) {
    const last = kept.reduce((a, b) => ((b.priority ?? 5) >= (a.priority ?? 5) ? b : a));
    if ((last.priority ?? 5) === 1) {
      break;
    }
    kept = kept.filter((column) => column !== last);
  }
  return kept;
}

export const signature = (column, row) => (column.sign ? column.sign(row) : String(column.text(row)));

export function paintCell(column, cell, row) {
  if (column.paint) {
    column.paint(cell, row);
  } else {
    const text = String(column.text(row));
    cell.replaceChildren(span(column.mono ? "mono e" : "e", text));
  }
}
