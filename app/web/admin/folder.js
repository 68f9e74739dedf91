// Enrolment by folder: one request a person, progress, refusals.

import { byId, el } from "../dom.js";
import { advice, count, sentence } from "../words.js";
import { consentTexts, enroll } from "./service.js";

const MOST = 20; // pictures a request
const KINDS = /\.(jpe?g|png|webp|hei[cf])$/i;
const ID = /[^A-Za-z0-9._-]+/g;

/** Files of a chosen folder by the person's folder; a picture's name is the person where there are no folders. */
export function people(files) {
  const found = new Map();
  for (const file of files) {
    if (!KINDS.test(file.name)) continue;
    const parts = file.webkitRelativePath.split("/");
    const name = parts.length > 2 ? parts.at(-2) : file.name.replace(KINDS, "");
    found.set(name, [...(found.get(name) ?? []), file]);
  }
  return found;
}

/** `onDone` runs when somebody was enrolled. */
export function folderPanel(picked, { onDone }) {
  const [place, log, stop] = ["folder-progress", "folder-log", "folder-stop"].map(byId);
  let stopped = false;

  async function run(files) {
    const all = people(files);
    stopped = false;
    stop.hidden = false;
    log.replaceChildren();
    const bar = el("progress", { max: all.size, value: 0, "aria-label": "People enrolled" });
    const told = el("p", {}, "");
    place.replaceChildren(bar, told);
    const tally = { people: 0, accepted: 0, rejected: 0 };
    const version = byId("folder-consent").checked ? (await consentTexts(picked()).catch(() => []))[0]?.version : undefined;
    for (const [name, pictures] of all) {
      if (stopped) break;
      for (let at = 0; at < pictures.length; at += MOST) await person(name, pictures.slice(at, at + MOST), version, tally);
      tally.people += 1;
      bar.value = tally.people;
      told.textContent = `${tally.people} of ${count(all.size, "person", "people")}: ${tally.accepted} accepted, ${tally.rejected} rejected`;
    }
    if (!all.size) told.textContent = "There are no pictures in this folder.";
    stop.hidden = true;
    onDone();
  }

  async function person(name, pictures, version, tally) {
    const id = name.replace(ID, "-").slice(0, 64);
    const fields = { collection: picked(), subject_id: id, name, faces: byId("folder-largest").checked ? "largest" : "", consent_version: version };
    try {
      const done = await enroll(fields, pictures);
      tally.accepted += done.accepted.length;
      tally.rejected += done.rejected.length;
      refuse(pictures, done.rejected);
    } catch (error) {
      tally.rejected += pictures.length;
      if (error.rejected?.length) refuse(pictures, error.rejected);
      else log.append(el("li", {}, el("b", {}, name), ` ${sentence(error.detail || error.title)}`));
    }
  }

  function refuse(pictures, rejected) {
    log.append(...rejected.map(({ index, code, reason }) => el("li", {}, el("b", {}, pictures[index].webkitRelativePath || pictures[index].name), ` ${sentence(reason)} ${advice(code)}`)));
  }

  byId("folder-input").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    if (files.length) run(files);
  });
  stop.addEventListener("click", () => (stopped = true));
}
