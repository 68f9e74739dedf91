// What a face says beside whose it is, where it was asked for: what covers it, its age, its movements.

import { el } from "./dom.js";
import { count } from "./words.js";

/** What may be asked for on this page, in words; the server says which of it there is. */
export const ASKED = { occlusion: "What covers it", age: "Its age", action_units: "Its movements" };

const REGIONS = { forehead: "Forehead", eyes: "Eyes", nose: "Nose", mouth: "Mouth", chin: "Chin" };
const HIDDEN = 0.5; // a region more covered than this is named
const OLDEST = 100;

/** Of the server's table; left and right are the subject's own. Wholes of two halves are left out. */
export const UNITS = {
  AU1: "inner brow up",
  AU2: "outer brow up",
  AU4: "brow down",
  AU5L: "upper lid raised, left",
  AU5R: "upper lid raised, right",
  AU7: "lids tightened",
  AU9: "nose wrinkled",
  AU10: "upper lip raised",
  AU12L: "smile, left",
  AU12R: "smile, right",
  AU15: "lip corners down",
  AU16: "lower lip down",
  AU18: "pout",
  AU20: "lip corners stretched",
  AU24: "lips pressed",
  AU26: "mouth open",
  AU28T: "upper lip closed",
  AU28B: "lower lip closed",
  AU30L: "mouth to the left",
  AU30R: "mouth to the right",
  AU34: "cheeks puffed",
  AU43L: "eye closed, left",
  AU43R: "eye closed, right",
};

const percent = (share) => `${Math.round(100 * share)} %`;
const list = (words) => (words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words[0]);

/** Sections for what was answered; none where nothing was asked for. */
export function traits(face) {
  return [
    face.occlusion ? covered(face.occlusion) : null,
    face.age ? age(face.age) : null,
    face.action_units ? movements(face.action_units) : null,
  ].filter(Boolean);
}

/** In words: how much, where, and whether it is a face mask. */
export function coveredWords({ covered: share, regions, mask }) {
  const hidden = Object.entries(REGIONS).filter(([name]) => regions[name] > HIDDEN).map(([, word]) => word.toLowerCase());
  const where = hidden.length ? `: ${list(hidden)}` : "";
  const worn = mask ? "A face mask is worn." : "No face mask.";
  return share < 0.05 && !hidden.length ? `Nothing covers it. ${worn}` : `${percent(share)} of the face is covered${where}. ${worn}`;
}

function covered(occlusion) {
  const rows = Object.entries(REGIONS).map(([name, word]) => row(word, occlusion.regions[name], percent(occlusion.regions[name])));
  return section("What covers it", "occlusion", el("p", {}, coveredWords(occlusion)), el("dl", { class: "quality hot" }, ...rows));
}

function age({ years, low, high }) {
  const place = (value) => `${Math.min(100, (100 * value) / OLDEST)}%`;
  const span = el("span", { class: "span", "aria-hidden": "true", vars: { from: place(low), to: place(high), at: place(years) } }, el("i"));
  const ends = el("p", { class: "ends", "aria-hidden": "true" }, el("span", {}, "0"), el("span", {}, String(OLDEST)));
  const text = `Looks ${count(Math.round(years), "year", "years")} old; four in five who look so are ${Math.round(low)} to ${Math.round(high)}.`;
  return section("Its age", "age", el("p", {}, text), span, ends);
}

function movements(units) {
  const rows = Object.entries(UNITS).filter(([name]) => name in units).map(([name, title]) => row(`${title} `, units[name], units[name].toFixed(2), name));
  return section("Its movements", "units", el("dl", { class: "quality many" }, ...rows), el("p", { class: "soft" }, "Each from 0, none, to 1, as far as it goes. What the face does, not what anybody feels."));
}

const section = (title, kind, ...parts) => el("section", { class: "trait", "data-trait": kind }, el("h4", {}, title), ...parts);

const row = (word, share, value, id = "") =>
  el(
    "div",
    { class: "row" },
    el("dt", {}, word, id ? el("span", { class: "id" }, id) : null),
    el("dd", { class: "meter", "aria-hidden": "true" }, el("i", { vars: { to: percent(Math.min(1, Math.max(0, share))).replace(" ", "") } })),
    el("dd", {}, value),
  );
