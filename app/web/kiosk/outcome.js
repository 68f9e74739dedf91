// From what the service answered to what the visitor is told. Pure.

import { passing } from "./service.js";

const REFUSALS = {
  NO_FACE: "noFace",
  LOW_QUALITY: "again",
  POSE_TOO_EXTREME: "again",
  PRESENTATION_ATTACK: "notReal",
  SUBJECT_NOT_FOUND: "codeUnknown",
  NO_OPEN_VISIT: "notIn",
  OVERLOADED: "busy",
  RATE_LIMITED: "busy",
  UNAUTHORIZED: "notAllowed",
  FORBIDDEN: "notAllowed",
  METHOD_REFUSED: "notAllowed",
  DUPLICATE_SUBJECT: "duplicate",
  ALL_REJECTED: "pictureRefused",
};
const TONES = { welcome: "good", goodbye: "good", already: "good", kept: "good", registered: "good", unknown: "ask", unsure: "ask", duplicate: "ask" };

/** The word for an answer to a sign-in; those who are known by name are told so by a function of it. */
export function outcome({ decision, action, checked_out_at: left }) {
  if (decision === "review") return "unsure";
  if (decision !== "match") return "unknown";
  if (action === "checked_out") return "goodbye";
  if (action === "repeated") return left ? "goodbye" : "already";
  return "welcome";
}

/** The word for a refusal. */
export function refused(error) {
  return REFUSALS[error.code] ?? (passing(error) ? "offline" : "failed");
}

export const tone = (word) => TONES[word] ?? "bad";
