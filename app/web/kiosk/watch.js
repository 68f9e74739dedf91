// Watching one visitor: advice until the face is near, sharp and still, then frames of it.

import { measure, refusal, sharp } from "./gate.js";
import { advise, turn } from "./guide.js";

const TICK_MS = 120;
const LOOK_MS = 300; // between two looks where something has to change first
const FRAMES = 3;
const ASIDE_MS = 1_500; // who still looks aside after so long is taken from the side: that works too

export const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });

/**
 * Pictures of the face in front, `FRAMES` of them.
 *
 * `eyes`: `find(image)` looks for faces on this tablet, `faces(blob)` asks the service, once a face is near, in the middle
 * and sharp. `tell({word, face, several, progress})` hears every change. `wanted` (front, left, right): also turned so,
 * and one picture is enough. Null when nobody was near for `patience` ms.
 */
export async function watch(camera, { find, faces }, { tell, signal, patience = 12_000, wanted = null }) {
  let seen = null;
  let before = null;
  let nobodySince = performance.now();
  let asideSince = 0;
  for (;;) {
    await pause(TICK_MS, signal);
    const grey = camera.grey();
    const gate = refusal(measure(grey, before));
    before = grey;
    if (gate && seen?.word === "ready") tell({ ...seen, word: gate, progress: 0 });
    if (gate && seen) {
      seen = null;
      continue;
    }
    seen = await sighted(camera, find);
    signal.throwIfAborted();
    if (seen.word === "ready") seen = await look(camera, faces, wanted);
    // Somebody far off has not come: who asked and went away must not leave the door open to them.
    if (seen.face && seen.word !== "closer") nobodySince = performance.now();
    else if (performance.now() - nobodySince > patience) return null;
    if (seen.word === "face") asideSince ||= performance.now();
    else asideSince = 0;
    if (asideSince && performance.now() - asideSince > ASIDE_MS) seen = { ...seen, word: "ready" };
    tell({ ...seen, progress: seen.word === "ready" ? 0.15 : 0 });
    if (seen.word !== "ready") {
      await pause(LOOK_MS, signal);
      continue;
    }
    const taken = await burst(camera, seen, tell, signal, wanted ? 1 : FRAMES);
    if (taken) return { frames: taken, several: seen.several };
    seen = null;
  }
}

/** Where is somebody, as far as this tablet sees? Nothing is sent. A face that is near and blurred should hold still. */
export async function sighted(camera, find) {
  const { image, scale } = camera.small();
  const seen = advise(enlarged(await find(image), scale), ...camera.size());
  return seen.word === "ready" && !sharp(camera.grey(seen.face.box)) ? { ...seen, word: "moved" } : seen;
}

/** The same, told by the service: exactly, and how they are turned. */
async function look(camera, faces, wanted) {
  const { blob, scale } = await camera.look();
  const seen = advise(enlarged(await faces(blob), scale), ...camera.size());
  const unturned = wanted && seen.word === "ready" ? turn(wanted, seen.face.pose.yaw) : null;
  return unturned ? { ...seen, word: unturned } : seen;
}

const enlarged = (found, scale) => found.map((face) => ({ ...face, box: face.box.map((edge) => edge / scale) }));

/** Null when the visitor moved, or the picture is not sharp. */
async function burst(camera, seen, tell, signal, count) {
  const frames = [];
  let before = null;
  for (let taken = 0; taken < count; taken += 1) {
    await pause(TICK_MS, signal);
    const grey = camera.grey(seen.face.box);
    const gate = refusal(measure(grey, before)) ?? (sharp(grey) ? null : "moved");
    before = grey;
    if (gate) {
      tell({ ...seen, word: gate, progress: 0 });
      return null;
    }
    frames.push(await camera.picture(seen.face.box));
    tell({ ...seen, word: "still", progress: (taken + 1) / count });
  }
  return frames;
}
