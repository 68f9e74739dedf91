// From what the service answered to what the visitor is told. Pure.

import { passing } from "./service.js";

/** Every code that the service may answer a kiosk with. */
const REFUSALS = {
  NO_FACE: "noFace",
  LOW_QUALITY: "again",
  POSE_TOO_EXTREME: "turned",
  OCCLUDED: "covered",
  MULTIPLE_FACES: "oneAtATime",
  TOO_MANY_FACES: "oneAtATime",
  OTHER_FACE: "oneAtATime",
  BAD_FACE: "again",
  PRESENTATION_ATTACK: "notReal",
  SUBJECT_NOT_FOUND: "codeUnknown",
  NO_OPEN_VISIT: "notIn",
  DUPLICATE_SUBJECT: "duplicate",
  TOO_MANY_TEMPLATES: "duplicate",
  ALL_REJECTED: "pictureRefused",
  CONSENT_REQUIRED: "textChanged",
  CONSENT_OUTDATED: "textChanged",
  CONSENT_TEXT_NOT_FOUND: "textChanged",
  OVERLOADED: "busy",
  RATE_LIMITED: "busy",
  TOO_SLOW: "slow",
  UNAUTHORIZED: "notAllowed",
  KEY_EXPIRED: "notAllowed",
  KEY_REVOKED: "notAllowed",
  FORBIDDEN: "notAllowed",
  FOREIGN_ORIGIN: "notAllowed",
  METHOD_REFUSED: "notAllowed",
  COLLECTION_NOT_FOUND: "notAllowed",
  GALLERY_UNAVAILABLE: "notReady",
  STORE_UNAVAILABLE: "notReady",
  MODEL_MISMATCH: "notReady",
  WEIGHTS: "notReady",
  SEALED: "notReady",
  SEAL_KEY_MISSING: "notReady",
  SEAL_BROKEN: "notReady",
  ATTRIBUTE_UNAVAILABLE: "notReady",
  UNKNOWN_ATTRIBUTE: "notReady",
  SPECTRUM_UNAVAILABLE: "notReady",
  BAD_FIELDS: "failed",
  BAD_METADATA: "failed",
  BAD_REQUEST: "failed",
  BAD_BASE64: "failed",
  KEY_REUSED: "failed",
  BODY_TOO_LARGE: "failed",
  UNSUPPORTED_MEDIA_TYPE: "failed",
  BAD_IMAGE: "pictureRefused",
  EMPTY_IMAGE: "pictureRefused",
  NOT_AN_IMAGE: "pictureRefused",
  TRUNCATED_IMAGE: "pictureRefused",
  IMAGE_TOO_LARGE: "pictureRefused",
  IMAGE_TOO_SMALL: "tooFar",
  ANIMATED_IMAGE: "pictureRefused",
  INTERNAL: "failed",
  BLIND: "blind", // not the service's: near/sight.js
};
/** What is wrong with a picture of low quality: by the hint of one that was rejected, by the component of a frame. */
const HINTS = {
  come_closer: "tooFar",
  more_light: "tooDark",
  hold_still: "moved",
  look_here: "turned",
  one_at_a_time: "oneAtATime",
  try_again: "again",
};
const COMPONENTS = { size: "tooFar", brightness: "tooDark", contrast: "tooDark", sharpness: "moved" };
const MENDED = new Set(["again", "tooFar", "tooDark", "moved", "turned", "oneAtATime", "covered"]);
const TONES = { welcome: "good", goodbye: "good", already: "good", kept: "good", registered: "good", unknown: "ask", notYou: "ask", unsure: "ask", duplicate: "ask", textChanged: "ask" };

/** The word for an answer to a sign-in; those who are known by name are told so by a function of it. */
export function outcome({ decision, method, action, checked_out_at: left }) {
  if (decision === "review") return "unsure";
  if (decision !== "match") return method === "verify" ? "notYou" : "unknown";
  if (action === "checked_out") return "goodbye";
  if (action === "repeated") return left ? "goodbye" : "already";
  return "welcome";
}

/** The word for a refusal; where all pictures were rejected, for what was wrong with the first. */
export function refused(error) {
  const [first] = error.rejected ?? [];
  if (first) return first.code === "LOW_QUALITY" ? HINTS[first.hint] ?? "again" : REFUSALS[first.code] ?? "pictureRefused";
  if (error.code === "LOW_QUALITY") return COMPONENTS[error.component] ?? "again";
  return REFUSALS[error.code] ?? (passing(error) ? "offline" : "failed");
}

/** Can the visitor mend it by how they stand? Then it is tried once more without asking. */
export const mended = (word) => MENDED.has(word);

export const tone = (word) => TONES[word] ?? "bad";
