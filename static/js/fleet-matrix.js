/*
 * form[data-matrix]: cells of one component are ticked and upgraded together. The first tick chooses
 * the component; the other columns wait until the selection is cleared.
 */
import { fill, ngettext } from "./i18n.js";
import { number } from "./format.js";

function start(form) {
  const boxes = [...form.querySelectorAll("input[name=i]")];
  const heads = [...form.querySelectorAll("input[data-all]")];
  const bar = form.querySelector(".vt-bar");
  const idle = bar.querySelector("[data-idle]");
  const chosen = bar.querySelector("[data-chosen]");

  function show() {
    const ticked = boxes.filter((box) => box.checked);
    const of = ticked[0]?.dataset.of;
    boxes.forEach((box) => { box.disabled = Boolean(of) && box.dataset.of !== of; });
    heads.forEach((head) => {
      const mine = boxes.filter((box) => box.dataset.of === head.dataset.all);
      const count = mine.filter((box) => box.checked).length;
      head.checked = count > 0 && count === mine.length;
      head.indeterminate = count > 0 && count < mine.length;
      head.disabled = Boolean(of) && head.dataset.all !== of;
    });
    bar.classList.toggle("sel", Boolean(of));
    idle.hidden = Boolean(of);
    chosen.hidden = !of;
    const text = ngettext("%(component)s in %(n)s cluster", "%(component)s in %(n)s clusters", ticked.length);
    chosen.querySelector("b").textContent = of ? fill(text, { component: of, n: number(ticked.length) }) : "";
  }

  function follow(head) {
    boxes.filter((box) => box.dataset.of === head.dataset.all).forEach((box) => { box.checked = head.checked; });
  }

  form.addEventListener("change", (event) => {
    if (event.target.dataset.all) follow(event.target);
    show();
  });
  form.querySelector("[data-clear]").addEventListener("click", () => {
    boxes.forEach((box) => { box.checked = false; });
    show();
  });
  // Ticked before this was loaded.
  heads.filter((head) => head.checked).slice(0, 1).forEach(follow);
  show();
}

document.querySelectorAll("form[data-matrix]").forEach(start);
