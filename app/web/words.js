// What the page says: decisions, refusals, numbers.

import { el, svg } from "./dom.js";

const DECISIONS = { match: "Match", review: "Review", no_match: "No match" };
const TONES = { match: "match", review: "review", no_match: "none" };

const ADVICE = {
  NO_FACE: "Try a closer, brighter picture that shows the whole face.",
  MULTIPLE_FACES: "Crop it to one person.",
  TOO_MANY_FACES: "Crop it to the people you mean.",
  LOW_QUALITY: "Come closer, hold still, and let the light come from the front.",
  POSE_TOO_EXTREME: "Look towards the camera for this one.",
  OCCLUDED: "Nothing may hide the face while it is enrolled: take off mask, scarf or sunglasses, keep hands and phone away.",
  IMAGE_TOO_LARGE: "Save it smaller and try again.",
  IMAGE_TOO_SMALL: "Use the original rather than a thumbnail.",
  NOT_AN_IMAGE: "JPEG, PNG, WebP and HEIC can be read.",
  TRUNCATED_IMAGE: "The file may not have been copied whole.",
  ANIMATED_IMAGE: "Use a single still picture.",
  MODEL_MISMATCH: "The people here were enrolled with another model.",
  OVERLOADED: "Try again in a moment.",
};

const ICONS = {
  match: ["M3 8.5 6.5 12 13 4.5"],
  review: ["M5 6a3 3 0 1 1 4.2 2.7C8.3 9.2 8 9.6 8 10.3", "M8 13.2v.1"],
  none: ["M4 8h8"],
  bad: ["M4 4l8 8", "M12 4l-8 8"],
};

export const score = (value) => value.toFixed(3);
export const tone = (decision) => TONES[decision] ?? "none";
export const called = (subject) => subject.name || subject.subject_id;
export const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
export const milliseconds = (value) => (value < 0.05 ? "<0.1 ms" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
export const decisionBadge = (decision) => badge(tone(decision), DECISIONS[decision] ?? decision);
export const advice = (code) => ADVICE[code] ?? "";
export const sentence = (text) => text.replace(/\.?$/, ".");

/** A word with a sign beside it, so that colour is never alone in telling. */
export function badge(toned, word) {
  const icon = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, ...ICONS[toned].map((d) => svg("path", { d })));
  return el("span", { class: "badge", "data-tone": toned }, icon, word);
}

/** Where the threshold of a search came from. */
export function aboutSearch(limit) {
  const people = count(limit.subjects, "subject", "subjects");
  return aim(limit, `a false alarm in ${rate(limit.fpir)} searches for strangers among ${people}`);
}

/** Where the threshold of one comparison came from. */
export function aboutComparison(limit) {
  return aim(limit, `a false match in ${rate(limit.fmr)} comparisons of two different people`);
}

function aim(limit, what) {
  const kept = limit.extrapolated ? " This is rarer than what was measured for the model, so it is a careful guess." : "";
  return `Threshold ${score(limit.threshold)}: set for ${what}.${kept}`;
}

function rate(share) {
  return `1 of ${Math.round(1 / share).toLocaleString("en")}`;
}

/** A refusal with its title and detail, the advice we have, and the id to look for in the log. */
export function problemNote(problem) {
  const texts = [problem.detail === problem.title ? "" : problem.detail, advice(problem.code)].filter(Boolean);
  const id = problem.requestId ? el("div", { class: "soft" }, `Request ${problem.requestId}`) : null;
  return el("div", { class: "note bad", role: "alert" }, el("b", {}, problem.title ?? String(problem)), texts.join(" "), id);
}

/** Runs `work` while `place` says `doing`, then shows what went wrong, if anything. Undefined when it failed. */
export async function attempt(place, doing, work) {
  place.replaceChildren(el("p", { class: "busy" }, doing));
  try {
    const done = await work();
    place.replaceChildren();
    return done;
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    place.replaceChildren(problemNote(error));
    return undefined;
  }
}
