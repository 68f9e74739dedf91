// Enrol: a name and pictures go in, each picture comes back accepted or rejected with the reason.

import { enroll } from "./api.js";
import { turned } from "./dial.js";
import { byId, el } from "./dom.js";
import { picker } from "./picker.js";
import { cut, preview } from "./picture.js";
import { advice, attempt, badge, count, score, sentence } from "./words.js";

const MOST = 20;
const SIDE = 640;
const WHY = {
  MULTIPLE_FACES: "More than one face was found. Crop it to one person, or tick the box that takes the largest face.",
};

export function enrolPanel({ onDone, onNext }) {
  const [form, said, results, list] = ["enrol-form", "enrol-said", "enrol-results", "enrol-queue"].map(byId);
  let queue = [];

  const show = () => list.replaceChildren(...queue.map((item) => item.entry));

  async function add(files) {
    const room = MOST - queue.length;
    said.replaceChildren();
    if (files.length > room) said.append(note("warn", `${MOST} pictures at a time`, "The others were left out."));
    for (const file of files.slice(0, room)) {
      const item = { file, picture: await preview(file, SIDE) };
      const remove = () => {
        queue = queue.filter((other) => other !== item);
        show();
      };
      const button = el("button", { type: "button", "aria-label": `Remove ${file.name}`, onclick: remove }, "Remove");
      item.entry = el("li", {}, thumb(item, null, 96), button);
      queue.push(item);
      show();
    }
  }

  async function send(event) {
    event.preventDefault();
    const problem = missing(form, queue);
    if (problem) {
      said.replaceChildren(problem);
      return;
    }
    const sent = queue;
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    results.replaceChildren();
    const done = await attempt(said, `Enrolling ${count(sent.length, "picture", "pictures")}`, async () => {
      try {
        return await enroll(bodyOf(form, sent));
      } catch (error) {
        if (error.rejected?.length) results.replaceChildren(outcomes(sent, [], error.rejected));
        throw error;
      }
    });
    button.disabled = false;
    if (!done) return;
    said.replaceChildren(...report(done, sent, form.elements.name.value, onNext));
    results.replaceChildren(outcomes(sent, done.accepted, done.rejected));
    queue = [];
    form.reset();
    show();
    onDone();
  }

  picker(byId("enrol-picker"), { multiple: true, what: "to enrol", onFiles: add });
  form.addEventListener("submit", send);
}

function missing(form, queue) {
  const { name, subject_id: id } = form.elements;
  if (!name.value.trim() && !id.value.trim()) {
    name.focus();
    return note("warn", "Who is it?", "Type a name, or the id of someone enrolled before.");
  }
  if (!id.checkValidity()) {
    id.focus();
    return note("warn", "This id cannot be used", "Letters, digits, dot, underscore and hyphen, at most 64.");
  }
  return queue.length ? null : note("warn", "No picture yet", "Drop one, choose one, or use the webcam.");
}

function bodyOf(form, sent) {
  const body = new FormData();
  for (const { file } of sent) body.append("images", file, "picture");
  for (const field of ["name", "subject_id"]) {
    const value = form.elements[field].value.trim();
    if (value) body.append(field, value);
  }
  const day = form.elements.captured_at.value;
  if (day) body.append("captured_at", `${day}T00:00:00Z`);
  if (form.elements.largest.checked) body.append("faces", "largest");
  return body;
}

function report(done, sent, name, onNext) {
  const who = name.trim() || done.subject_id;
  const title = done.created ? `${who} is enrolled` : `${who} has new pictures`;
  const text = `${done.accepted.length} of ${count(sent.length, "picture", "pictures")} accepted. Subject id: ${done.subject_id}`;
  const next = el("button", { type: "button", onclick: onNext }, "Now identify someone");
  const doubles = done.duplicates.map(({ index, subject_id, score: value }) =>
    note("warn", `Picture ${index + 1} also resembles ${subject_id}`, `Score ${score(value)}, at or above the threshold. The same person under two ids?`),
  );
  return [el("div", { class: "note good" }, el("b", {}, title), el("div", {}, text), next), ...doubles];
}

/** One row a picture, in the order they were sent. */
function outcomes(sent, accepted, rejected) {
  const rows = [...accepted, ...rejected].sort((a, b) => a.index - b.index);
  return el("ol", { class: "outcomes", "aria-label": "Pictures" }, ...rows.map((row) => outcome(sent[row.index], row)));
}

function outcome(item, row) {
  const number = `Picture ${row.index + 1}`;
  if (row.code) {
    const why = WHY[row.code] ?? `${sentence(row.reason)} ${advice(row.code)}`;
    return el("li", { "data-outcome": "rejected" }, thumb(item, null, 88), el("div", {}, badge("bad", `${number} rejected`), el("p", {}, why)));
  }
  const what = `${turned(row.pose)}, quality ${Math.round(row.quality.overall)} of 100, ${Math.round(row.quality.inter_eye)} px between the eyes.`;
  return el("li", { "data-outcome": "accepted" }, thumb(item, row.box, 88), el("div", {}, badge("match", `${number} accepted`), el("p", { class: "soft" }, what)));
}

function thumb({ file, picture }, box, side) {
  if (!picture) return el("span", { class: "blank" }, file.name);
  const canvas = el("canvas", { role: "img", "aria-label": file.name });
  cut(canvas, picture, box, side);
  return canvas;
}

function note(kind, title, text) {
  return el("div", { class: `note ${kind}` }, el("b", {}, title), text);
}
