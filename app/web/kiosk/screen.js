// What is shown and said. One state at a time: a headline, a hint, a tone, a few buttons.

import { byId, el, svg } from "../dom.js";

const SIGNS = {
  good: ["M12 25.5 20.5 34 36.5 15"],
  ask: ["M17 18.5a7 7 0 1 1 9.8 6.4C24.6 25.9 24 27 24 29.5", "M24 35.6v.2"],
  bad: ["M16 16l16 16", "M32 16 16 32"],
};
const STEADY_MS = 650; // an advice stays at least so long: one that flickers helps nobody

let shownAt = 0;
let held = 0;
let last = "";

/**
 * `lines`: headline and hint. `tone`: plain, good, ask or bad. `actions`: {label, run, kind}.
 * `content`: nodes between text and buttons. `focus`: move there, for what the visitor asked for.
 */
export function show(state, lines, { tone = "plain", actions = [], content = [], focus = false } = {}) {
  clearTimeout(held);
  document.body.dataset.state = state;
  document.body.dataset.tone = tone;
  say(lines);
  byId("sign").replaceChildren(...(SIGNS[tone] ?? []).map((d) => svg("path", { d, pathLength: 1 })));
  byId("body").replaceChildren(...content);
  byId("actions").replaceChildren(...actions.map(button));
  several("");
  if (focus) byId("headline").focus();
}

/** A new advice in the same state; said when the one before has stood long enough. */
export function advise(lines) {
  clearTimeout(held);
  held = setTimeout(() => say(lines), Math.max(0, shownAt + STEADY_MS - performance.now()));
}

function say([headline, hint]) {
  const both = `${headline}\n${hint}`;
  if (both === last) return;
  last = both;
  shownAt = performance.now();
  byId("headline").textContent = headline;
  byId("hint").textContent = hint;
}

export function progress(share) {
  byId("ring").classList.toggle("begun", share > 0);
  byId("ring").style.setProperty("--done", String(Math.round(100 * share)));
}

export function several(text) {
  const place = byId("several");
  if (place.textContent !== text) place.textContent = text;
}

/** Corner marks around the visitor's face, in pixels of the stream; null for none. */
export function mark(box, [width, height]) {
  const place = byId("boxes");
  if (!box || !width) {
    place.replaceChildren();
    return;
  }
  const [x0, y0, x1, y1] = box;
  place.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const arm = (x1 - x0) / 6;
  const corners = [[x0, y0, 1, 1], [x1, y0, -1, 1], [x1, y1, -1, -1], [x0, y1, 1, -1]];
  const d = corners.map(([x, y, right, down]) => `M${x} ${y + down * arm}V${y}H${x + right * arm}`).join("");
  place.replaceChildren(svg("path", { d }));
}

function button({ label, run, kind = "" }) {
  return el("button", { type: "button", class: `big ${kind}`.trim(), onclick: run }, label);
}
