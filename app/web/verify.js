// Verify: two pictures, one comparison, as soon as both are there.

import { verify } from "./api.js";
import { byId, el } from "./dom.js";
import { about, axisOf, raisedWords, scoreBars, told } from "./face.js";
import { picker } from "./picker.js";
import { preview } from "./picture.js";
import { shot } from "./shot.js";
import { timings } from "./timings.js";
import { aboutComparison, attempt, decisionBadge } from "./words.js";

const SIDE = 1200;

export function verifyPanel() {
  const [said, results] = ["verify-said", "verify-results"].map(byId);
  const sides = ["verify-a", "verify-b"].map((id) => ({ place: byId(id), view: el("div", { class: "shot" }), file: null, picture: null }));
  let running = new AbortController();

  async function take(side, file) {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    results.replaceChildren();
    side.file = file;
    side.picture = await preview(file, SIDE);
    draw(side, null);
    if (sides.some((one) => !one.file)) return;
    const done = await attempt(said, "Comparing", () => verify(sides[0].file, sides[1].file, signal));
    if (!done || signal.aborted) return;
    [done.face, done.face_b].forEach((face, at) => draw(sides[at], face, done.match));
    results.replaceChildren(verdict(done));
  }

  for (const side of sides) {
    const [choosing, name] = [el("div"), side === sides[0] ? "the first" : "the second"];
    picker(choosing, { what: `as ${name} of two`, onFiles: ([file]) => take(side, file) });
    side.place.replaceChildren(side.view, choosing);
  }
}

function draw({ view, picture, file }, face, match) {
  if (!picture) {
    view.replaceChildren(el("p", { class: "note" }, `${file.name}: this browser cannot show this kind of picture.`));
    return;
  }
  const marks = face ? [{ ...face, label: "", tone: match ? "match" : "none" }] : [];
  const drawn = shot(picture, marks, face ? "Picture with one face marked" : "The picture chosen", { heightShare: 0.45 });
  view.replaceChildren(drawn.figure, ...(face ? [about(face)] : []));
}

function verdict(done) {
  const said = done.match ? "The same person" : "Not the same person, as far as these pictures tell";
  return el(
    "article",
    { class: "card verdict", "data-decision": done.match ? "match" : "no_match" },
    el("h3", {}, said),
    el("p", {}, decisionBadge(done.match ? "match" : "no_match")),
    scoreBars([{ label: "Score of the two", id: `distance ${done.distance.toFixed(3)}`, score: done.score }], done.threshold, axisOf([done.score], done.threshold)),
    told(done.threshold.raised) ? el("p", { class: "note warn" }, raisedWords(done.threshold)) : null,
    el("p", { class: "soft" }, aboutComparison(done.threshold)),
    timings(done.timings_ms),
  );
}
