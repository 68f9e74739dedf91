// One recognised face: decision, candidates against the threshold, pose, quality.

import { dial } from "./dial.js";
import { el } from "./dom.js";
import { cut } from "./picture.js";
import { called, decisionBadge, score } from "./words.js";

const COMPONENTS = { sharpness: "Sharpness", brightness: "Brightness", contrast: "Contrast", size: "Size" };

export function faceCard(face, number, limit, picture) {
  const thumb = el("canvas", { "aria-hidden": "true" });
  if (picture) cut(thumb, picture, face.box, 72);
  return el(
    "article",
    { class: "card face", "data-decision": face.decision, "aria-label": `Face ${number}` },
    el("header", {}, thumb, el("div", {}, el("h3", {}, heading(face)), decisionBadge(face.decision))),
    el("p", { class: "soft" }, reason(face, limit)),
    face.candidates.length ? candidates(face.candidates, limit) : null,
    about(face),
  );
}

/** What is written beside the face on the picture and above its card. */
export function heading(face) {
  if (face.match) return called(face.match);
  if (face.decision === "review") return `${called(face.candidates[0])}?`;
  return "Nobody enrolled";
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

/** The scores' part of the axis that is worth drawing: the threshold stands at 60 % of its width. */
export function axis(threshold) {
  const above = Math.max(1 - threshold, 0.02);
  const low = Math.max(-1, threshold - 1.5 * above);
  const place = (value) => `${(Math.min(1, Math.max(0, (value - low) / (threshold + above - low))) * 100).toFixed(2)}%`;
  return { low, high: threshold + above, place };
}

function candidates(list, limit) {
  return scoreBars(
    list.map((one) => ({ label: called(one), id: one.name ? one.subject_id : "", score: one.score })),
    limit,
  );
}

/** Rows of {label, id, score} as bars on one axis, with the review band and the threshold line. */
export function scoreBars(rows, limit) {
  const { low, high, place } = axis(limit.threshold);
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
        const name = el("span", {}, row.label, " ", el("span", { class: "id" }, row.id));
        const number = el("span", { class: "number" }, score(row.score), el("span", { class: "unseen" }, said[band(row.score)]));
        const bar = el("span", { class: `bar ${band(row.score)}`, "aria-hidden": "true" }, el("i", { vars: { to: place(row.score) } }));
        return el("li", {}, name, number, bar);
      }),
    ),
    el("p", { class: "axis", "aria-hidden": "true" }, el("span", {}, low.toFixed(2)), el("b", {}, `threshold ${score(limit.threshold)}`), el("span", {}, high.toFixed(2))),
  );
}

/** Pose and quality. */
export function about({ pose, quality }) {
  const rows = Object.entries(COMPONENTS).map(([key, word]) => {
    const value = quality[key];
    return el(
      "div",
      { class: value === quality.overall ? "row weakest" : "row" },
      el("dt", {}, word),
      el("dd", { class: "meter", "aria-hidden": "true" }, el("i", { vars: { to: `${value}%` } })),
      el("dd", {}, String(Math.round(value))),
    );
  });
  const eyes = el("div", { class: "row" }, el("dt", {}, "Between the eyes"), el("dd", {}), el("dd", {}, `${Math.round(quality.inter_eye)} px`));
  return el("div", { class: "about" }, dial(pose), el("dl", { class: "quality", "aria-label": "Quality, 0 to 100" }, ...rows, eyes));
}
