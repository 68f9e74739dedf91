// Watching one visitor: advice until the face is near, sharp and still, then frames of it.

import { measure, refusal } from "./gate.js";
import { advise, turn } from "./guide.js";

const TICK_MS = 120;
const LOOK_MS = 300; // between two looks that the service is asked about
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
 * `faces(blob)` asks the service where faces are; `tell({word, face, several, progress})` hears every change.
 * `wanted` (front, left, right): also turned so, and one picture is enough. Null when nobody was there for `patience` ms.
 */
export async function watch(camera, faces, { tell, signal, patience = 12_000, wanted = null }) {
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
    seen = await look(camera, faces, wanted);
    if (seen.face) nobodySince = performance.now();
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

/** Where is somebody? Also used to wait for a visitor without searching for who it is. */
export async function look(camera, faces, wanted = null) {
  const { blob, scale } = await camera.look();
  const [width, height] = camera.size();
  const found = (await faces(blob)).map((face) => ({ ...face, box: face.box.map((edge) => edge / scale) }));
  const seen = advise(found, width, height);
  const unturned = wanted && seen.word === "ready" ? turn(wanted, seen.face.pose.yaw) : null;
  return unturned ? { ...seen, word: unturned } : seen;
}

/** Null when the visitor moved. */
async function burst(camera, seen, tell, signal, count) {
  const frames = [];
  let before = null;
  for (let taken = 0; taken < count; taken += 1) {
    await pause(TICK_MS, signal);
    const grey = camera.grey(seen.face.box);
    const gate = refusal(measure(grey, before));
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
