// A form that nobody is at is cleared, so that the next visitor does not read it. Asked first.

import { byId } from "../dom.js";

const QUIET_MS = 45_000;
const WARNING_S = 20;

/** Starts watching; `gone` runs when nobody answered. Returns what stops it. */
export function whileSomebodyIsThere(words, gone) {
  const dialog = byId("idle");
  let timer = 0;
  let ticking = 0;

  function again() {
    clearTimeout(timer);
    clearInterval(ticking);
    if (dialog.open) dialog.close();
    timer = setTimeout(ask, QUIET_MS);
  }

  function ask() {
    let left = WARNING_S;
    const text = byId("idle-text");
    text.textContent = words.stillThereText(left);
    byId("idle-title").textContent = words.stillThere;
    byId("idle-stay").textContent = words.stay;
    dialog.showModal();
    ticking = setInterval(() => {
      left -= 1;
      text.textContent = words.stillThereText(left);
      if (left > 0) return;
      stop();
      gone();
    }, 1000);
  }

  function stop() {
    clearTimeout(timer);
    clearInterval(ticking);
    if (dialog.open) dialog.close();
    for (const kind of ["pointerdown", "keydown"]) document.removeEventListener(kind, again);
  }

  byId("idle-stay").onclick = again;
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, again);
  again();
  return stop;
}
