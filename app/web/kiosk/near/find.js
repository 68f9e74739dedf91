// Where faces are in a small picture, told on the tablet itself: by these faces it is decided whether a picture leaves it.

import { proposed, refined, tensors } from "./networks.js";
import { shrunk, windowOf } from "./pixels.js";

const CELL = 12; // pixels that one answer of P-Net sees
const FACTOR = 0.709;
const PROPOSED = 0.6;
const REFINED = 0.6; // finds 220 of 223 near faces, a third of them from the side; takes 5 of 90 pictures without one for near
const CERTAIN = 0.9;
const MOST = 12; // windows that R-Net sees
const WINDOW = 24;
const SAME = 0.5; // overlap of two boxes of one face

/**
 * `file`: the weights as the service gives them. Answers what finds faces in an image {data (RGBA), width, height} of some
 * hundred pixels: boxes in its pixels with their scores, the best first. The smallest face has `CELL` pixels.
 */
export function finder(file) {
  const weights = tensors(file);
  return (image) => {
    const proposals = apart(levels(image).flatMap((level) => windows(weights, level))).slice(0, MOST);
    return believed(apart(proposals.map((proposal) => judged(weights, image, proposal)).filter(({ score }) => score > REFINED), smaller));
  };
}

/** Without doubted faces that touch a better one: parts of it with what is beside, at times larger than it. */
function believed(faces) {
  return faces.filter(({ box, score }, at) => score >= CERTAIN || faces.slice(0, at).every((better) => overlap(better.box, box, smaller) === 0));
}

/** RGB planes of the picture at its own and smaller sizes, with the scale of each. */
function levels({ data, width, height }) {
  const sizes = [];
  for (let scale = 1; Math.min(width, height) * scale >= CELL; scale *= FACTOR) sizes.push(scale);
  return sizes.map((scale) => ({ ...shrunk(data, width, height, Math.round(width * scale), Math.round(height * scale)), scale }));
}

function windows(weights, level) {
  const { data, height, width } = proposed(weights, level);
  const size = height * width;
  const least = Math.log(PROPOSED / (1 - PROPOSED));
  const found = [];
  for (let at = 0; at < size; at += 1) {
    if (data[at] <= least) continue;
    const [x, y] = [2 * (at % width), 2 * Math.floor(at / width)];
    // The published cascade counts pixels from one here: a window's first corner is one pixel further.
    const cell = [x + 1, y + 1, x + CELL, y + CELL];
    found.push({ box: cell.map((edge, side) => (edge + data[(side + 1) * size + at] * (CELL - 1)) / level.scale), score: share(data[at]) });
  }
  return found;
}

/** What R-Net says of a proposal: its box moved, its score. */
function judged(weights, image, { box: [x0, y0, x1, y1] }) {
  const half = Math.max(x1 - x0, y1 - y0) / 2;
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  const square = [x - half, y - half, x + half, y + half];
  const [logit, ...offsets] = refined(weights, windowOf(image, square, WINDOW));
  return { box: square.map((edge, side) => edge + offsets[side] * (2 * half + 1)), score: share(logit) };
}

/** The best first, without those that a better one overlaps by more than `SAME`, over their union or what `over` says. */
function apart(found, over = union) {
  const kept = [];
  for (const one of found.sort((a, b) => b.score - a.score)) if (kept.every((better) => overlap(better.box, one.box, over) <= SAME)) kept.push(one);
  return kept;
}

function overlap(a, b, over) {
  const [wide, high] = [0, 1].map((at) => Math.max(0, Math.min(a[at + 2], b[at + 2]) - Math.max(a[at], b[at])));
  return (wide * high) / Math.max(over(area(a), area(b), wide * high), 1e-9);
}

const area = ([x0, y0, x1, y1]) => Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
const union = (one, other, shared) => one + other - shared;
const smaller = (one, other) => Math.min(one, other);

const share = (logit) => 1 / (1 + Math.exp(-logit));
