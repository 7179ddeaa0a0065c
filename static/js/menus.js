/* Popover menus: placed under their button, walked with the arrow keys; tooltips; mobile nav. */
import { el } from "./dom.js";

const GAP = 5;
const TIP_AFTER_MS = 300;

function place(menu, anchor) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = box.left + width > innerWidth - 8 ? box.right - width : box.left;
  const below = box.bottom + GAP + height <= innerHeight - 8 || box.top < height;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  menu.style.top = `${below ? box.bottom + GAP : box.top - GAP - height}px`;
}

const openerOf = (menu) => document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);

function onToggle(event) {
  const menu = event.target;
  if (!menu.classList?.contains("menu")) {
    return;
  }
  const opener = openerOf(menu);
  opener?.setAttribute("aria-expanded", String(event.newState === "open"));
  if (event.newState === "open" && opener) {
    place(menu, opener);
    menu.style.visibility = "";
    const target = menu.querySelector("[autofocus], [aria-current], input, .it");
    target?.focus({ preventScroll: true });
  }
}

function onBeforeToggle(event) {
  if (event.target.classList?.contains("menu") && event.newState === "open") {
    event.target.style.visibility = "hidden";
  }
}

function onKey(event) {
  const menu = event.target.closest?.(".menu:popover-open");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!menu || !step) {
    return;
  }
  event.preventDefault();
  const items = [...menu.querySelectorAll("input, a.it, button.it")].filter((item) => !item.disabled);
  const at = items.indexOf(document.activeElement);
  items[(at + step + items.length) % items.length]?.focus();
}

const tip = el("div", { class: "tip", popover: "manual", role: "tooltip" });

let tipTimer = 0;

function showTip(event) {
  const owner = event.target.closest?.("[data-tip]");
  clearTimeout(tipTimer);
  if (owner) {
    tipTimer = setTimeout(() => openTip(owner), TIP_AFTER_MS);
  }
}

function openTip(owner) {
  if (!owner.isConnected || document.querySelector(".menu:popover-open")) {
    return;
  }
  tip.textContent = owner.dataset.tip;
  if (!tip.isConnected) {
    document.body.append(tip);
  }
  tip.showPopover();
  place(tip, owner);
}

function hideTip() {
  clearTimeout(tipTimer);
  if (tip.isConnected && tip.matches(":popover-open")) {
    tip.hidePopover();
  }
}

function toggleNav(open) {
  const shell = document.getElementById("shell");
  const button = document.querySelector("[data-nav-toggle]");
  shell.dataset.nav = open ? "open" : "";
  button.setAttribute("aria-expanded", String(open));
  if (open) {
    shell.querySelector(".side a").focus();
  }
}

function onClick(event) {
  const shell = document.getElementById("shell");
  if (event.target.closest("[data-nav-toggle]")) {
    toggleNav(shell.dataset.nav !== "open");
  } else if (shell?.dataset.nav === "open" && !event.target.closest("#side")) {
    toggleNav(false);
  }
  const filters = event.target.closest("[data-more-filters]");
  if (filters) {
    const open = filters.closest(".bar2").classList.toggle("open");
    filters.setAttribute("aria-expanded", String(open));
  }
}

function onChange(event) {
  if (event.target.matches(".menu[data-facet] input[type=radio]")) {
    event.target.closest(".menu").hidePopover();
  }
}

export function startMenus() {
  document.addEventListener("change", onChange);
  document.addEventListener("beforetoggle", onBeforeToggle, true);
  document.addEventListener("toggle", onToggle, true);
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  document.addEventListener("pointerenter", showTip, true);
  document.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && showTip(event));
  document.addEventListener("pointerleave", hideTip, true);
  document.addEventListener("focusout", hideTip);
  document.addEventListener("pointerdown", hideTip);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      hideTip();
      const shell = document.getElementById("shell");
      if (shell?.dataset.nav === "open") {
        toggleNav(false);
        document.querySelector("[data-nav-toggle]").focus();
      }
    }
  });
}
