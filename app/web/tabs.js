// The tab pattern of the ARIA practices: arrow keys move, Home and End jump, the chosen tab is the only one in tab order.

import { byId } from "./dom.js";

/** `onOpen`: what runs when a panel opens, by its id. Returns a function that opens one. */
export function tabs(onOpen) {
  const all = [...document.querySelectorAll("[role=tab]")];

  function open(id, { focus = true } = {}) {
    for (const tab of all) {
      const chosen = tab.getAttribute("aria-controls") === id;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !chosen;
      if (chosen && focus) tab.focus();
    }
    onOpen[id]?.();
  }

  all.forEach((tab, at) => {
    tab.addEventListener("click", () => open(tab.getAttribute("aria-controls")));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      open(all[(to + all.length) % all.length].getAttribute("aria-controls"));
    });
  });
  return open;
}
