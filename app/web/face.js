// One recognised face: decision, candidates against the threshold, pose, quality.

import { dial } from "./dial.js";
import { el } from "./dom.js";
import { cut } from "./picture.js";
import { traits } from "./traits.js";
import { called, decisionBadge, score } from "./words.js";

const COMPONENTS = { sharpness: "Sharpness", brightness: "Brightness", contrast: "Contrast", size: "Size" };

/** `number` is null where there is one face only; `axis` as `axisOf` gives it. */
export function faceCard(face, number, axis, picture) {
  const limit = face.threshold;
  const thumb = el("canvas", { "aria-hidden": "true" });
  if (picture) cut(thumb, picture, face.box, 72);
  const title = el("h3", {}, number ? el("span", { class: "soft" }, `${number} `) : null, heading(face));
  return el(
    "article",
    { class: "card face", "data-decision": face.decision, "aria-label": number ? `Face ${number}` : "The face" },
    el("header", {}, thumb, el("div", {}, title, decisionBadge(face.decision))),
    el("p", { class: "soft" }, reason(face, limit)),
    told(limit.raised) ? el("p", { class: "note warn" }, raisedWords(limit)) : null,
    told(limit.contrast) ? el("p", { class: "soft" }, contrastWords(limit)) : null,
    face.candidates.length ? candidates(face.candidates, limit, axis) : null,
    aged(face.candidates[0]),
    about(face),
    ...traits(face),
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
  const about = (one) => [one.name ? one.subject_id : "", one.template_spectrum === "infrared" ? "infrared picture" : "", one.template_old ? "old picture" : "", one.disputed ? "like somebody once taken for them" : ""];
  return scoreBars(
    list.map((one) => ({ label: called(one), id: about(one).filter(Boolean).join(", "), score: one.score })),
    limit,
    axis,
  );
}

/** Whether a threshold moved by enough to speak of. */
export const told = (moved) => Math.abs(moved) >= 0.005;

/** That less of the face was seen, and what follows. */
export const raisedWords = (limit) => `The threshold is ${score(limit.raised)} stricter than for a bare face: less of this one can be seen.`;

/** That the face resembles everybody here, or nobody, and what follows. */
function contrastWords({ contrast }) {
  const [how, moved] = contrast > 0 ? ["more", "stricter"] : ["less", "laxer"];
  return `It resembles everybody here ${how} than a face usually does, so its threshold is ${score(Math.abs(contrast))} ${moved}.`;
}

/** When the closest subject's picture was taken, where that is known. */
function aged(best) {
  if (!best?.template_captured_at) return null;
  const taken = new Date(best.template_captured_at).toLocaleDateString(undefined, { dateStyle: "medium" });
  const text = `The closest picture of ${called(best)} was taken on ${taken}.`;
  return best.template_old ? el("p", { class: "note warn" }, el("b", {}, "An old picture"), `${text} Enrol them again: faces change.`) : el("p", { class: "soft" }, text);
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

/** Pose and quality, and in which light the face was seen. */
export function about({ pose, quality, spectrum }) {
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
  rows.push(plain("Seen in", spectrum === "infrared" ? "infrared, for it has no colour" : "visible light"));
  return el("div", { class: "about" }, dial(pose), el("dl", { class: "quality", "aria-label": "Quality, 0 to 100" }, ...rows));
}
