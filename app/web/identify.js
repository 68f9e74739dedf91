// Identify: one picture, every face in it, one decision a face.

import { identify } from "./api.js";
import { byId, el } from "./dom.js";
import { axisOf, faceCard, heading } from "./face.js";
import { picker } from "./picker.js";
import { preview } from "./picture.js";
import { link, shot } from "./shot.js";
import { timings } from "./timings.js";
import { ASKED } from "./traits.js";
import { aboutSearch, attempt, count, score, tone } from "./words.js";

const SIDE = 1600;

export function identifyPanel({ onDone }) {
  const [panel, said, results, wanted] = ["identify", "identify-said", "identify-results", "identify-asked"].map(byId);
  let running = new AbortController();
  let last = null;

  async function ask([file]) {
    last = file;
    running.abort();
    running = new AbortController();
    const { signal } = running;
    results.replaceChildren();
    const done = await attempt(said, "Looking for faces", () => Promise.all([recognised(file, chosen(wanted), signal), preview(file, SIDE)]));
    if (!done || signal.aborted) return;
    panel.classList.add("answered");
    const [told, picture] = done;
    const summary = `${count(told.faces.length, "face", "faces")}: ${told.faces.map(heading).join(", ")}`;
    said.replaceChildren(el("p", { class: "unseen" }, summary));
    results.replaceChildren(answer(told, picture, summary));
    onDone();
  }

  picker(byId("identify-picker"), { what: "to identify", onFiles: ask });
  wanted.addEventListener("change", () => last && ask([last]));
  return (attributes) => offer(wanted, attributes);
}

/** A box for each attribute that this server has; what a face does is told to who asks for it alone. */
function offer(place, attributes) {
  if (place.querySelector("input")) return;
  const there = Object.entries(ASKED).filter(([name]) => attributes.includes(name));
  place.hidden = !there.length;
  place.append(...there.map(([name, word]) => el("label", { class: "check" }, el("input", { type: "checkbox", value: name, checked: name !== "action_units" }), word)));
}

const chosen = (place) => [...place.querySelectorAll("input:checked")].map((box) => box.value).join(",");

/** A face without colour goes to the infrared network, if there is one. */
function recognised(file, attributes, signal) {
  return identify(file, { spectrum: "auto", ...(attributes && { attributes }) }, signal);
}

function answer(told, picture, summary) {
  const { faces, threshold } = told;
  const limits = [threshold, ...faces.map((face) => face.threshold)];
  const axis = axisOf(faces.flatMap((face) => face.candidates.map((one) => one.score)), { review: Math.min(...limits.map((one) => one.review)) });
  const cards = faces.map((face, at) => faceCard(face, faces.length > 1 ? at + 1 : null, axis, picture));
  const left = el("div", { class: "shot stays" });
  if (picture) {
    const drawn = shot(picture, faces.map((face, at) => markOf(face, at, faces.length)), `Picture with ${summary}`);
    link(drawn, cards);
    left.append(drawn.figure);
  } else {
    left.append(el("p", { class: "note" }, "This browser cannot show this kind of picture. The service read it all the same."));
  }
  const [width, height] = told.detection_size;
  const right = el(
    "div",
    { class: "faces" },
    ...cards,
    el("p", { class: "soft" }, aboutSearch(threshold)),
    timings(told.timings_ms),
    el("p", { class: "soft" }, `Faces were looked for at ${width} × ${height} pixels.`),
  );
  return el("div", { class: "split" }, left, right);
}

function markOf(face, at, many) {
  const number = many > 1 ? `${at + 1}  ` : "";
  const shown = face.match ?? (face.decision === "review" ? face.candidates[0] : null);
  const label = `${number}${heading(face)}${shown ? `  ${score(shown.score)}` : ""}`;
  return { box: face.box, landmarks: face.landmarks, label, tone: tone(face.decision), cells: face.occlusion?.cells };
}
