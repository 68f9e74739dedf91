// Where the visitor should go: from the faces of a look to one word of advice. Pure.

const NEAR = 0.2; // of the shorter side of the picture
const TOO_NEAR = 0.8;
const OFF_CENTRE = 0.2;
const RIVAL = 0.5; // a second face with so much of the first one's area is named
const TURNED = 50; // degrees of yaw from which a visitor is asked to face the camera

const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
const middle = ([x0, y0, x1, y1]) => [(x0 + x1) / 2, (y0 + y1) / 2];

/** How far a face's middle is from the picture's, 0 to about 0.7. */
function off(box, width, height) {
  const [x, y] = middle(box);
  return Math.hypot(x / width - 0.5, y / height - 0.5);
}

/** The visitor among `faces` ({box, pose}): large and central; null without any. */
export function foremost(faces, width, height) {
  const weight = ({ box }) => area(box) * (1 - off(box, width, height));
  return faces.reduce((best, face) => (best && weight(best) >= weight(face) ? best : face), null);
}

/** `word`: look, closer, back, centre, face, or "ready". `several`: somebody else is about as near. */
export function advise(faces, width, height) {
  const face = foremost(faces, width, height);
  if (!face) return { word: "look", face: null, several: false };
  const several = faces.some((other) => other !== face && area(other.box) > RIVAL * area(face.box));
  return { word: word(face, width, height), face, several };
}

function word({ box, pose }, width, height) {
  const size = (box[2] - box[0]) / Math.min(width, height);
  if (size < NEAR) return "closer";
  if (size > TOO_NEAR) return "back";
  const [x] = middle(box);
  if (Math.abs(x / width - 0.5) > OFF_CENTRE) return "centre";
  return Math.abs(pose?.yaw ?? 0) > TURNED ? "face" : "ready";
}

const TURNS = { front: [-12, 12], left: [12, 40], right: [-40, -12] };

/** For a guided picture: null when the head is turned as asked (`yaw` > 0: to their own left), else what to say. */
export function turn(wanted, yaw) {
  const [least, most] = TURNS[wanted];
  if (yaw >= least && yaw <= most) return null;
  if (wanted === "front") return "photoFront";
  const far = wanted === "left" ? yaw > most : yaw < least;
  if (far) return "lessTurned";
  return wanted === "left" ? "photoLeft" : "photoRight";
}
