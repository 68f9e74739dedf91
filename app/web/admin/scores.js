// Scores of the last days as a histogram against the threshold.

import { visits } from "../board/service.js";
import { byId, el, svg } from "../dom.js";
import { attempt, count, score } from "../words.js";
import { threshold } from "./service.js";

const BINS = 40;
const [WIDE, HIGH] = [800, 260];
const DAY_MS = 86_400_000;
const KINDS = [
  ["match", "Match"],
  ["review", "Review"],
  ["no_match", "No match"],
];

/** `values` from -1 to 1 into `BINS` counts over [least, most]. */
export function bins(values, least, most) {
  const counts = new Array(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor(((value - least) / (most - least)) * BINS)))] += 1;
  return counts;
}

/** `onDays` runs when other days were chosen. */
export function scoresPanel(picked, { onDays }) {
  async function load() {
    const since = new Date(Date.now() - Number(byId("days").value) * DAY_MS).toISOString();
    const done = await attempt(byId("scores-said"), "Counting", () => Promise.all([visits({ collection: picked(), since, decision: "any" }), threshold(picked())]));
    if (!done) return;
    const [all, limit] = done;
    const scored = all.filter((one) => one.score !== null);
    byId("histogram").replaceChildren(...(scored.length ? [drawn(scored, limit), legend(scored), el("p", { class: "soft" }, `${count(scored.length, "sign-in with a face", "sign-ins with a face")}, ${count(all.length - scored.length, "without", "without")}. A valley around the threshold is what you want to see; a hill across it means that people are turned away, or strangers let in.`)] : [el("p", { class: "soft" }, "No face was compared in these days.")]));
  }

  byId("days").addEventListener("change", () => (load(), onDays()));
  return load;
}

function drawn(scored, limit) {
  const values = scored.map((one) => one.score);
  const least = Math.min(0, ...values, limit.review) - 0.02;
  const most = Math.max(...values, limit.threshold) + 0.04;
  const layers = KINDS.map(([kind]) => [kind, bins(scored.filter((one) => one.decision === kind).map((one) => one.score), least, most)]);
  const highest = Math.max(...layers[0][1].map((_, at) => layers.reduce((sum, [, counts]) => sum + counts[at], 0)));
  const step = WIDE / BINS;
  const bars = layers[0][1].flatMap((_, at) => {
    let base = HIGH;
    return layers.map(([kind, counts]) => {
      const high = (counts[at] / highest) * (HIGH - 24);
      base -= high;
      return high ? svg("rect", { x: at * step + 1, y: base, width: step - 2, height: high, rx: 2, "data-kind": kind }) : null;
    });
  });
  const place = (value) => ((value - least) / (most - least)) * WIDE;
  const at = place(limit.threshold);
  const line = [svg("rect", { x: place(limit.review), y: 0, width: at - place(limit.review), height: HIGH, class: "band" }), ...bars.filter(Boolean), svg("path", { d: `M${at} 0V${HIGH}`, class: "limit" }), svg("path", { d: `M0 ${HIGH}H${WIDE}`, class: "floor" })];
  const ticks = [least, (least + most) / 2, most].map((value) => el("span", {}, value.toFixed(2)));
  const about = `Scores from ${score(Math.min(...values))} to ${score(Math.max(...values))}, threshold ${score(limit.threshold)}`;
  return el("figure", { class: "histogram" }, svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": about }, ...line), el("div", { class: "ticks" }, ...ticks), el("figcaption", {}, el("b", {}, `Threshold ${score(limit.threshold)}`), "; shaded: for staff to look at."));
}

const legend = (scored) => el("ul", { class: "legend" }, ...KINDS.map(([kind, name]) => el("li", { "data-kind": kind }, `${name} ${scored.filter((one) => one.decision === kind).length.toLocaleString()}`)));
