// Milliseconds by stage, as one strip.

import { el } from "./dom.js";
import { milliseconds } from "./words.js";

export function timings(stages) {
  const list = Object.entries(stages);
  const total = list.reduce((sum, [, ms]) => sum + ms, 0);
  const parts = list.map(([, ms], place) => el("i", { vars: { share: String(ms), place: String(place % 5) } }));
  const legend = list.map(([stage, ms], place) => el("li", { vars: { place: String(place % 5) } }, `${stage.replaceAll("_", " ")} ${milliseconds(ms)}`));
  return el(
    "div",
    { class: "timings" },
    el("p", {}, `${milliseconds(total)} in all`),
    el("div", { class: "strip", "aria-hidden": "true" }, ...parts),
    el("ul", { "aria-label": "Time by stage" }, ...legend),
  );
}
