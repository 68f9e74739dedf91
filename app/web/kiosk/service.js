// What the kiosk asks of the service.

import { call, fetched } from "../api.js";

const PATIENCE_MS = 15_000;
const TRIES = 3;

export const rules = async (collection) => (await call("GET", "/door", { query: { collection }, signal: soon() })).rules;

/** The weights with which this tablet looks for faces itself: bytes of a safetensors file. */
export const finderWeights = async (collection) => (await fetched("/door/finder", { query: { collection }, signal: soon() })).arrayBuffer();

/** Which collections the key is for; null: all. */
export const keysCollections = async () => (await call("GET", "/whoami", { signal: soon() })).collections;

/** Names that begin so, where the venue shows them. One letter is too few to ask for. */
export async function names(collection, letters) {
  if (letters.length < 2) return [];
  return (await call("GET", "/door/names", { query: { collection, letters }, signal: soon() })).names;
}

/** Faces of a small picture: where they are and how they are turned, compared with nobody. */
export async function faces(blob) {
  const form = new FormData();
  form.append("image", blob, "picture");
  form.append("attributes", "pose,quality");
  try {
    return (await call("POST", "/analyze", { body: form, signal: soon() })).faces;
  } catch (error) {
    if (error.code === "NO_FACE") return [];
    throw error;
  }
}

/** One sign-in: `asked` as the schema has it, `frames` for those with a face. The same `key` never counts twice. */
export function signIn(asked, frames, key) {
  return again(() => {
    const form = new FormData();
    for (const [name, value] of Object.entries(asked)) if (value) form.append(name, value);
    for (const frame of frames) form.append("images", frame, "picture");
    return call("POST", "/visits", { body: form, headers: { "Idempotency-Key": key }, signal: soon() });
  });
}

/** What a visitor agrees to before registering: {version, text, language}; null where the venue has none. */
export async function consentText(collection, language) {
  try {
    return await call("GET", "/consent", { query: { collection, language }, signal: soon() });
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** A new subject with consent, three pictures and a first visit, in one request. */
export function register(asked, pictures, key) {
  return again(() => {
    const form = new FormData();
    for (const [name, value] of Object.entries(asked)) form.append(name, value);
    for (const picture of pictures) form.append("images", picture, "picture");
    return call("POST", "/registrations", { body: form, headers: { "Idempotency-Key": key }, signal: soon() });
  });
}

export const newKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** Was it the network, or a service that is down for the moment? Then the same request may be sent once more. */
export const passing = (error) => error.name === "TimeoutError" || error.status === 0 || error.status === 429 || error.status >= 500;

async function again(send) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await send();
    } catch (error) {
      if (!passing(error) || tried === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** tried));
    }
  }
}

const soon = () => AbortSignal.timeout(PATIENCE_MS);
