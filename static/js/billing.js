/*
 * The pages of money. <money-tick data-amount data-per-hour data-currency data-places>: an amount
 * that grows by the second from the moment it was drawn, each time its attributes change anew.
 * .bars: what stands at the pointer or the focus, from the table beside the picture.
 * select[data-go]: changes the page as soon as something is chosen.
 */
import { el } from "./dom.js";
import { money } from "./format.js";

const HOUR_MS = 3_600_000;
const TICK_MS = 1000;

class MoneyTick extends HTMLElement {
  static observedAttributes = ["data-amount", "data-per-hour"];

  connectedCallback() {
    this.timer = setInterval(() => document.hidden || this.paint(), TICK_MS);
    this.paint();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  attributeChangedCallback() {
    this.since = performance.now();
  }

  paint() {
    const { amount, perHour, currency, places } = this.dataset;
    const grown = Number(amount) + (Number(perHour) * (performance.now() - this.since)) / HOUR_MS;
    const text = money(grown, currency, Number(places) || 2);
    if (this.textContent !== text) {
      this.textContent = text;
    }
  }
}

const tip = el("div", { class: "chart-tip", hidden: true });

/** Name and amount of each series of one bar, the largest last as they are stacked. */
function tipOf(bars, column) {
  const row = document.getElementById(column.dataset.row);
  const heads = [...row.closest("table").tHead.rows[0].cells].slice(1);
  const rows = heads.map((head, index) => {
    const cell = row.cells[index + 1];
    const mark = head.dataset.series ? el("i", { class: head.dataset.series }) : null;
    return cell.dataset.none === undefined
      ? el("div", {}, mark, head.textContent, el("span", { class: "sp" }, cell.textContent)) : null;
  });
  return [el("b", {}, row.cells[0].textContent), ...rows.filter(Boolean)];
}

function showTip(event) {
  const column = event.target.closest?.(".bars [data-row]");
  if (!column) {
    tip.hidden = true;
    return;
  }
  const bars = column.closest(".bars");
  tip.replaceChildren(...tipOf(bars, column));
  tip.hidden = false;
  bars.append(tip);
  const slot = column.getBoundingClientRect();
  const frame = bars.getBoundingClientRect();
  const onRight = slot.left + slot.width / 2 > frame.left + frame.width / 2;
  const left = onRight ? slot.left - frame.left - tip.offsetWidth - 8 : slot.right - frame.left + 8;
  tip.style.left = `${Math.max(0, Math.min(left, frame.width - tip.offsetWidth))}px`;
  tip.style.top = "8px";
}

function go(event) {
  if (event.target.matches("select[data-go]")) {
    event.target.form.requestSubmit();
  }
}

customElements.define("money-tick", MoneyTick);
document.addEventListener("pointerover", showTip, { passive: true });
document.addEventListener("focusin", showTip);
document.addEventListener("change", go);
