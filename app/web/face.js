// One recognised face: decision, candidates against the threshold, pose, quality.

import { dial } from "./dial.js";
import { el } from "./dom.js";
import { cut } from "./picture.js";
import { called, decisionBadge, score } from "./words.js";

const COMPONENTS = { sharpness: "Sharpness", brightness: "Brightness", contrast: "Contrast", size: "Size" };

/** `number` is null where there is one face only; `axis` as `axisOf` gives it. */
export function faceCard(face, number, limit, axis, picture) {
  const thumb = el("canvas", { "aria-hidden": "true" });
  if (picture) cut(thumb, picture, face.box, 72);
  const title = el("h3", {}, number ? el("span", { class: "soft" }, `${number} `) : null, heading(face));
  return el(
    "article",
    { class: "card face", "data-decision": face.decision, "aria-label": number ? `Face ${number}` : "The face" },
    el("header", {}, thumb, el("div", {}, title, decisionBadge(face.decision))),
    el("p", { class: "soft" }, reason(face, limit)),
    face.candidates.length ? candidates(face.candidates, limit, axis) : null,
    about(face),
  );
}

/** What is written beside the face on the picture and above its card. */
export function heading(face) {
  if (face.match) return called(face.match);
  if (face.decision === "review") return `${called(face.candidates[0])}?`;
  return "Not recognised";
}

function reason(face, limit) {
  const [best] = face.candidates;
  if (!best) return "Nobody is enrolled yet, so there is nobody to compare with.";
  const { match } = face;
  if (match) {
    const next = match.margin === null ? "" : ` and ${score(match.margin)} above the next subject`;
    return `Score ${score(match.score)}, ${score(match.score - limit.threshold)} above the threshold${next}.`;
  }
  if (best.score >= limit.threshold) return "Above the threshold, but another face in this picture is closer to that subject.";
  const below = `Best score ${score(best.score)}, ${score(limit.threshold - best.score)} below the threshold`;
  return face.decision === "review" ? `${below}: close enough that a person should look.` : `${below}.`;
}

/** The part of the scores worth drawing: from a round number below all of them, and the review band, up to 1. */
export function axisOf(scores, limit) {
  const least = Math.min(limit.review, ...scores);
  const low = Math.max(-1, Math.min(0.9, Math.floor((least - 0.02) * 20) / 20));
  const place = (value) => `${(Math.min(1, Math.max(0, (value - low) / (1 - low))) * 100).toFixed(2)}%`;
  return { low, place };
}

function candidates(list, limit, axis) {
  return scoreBars(
    list.map((one) => ({ label: called(one), id: one.name ? one.subject_id : "", score: one.score })),
    limit,
    axis,
  );
}

/** Rows of {label, id, score} as bars on one axis, with the review band and the threshold line. */
export function scoreBars(rows, limit, { low, place }) {
  const band = (value) => (value >= limit.threshold ? "match" : value >= limit.review ? "review" : "none");
  const said = { match: ", at or above the threshold", review: ", in the review band", none: ", below the threshold" };
  const vars = { at: place(limit.threshold), from: place(limit.review) };
  return el(
    "div",
    { vars },
    el(
      "ol",
      { class: "scores", "aria-label": "Closest subjects, by score" },
      ...rows.map((row) => {
        const name = el("span", { class: "who" }, row.label, " ", el("span", { class: "id" }, row.id));
        const number = el("span", { class: "number" }, score(row.score), el("span", { class: "unseen" }, said[band(row.score)]));
        const bar = el("span", { class: `bar ${band(row.score)}`, "aria-hidden": "true" }, el("i", { vars: { to: place(row.score) } }));
        return el("li", {}, name, number, bar);
      }),
    ),
    el("p", { class: "axis", "aria-hidden": "true" }, el("span", {}, low.toFixed(2)), el("b", {}, `threshold ${score(limit.threshold)}`), el("span", {}, "1.00")),
  );
}

/** Pose and quality; the age, where it was asked for; that the infrared network saw it, where it did. */
export function about({ pose, quality, age, spectrum }) {
  const rows = Object.entries(COMPONENTS).map(([key, word]) => {
    const value = quality[key];
    return el(
      "div",
      { class: value < 100 && value === quality.overall ? "row weakest" : "row" },
      el("dt", {}, word),
      el("dd", { class: "meter", "aria-hidden": "true" }, el("i", { vars: { to: `${value}%` } })),
      el("dd", {}, String(Math.round(value))),
    );
  });
  const plain = (word, value) => el("div", { class: "row" }, el("dt", {}, word), el("dd", {}), el("dd", {}, value));
  rows.push(plain("Between the eyes", `${Math.round(quality.inter_eye)} px`));
  if (age) rows.push(plain("Looks like", `${Math.round(age.years)} years (${Math.round(age.low)} to ${Math.round(age.high)})`));
  if (spectrum === "infrared") rows.push(plain("Without colour", "read as infrared"));
  return el("div", { class: "about" }, dial(pose), el("dl", { class: "quality", "aria-label": "Quality, 0 to 100" }, ...rows));
}
