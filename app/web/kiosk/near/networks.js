// The first two networks of MTCNN (Zhang et al. 2016), as app/face/nets/mtcnn.py has them, and their weights.

import { bent, convolved, joined, pooled } from "./layers.js";

/** What a safetensors file holds, by name: {shape, data}. Its head is a length (8 bytes) and JSON, its rest float32, little-endian. */
export function tensors(buffer) {
  const view = new DataView(buffer);
  const head = 8 + Number(view.getBigUint64(0, true));
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, head - 8)));
  const read = ({ dtype, shape, data_offsets: [from, to] }) => {
    if (dtype !== "F32") throw new Error(`${dtype} is not read here`);
    // Float64Array: see layers.js.
    return { shape, data: Float64Array.from({ length: (to - from) / 4 }, (_, at) => view.getFloat32(head + from + 4 * at, true)) };
  };
  return Object.fromEntries(Object.entries(told).filter(([name]) => name !== "__metadata__").map(([name, one]) => [name, read(one)]));
}

/**
 * P-Net on RGB planes 0-255 [3, h, w]: for each window of 12 pixels, two apart, the logit of a face and four box
 * offsets, [5, rows, columns].
 */
export function proposed(weights, input) {
  const { conv, slope } = of(weights, "pnet");
  let now = pooled(slope(conv(input, 0), 1), 2, true);
  now = slope(conv(now, 3), 4);
  now = slope(conv(now, 5), 6);
  return convolved(now, weights["pnet.head.weight"], weights["pnet.head.bias"]);
}

/** R-Net on RGB planes 0-255 [3, 24, 24]: the logit of a face and four box offsets. */
export function refined(weights, input) {
  const { conv, slope } = of(weights, "rnet");
  let now = pooled(slope(conv(input, 0), 1), 3, true);
  now = pooled(slope(conv(now, 3), 4), 3, false);
  now = slope(conv(now, 6), 7);
  now = bent(joined(now, weights["rnet.body.9.weight"], weights["rnet.body.9.bias"]), weights["rnet.body.10.weight"]);
  return joined(now, weights["rnet.head.weight"], weights["rnet.head.bias"]).data;
}

const of = (weights, network) => ({
  conv: (input, at) => convolved(input, weights[`${network}.body.${at}.weight`], weights[`${network}.body.${at}.bias`]),
  slope: (input, at) => bent(input, weights[`${network}.body.${at}.weight`]),
});
