/* Which rows are chosen, and what the bulk row does with them. */
import { csrfToken, el } from "./dom.js";
import { confirmDialog } from "./dialog.js";
import { fill, gettext, ngettext } from "./i18n.js";
import { number } from "./format.js";
import { toast } from "./toast.js";

const MOST = 500;

export class Selection {
  constructor(changed) {
    this.ids = new Set();
    this.changed = changed;
    this.last = -1;
  }

  toggle(order, index, wanted = !this.ids.has(order[index])) {
    this.set(order.slice(index, index + 1), wanted);
    this.last = index;
  }

  /** From the last touched row to this one. */
  range(order, index) {
    const from = this.last < 0 ? index : this.last;
    this.set(order.slice(Math.min(from, index), Math.max(from, index) + 1), true);
    this.last = index;
  }

  all(order, wanted) {
    this.set(order.slice(0, MOST), wanted);
    if (wanted && order.length > MOST) {
      toast(fill(gettext("The first %(n)s rows are selected; an action takes no more at once."), { n: MOST }));
    }
  }

  set(ids, wanted) {
    ids.forEach((id) => {
      if (wanted && this.ids.size < MOST) {
        this.ids.add(id);
      } else if (!wanted) {
        this.ids.delete(id);
      }
    });
    this.changed();
  }

  clear() {
    this.ids.clear();
    this.last = -1;
    this.changed();
  }

  has(id) {
    return this.ids.has(id);
  }
}

export function bulkRow(selection, template) {
  const count = selection.ids.size;
  const label = fill(ngettext("%(n)s selected", "%(n)s selected", count), { n: number(count) });
  const clear = el("button", { class: "btn sm gh", type: "button" }, gettext("Clear"));
  clear.addEventListener("click", () => selection.clear());
  const actions = template ? [...template.content.cloneNode(true).children] : [];
  return [el("b", {}, label), ...actions, clear];
}

/**
 * A button of the bulk template: data-url gets POST {"ids": [...]}; data-confirm asks before.
 * Answers {"done": n, "failed": [{"id", "error"}]}, both optional.
 */
export async function runBulk(button, selection) {
  const ids = [...selection.ids];
  const { url, confirm: question } = button.dataset;
  const label = button.textContent.trim();
  const text = question && fill(question, { n: number(ids.length) });
  if (text && !(await confirmDialog({ title: label, text, label }))) {
    return;
  }
  const answer = await fetch(url, {
    method: "POST", body: JSON.stringify({ ids }),
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
  });
  const result = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    toast(result.detail || gettext("The request failed."), { tone: "bad" });
    return;
  }
  const failed = result.failed || [];
  failed.slice(0, 3).forEach((one) => toast(one.error, { tone: "bad" }));
  const done = result.done ?? ids.length - failed.length;
  toast(fill(ngettext("%(n)s done.", "%(n)s done.", done), { n: number(done) }), { tone: "ok", detail: label });
  selection.clear();
}
