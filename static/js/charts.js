/*
 * <vn-chart data-source="id of a json_script" | data-url="…" data-every="15" data-stacked>: time
 * series by uPlot. Data: {"x": [unix seconds], "series": [{"label", "colour": "--eci",
 * "values": [...]}], "sparse": whether gaps are bridged and points drawn, "unit": "s"}.
 * With data-every it is read again every so many seconds. A <p> inside is shown while x is empty.
 */
import uPlot from "../vendor/uplot-1.6.32/uplot.esm.js";
import { el } from "./dom.js";
import { compact, dash, number } from "./format.js";
import { clock } from "./time.js";
import { colour } from "./theme.js";

const HEIGHT = 150;
const FONT = '11px "Inter Variable", system-ui, sans-serif';

function fade(rgb, alpha) {
  return rgb.replace(/^rgba?\(([^)]+)\)$/, (whole, inner) =>
    `rgba(${inner.split(/[ ,/]+/).slice(0, 3).join(",")},${alpha})`);
}

/** Each series on top of the ones before it; gaps count as nothing. */
function stack(series) {
  const sums = [];
  return series.map(({ values }) => values.map((value, index) => {
    sums[index] = (sums[index] || 0) + (value || 0);
    return sums[index];
  }));
}

function axes(unit) {
  const common = { stroke: colour("--text-3"), font: FONT, ticks: { show: false }, grid: { stroke: colour("--line"), width: 1 } };
  return [
    { ...common, size: 26, space: 64, values: (chart, splits) => splits.map((at) => clock(at * 1000).slice(0, 5)) },
    { ...common, size: 44, space: 34, values: (chart, splits) => splits.map((value) => `${compact(value)}${unit && ` ${unit}`}`) },
  ];
}

class Chart extends HTMLElement {
  connectedCallback() {
    this.repaint = () => this.draw();
    document.addEventListener("themechange", this.repaint);
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this);
    this.load();
  }

  disconnectedCallback() {
    document.removeEventListener("themechange", this.repaint);
    this.observer.disconnect();
    clearTimeout(this.timer);
    this.plot?.destroy();
  }

  async load() {
    const { source, url } = this.dataset;
    if (source) {
      this.data = JSON.parse(document.getElementById(source).textContent);
    } else {
      await this.read(url);
    }
    this.draw();
  }

  /** The last good data stays when an answer fails. */
  async read(url) {
    const every = Number(this.dataset.every);
    if (every) {
      this.timer = setTimeout(() => (document.hidden || this.matches(":hover") ? this.read(url) : this.load()), every * 1000);
    }
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      this.data = answer.ok ? await answer.json() : this.data;
    } catch {
      /* The reconnect strip tells of it. */
    }
  }

  fit() {
    const width = this.clientWidth;
    if (this.plot && width && width !== this.plot.width) {
      this.plot.setSize({ width, height: this.height });
    }
  }

  get height() {
    return Number(this.dataset.height) || HEIGHT;
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    this.empty ||= this.querySelector("p");
    if (!this.data?.x?.length) {
      this.empty?.removeAttribute("hidden");
      this.replaceChildren(...(this.empty ? [this.empty] : []));
      return;
    }
    const { x, series } = this.data;
    const stacked = "stacked" in this.dataset;
    const rows = stacked ? stack(series) : series.map(({ values }) => values);
    const options = {
      width: this.clientWidth || 600, height: this.height, padding: [10, 14, 0, 0],
      legend: { show: false }, axes: axes(this.data.unit || ""), series: this.lines(series, stacked),
      scales: { y: { range: (chart, low, high) => [0, high > 0 ? high * 1.12 : 1] } },
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      hooks: { setCursor: [(chart) => this.tip(chart)] },
    };
    if (stacked) {
      options.bands = series.slice(1).map((unused, index) => ({
        series: [index + 2, index + 1], fill: fade(colour(series[index + 1].colour), 0.16),
      }));
    }
    this.replaceChildren();
    this.showLegend(series);
    this.plot = new uPlot(options, [x, ...rows], this);
    this.tipBox = el("div", { class: "chart-tip", hidden: true });
    this.plot.over.append(this.tipBox);
  }

  lines(series, stacked) {
    const drawn = series.map((one, index) => {
      const stroke = colour(one.colour || "--accent");
      const filled = !stacked || index === 0;
      return { label: one.label, stroke, width: 1.6, fill: filled && !this.data.sparse ? fade(stroke, 0.14) : undefined,
        spanGaps: Boolean(this.data.sparse), points: { show: Boolean(this.data.sparse), size: 5, fill: stroke } };
    });
    return [{}, ...drawn];
  }

  /** The [data-legend] of the card, where the series are not known before they are read. */
  showLegend(series) {
    const marks = series.map((one) => {
      const square = el("i");
      square.style.background = `var(${one.colour}, var(--accent))`;
      return el("span", {}, square, one.label);
    });
    this.closest(".card")?.querySelector("[data-legend]")?.replaceChildren(...marks);
  }

  tip(chart) {
    const { idx, left } = chart.cursor;
    this.tipBox.hidden = idx === null || idx === undefined || left < 0;
    if (this.tipBox.hidden) {
      return;
    }
    const { unit = "" } = this.data;
    const rows = this.data.series.map((one) => {
      const mark = el("i");
      mark.style.background = `var(${one.colour || "--accent"}, var(--accent))`;
      return el("div", {}, mark, one.label, el("span", { class: "sp" }, one.values[idx] === null ? dash : `${number(one.values[idx] ?? 0)}${unit && ` ${unit}`}`));
    });
    this.tipBox.replaceChildren(el("b", {}, clock(this.data.x[idx] * 1000)), ...rows.reverse());
    const onRight = left > chart.over.clientWidth / 2;
    this.tipBox.style.left = `${onRight ? left - this.tipBox.offsetWidth - 12 : left + 12}px`;
    this.tipBox.style.top = "8px";
  }
}

customElements.define("vn-chart", Chart);
