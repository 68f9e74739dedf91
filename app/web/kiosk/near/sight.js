// Looking for faces on the tablet itself, in a worker. Whoever cannot look says so: nothing is sent in its place.

const ADDRESS = "/web/kiosk/near/worker.js";
const PATIENCE_MS = 15_000; // a look takes tenths of a second; a worker that the browser ended answers never

/** The browser cannot do it: too old, or something is broken. */
export class Blind extends Error {
  constructor(why) {
    super(why);
    this.code = "BLIND";
  }
}

/**
 * `weights`: resolves to the file's bytes. Answers `find(image)`, which resolves to faces ({box, score}), the best first;
 * without an image it only gets ready. Throws the weights' own errors, and `Blind`.
 */
export function sight(weights) {
  let opening = null;

  async function open() {
    const file = await weights();
    const ask = asking();
    await ask({ weights: file }, [file]);
    return ask;
  }

  let last = Promise.resolve();

  /** One after the other, whoever asks; after a failure all begins anew. */
  return function find(image) {
    const asked = last.then(async () => {
      opening ??= open();
      try {
        return await (await opening)({ image }, image ? [image.data.buffer] : []);
      } catch (error) {
        opening = null;
        throw error;
      }
    });
    last = asked.catch(() => {});
    return asked;
  };
}

/** A worker, and what asks it. Throws `Blind`. */
function asking() {
  let worker;
  try {
    worker = new Worker(ADDRESS, { type: "module" });
  } catch (error) {
    throw new Blind(error.message);
  }
  return (message, moved) => {
    let timer = 0;
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.flaw ? reject(new Blind(data.flaw)) : resolve(data.faces));
      worker.onerror = worker.onmessageerror = (event) => reject(new Blind(event.message ?? "the worker did not start"));
      timer = setTimeout(() => reject(new Blind("the worker does not answer")), PATIENCE_MS);
      worker.postMessage(message, moved);
    })
      .catch((error) => {
        worker.terminate();
        throw new Blind(error.message);
      })
      .finally(() => clearTimeout(timer));
  };
}
